"""Listeners on real sockets: what is bound, what it is called, what is left behind."""

from __future__ import annotations

import errno
import os
import resource
import select
import socket
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import multiprocess
import psutil
import pytest

from fanout.errors import BindError, ConfigError
from fanout.transport import listeners
from fanout.transport.endpoints import IpcEndpoint, TcpEndpoint, parse_endpoint
from fanout.transport.listeners import Listener, open_listener, peer_name

if TYPE_CHECKING:
    from collections.abc import Iterator

BACKLOG = 16
ACCEPT_TIMEOUT_S = 10.0


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short, empty directory that is the temporary and the current one; empty at the end too."""
    with tempfile.TemporaryDirectory(prefix="f-") as name:
        monkeypatch.setattr(tempfile, "tempdir", name)
        monkeypatch.chdir(name)
        yield Path(name)
        monkeypatch.undo()


def connect(listener: Listener) -> tuple[socket.socket, socket.socket]:
    """A client of this listener, and the connection accepted for it."""
    endpoint = parse_endpoint(listener.endpoint)
    if isinstance(endpoint, TcpEndpoint):
        client = socket.create_connection((endpoint.host, endpoint.port), ACCEPT_TIMEOUT_S)
    else:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(ACCEPT_TIMEOUT_S)
        client.connect(endpoint.path.replace("@", "\0"))
    return client, accept(listener)


def accept(listener: Listener) -> socket.socket:
    assert select.select([listener.socket], [], [], ACCEPT_TIMEOUT_S)[0]
    return listener.socket.accept()[0]


def leave_stale_file(path: str) -> None:
    """What a killed publisher leaves: a socket file without a socket."""
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(path)
        killed.listen()


def bind_error(endpoint: str) -> BindError:
    with pytest.raises(BindError) as raised:
        open_listener(endpoint, BACKLOG)
    assert raised.value.endpoint == endpoint
    assert str(raised.value).startswith(f"cannot bind {endpoint!r}: ")
    return raised.value


# ------------------------------------------------------------------------ tcp


@pytest.mark.parametrize(
    ("requested", "family", "bound"),
    [
        ("tcp://127.0.0.1:*", socket.AF_INET, "127.0.0.1"),
        ("tcp://127.0.0.1:0", socket.AF_INET, "127.0.0.1"),
        ("tcp://*:*", socket.AF_INET, "0.0.0.0"),
        ("tcp://lo:*", socket.AF_INET, "127.0.0.1"),
        ("tcp://localhost:*", socket.AF_INET, "127.0.0.1"),
        ("tcp://[::1]:*", socket.AF_INET6, "::1"),
        ("tcp://[::]:*", socket.AF_INET6, "::"),
    ],
)
def test_tcp_listens_and_tells_the_real_port(requested: str, family: int, bound: str) -> None:
    with closing(open_listener(requested, BACKLOG)) as listener:
        port = listener.socket.getsockname()[1]
        assert port > 0
        assert listener.endpoint == str(TcpEndpoint(bound, port))
        assert listener.requested == requested
        assert listener.socket.family == family
        assert repr(listener) == f"<Listener {listener.endpoint}>"
        assert not listener.socket.getblocking()
        assert not listener.socket.get_inheritable()
        client, connection = connect(listener)
        with client, connection:
            assert client.getpeername()[:2] == connection.getsockname()[:2]


def test_the_resolved_endpoint_can_be_bound_again_at_once() -> None:
    """A publisher that restarts gets its port back, although connections are in TIME_WAIT."""
    listener = open_listener("tcp://127.0.0.1:*", BACKLOG)
    client, connection = connect(listener)
    connection.close()  # the side that closes first keeps the TIME_WAIT
    assert client.recv(1) == b""
    client.close()
    listener.close()
    with closing(open_listener(listener.endpoint, BACKLOG)) as again:
        assert again.endpoint == listener.endpoint


def test_star_is_ipv4_and_two_colons_are_both() -> None:
    with closing(open_listener("tcp://[::]:*", BACKLOG)) as listener:
        port = listener.socket.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, port), ACCEPT_TIMEOUT_S), accept(listener):
                pass
    with closing(open_listener("tcp://*:*", BACKLOG)) as listener:
        port = listener.socket.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("::1", port), ACCEPT_TIMEOUT_S)


def test_interface_prefers_ipv4_and_takes_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    loopback = {
        "both0": [(socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1")],
        "six0": [(socket.AF_INET6, "::1")],
        "none0": [],
    }
    monkeypatch.setattr(listeners, "_interfaces", lambda: loopback)
    with closing(open_listener("tcp://both0:*", BACKLOG)) as listener:
        assert listener.endpoint.startswith("tcp://127.0.0.1:")
    with closing(open_listener("tcp://six0:*", BACKLOG)) as listener:
        assert listener.endpoint.startswith("tcp://[::1]:")
    error = bind_error("tcp://none0:*")
    assert error.errno == errno.EADDRNOTAVAIL
    assert "the interface 'none0' has no IP address" in str(error)


def test_interfaces_are_those_of_the_machine() -> None:
    found = listeners._interfaces()
    assert set(found) == set(psutil.net_if_addrs())
    assert (socket.AF_INET, "127.0.0.1") in found["lo"]


def test_port_in_use() -> None:
    with closing(open_listener("tcp://127.0.0.1:*", BACKLOG)) as listener:
        error = bind_error(listener.endpoint)
        port = listener.socket.getsockname()[1]
    assert error.errno == errno.EADDRINUSE
    assert f"in use, another socket listens on port {port}" in str(error)


def test_address_of_another_machine() -> None:
    error = bind_error("tcp://198.51.100.1:*")  # TEST-NET-2: nobody's
    assert error.errno == errno.EADDRNOTAVAIL
    assert "no interface of this machine has the address 198.51.100.1" in str(error)


def test_name_that_does_not_resolve() -> None:
    error = bind_error("tcp://no-such-name.invalid:*")
    assert error.errno == errno.EADDRNOTAVAIL
    assert "'no-such-name.invalid' is neither a name that resolves" in str(error)
    assert "nor an interface (" in str(error)
    assert "lo" in str(error)


def test_name_that_no_resolver_takes() -> None:
    error = bind_error(f"tcp://{'x' * 64}.invalid:*")  # a label has at most 63 characters
    assert "is neither a name that resolves" in str(error)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, "not permitted: port 80 is for root"),
        (errno.EAFNOSUPPORT, "IPv6 is switched off"),
        (errno.EMFILE, "out of file descriptors"),
        (errno.ENOBUFS, os.strerror(errno.ENOBUFS)),
    ],
)
def test_other_tcp_errors_say_what_to_do(number: int, advice: str) -> None:
    error = OSError(number, os.strerror(number))
    assert advice in listeners._tcp_advice(error, TcpEndpoint("::1", 80))


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "ipc://feed.sock", "ipc://*"])
def test_out_of_descriptors_leaves_nothing_behind(endpoint: str, directory: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        error = bind_error(endpoint)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert error.errno == errno.EMFILE
    assert "raise the limit (`ulimit -n`)" in str(error)
    assert list(directory.iterdir()) == []


def test_no_endpoint_at_all() -> None:
    with pytest.raises(ConfigError):
        open_listener("inproc://feed", BACKLOG)


# ------------------------------------------------------------------------ ipc


@pytest.mark.parametrize("requested", ["ipc://feed.sock", "ipc://{}/feed.sock"])
def test_ipc_listens_and_removes_its_file(requested: str, directory: Path) -> None:
    requested = requested.format(directory)
    listener = open_listener(requested, BACKLOG)
    assert listener.endpoint == listener.requested == requested
    assert not listener.socket.getblocking()
    assert not listener.socket.get_inheritable()
    client, connection = connect(listener)
    with client, connection:
        listener.close()
        listener.close()
    assert list(directory.iterdir()) == []


def test_ipc_removes_its_file_after_a_change_of_directory(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = open_listener("ipc://feed.sock", BACKLOG)
    monkeypatch.chdir("/")
    listener.close()
    assert list(directory.iterdir()) == []


def test_ipc_star_is_a_fresh_path_each_time(directory: Path) -> None:
    with ExitStack() as stack:
        opened = [stack.enter_context(closing(open_listener("ipc://*", 8))) for _ in range(2)]
        paths = [endpoint.removeprefix("ipc://") for endpoint in (x.endpoint for x in opened)]
        assert len(set(paths)) == 2
        assert all(path.startswith(f"{directory}/fanout-") for path in paths)
        for listener in opened:
            client, connection = connect(listener)
            client.close()
            connection.close()
    assert list(directory.iterdir()) == []


def test_ipc_star_where_the_temporary_directory_is_too_deep(directory: Path) -> None:
    deep = directory / ("d" * 100)
    deep.mkdir()
    tempfile.tempdir = str(deep)
    error = bind_error("ipc://*")
    assert error.errno == errno.ENAMETOOLONG
    assert "the limit of Linux is 107" in str(error)
    assert list(deep.iterdir()) == []


def test_ipc_star_without_a_temporary_directory(directory: Path) -> None:
    tempfile.tempdir = str(directory / "none")
    error = bind_error("ipc://*")
    assert error.errno == errno.ENOENT
    assert "no directory can be made for it" in str(error)


def test_abstract_name_has_no_file_and_one_owner(directory: Path) -> None:
    endpoint = f"ipc://@fanout-test-{os.getpid()}"
    with closing(open_listener(endpoint, BACKLOG)) as listener:
        assert listener.endpoint == endpoint
        client, connection = connect(listener)
        client.close()
        connection.close()
        error = bind_error(endpoint)
        assert error.errno == errno.EADDRINUSE
        assert "another process listens on it" in str(error)
    with closing(open_listener(endpoint, BACKLOG)):
        pass
    assert list(directory.iterdir()) == []


def test_stale_socket_file_is_replaced(directory: Path) -> None:
    leave_stale_file("feed.sock")
    with closing(open_listener("ipc://feed.sock", BACKLOG)) as listener:
        client, connection = connect(listener)
        client.close()
        connection.close()
    assert list(directory.iterdir()) == []


def test_live_socket_file_is_not_replaced(directory: Path) -> None:
    with closing(open_listener("ipc://feed.sock", BACKLOG)) as listener:
        error = bind_error("ipc://feed.sock")
        assert error.errno == errno.EADDRINUSE
        assert "another process listens on it" in str(error)
        accept(listener).close()  # the probe of the second one
        client, connection = connect(listener)
        client.close()
        connection.close()


def test_live_socket_file_with_a_full_backlog_is_not_replaced(directory: Path) -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(closing(open_listener("ipc://feed.sock", 1)))
        while True:
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            try:
                client.connect("feed.sock")
            except BlockingIOError:
                break
        assert bind_error("ipc://feed.sock").errno == errno.EADDRINUSE
        assert Path("feed.sock").is_socket()
        assert listener.socket.fileno() >= 0


def test_datagram_socket_is_not_replaced(directory: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind("feed.sock")
        assert bind_error("ipc://feed.sock").errno == errno.EADDRINUSE
        assert Path("feed.sock").is_socket()


def test_file_that_is_no_socket_is_never_removed(directory: Path) -> None:
    Path("file").write_text("precious")
    Path("folder").mkdir()
    Path("link").symlink_to("nowhere")
    for name in ("file", "folder", "link"):
        error = bind_error(f"ipc://{name}")
        assert error.errno == errno.EADDRINUSE
        assert "not a socket" in str(error)
    assert {path.name for path in directory.iterdir()} == {"file", "folder", "link"}
    assert Path("file").read_text() == "precious"


@pytest.mark.parametrize(
    ("endpoint", "number", "advice"),
    [
        ("ipc://missing/feed.sock", errno.ENOENT, "the directory 'missing' does not exist"),
        ("ipc://file/feed.sock", errno.ENOTDIR, "'file' is not a directory"),
    ],
)
def test_no_place_for_the_file(endpoint: str, number: int, advice: str, directory: Path) -> None:
    Path("file").touch()
    error = bind_error(endpoint)
    assert error.errno == number
    assert advice in str(error)


def test_not_permitted_in_the_directory() -> None:
    error = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    advice = listeners._ipc_advice(error, "/run/feed.sock")
    assert advice == "not permitted to create a file in '/run'"


def test_stale_file_that_may_not_be_removed(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)

    leave_stale_file("feed.sock")
    monkeypatch.setattr(os, "unlink", refuse)
    error = bind_error("ipc://feed.sock")
    monkeypatch.undo()
    assert error.errno == errno.EPERM
    assert "it cannot be replaced: Operation not permitted" in str(error)
    assert (directory / "feed.sock").is_socket()


def test_stale_file_that_may_not_be_probed(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing(socket.socket):
        def connect(self, address: object) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    leave_stale_file("feed.sock")
    monkeypatch.setattr(socket, "socket", Refusing)
    error = bind_error("ipc://feed.sock")
    assert error.errno == errno.EACCES
    assert "it cannot be replaced: Permission denied" in str(error)
    assert Path("feed.sock").is_socket()


def test_stale_file_that_vanishes_while_it_is_probed(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanish(path: str) -> bool:
        Path(path).unlink()
        return False

    leave_stale_file("feed.sock")
    monkeypatch.setattr(listeners, "_is_listening", vanish)
    with closing(open_listener("ipc://feed.sock", BACKLOG)) as listener:
        client, connection = connect(listener)
        client.close()
        connection.close()


def test_stale_file_that_a_live_one_replaces_while_it_is_probed(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two publishers find one stale file: the slower one must not remove the faster one's."""
    is_listening = listeners._is_listening
    with ExitStack() as stack:
        faster: list[Listener] = []

        def be_overtaken(path: str) -> bool:
            found = is_listening(path)
            if not faster:
                Path(path).rename("old")  # keeps its inode number from being used again
                monkeypatch.setattr(listeners, "_is_listening", is_listening)
                faster.append(stack.enter_context(closing(open_listener(f"ipc://{path}", 8))))
            return found

        leave_stale_file("feed.sock")
        monkeypatch.setattr(listeners, "_is_listening", be_overtaken)
        assert bind_error("ipc://feed.sock").errno == errno.EADDRINUSE
        client, connection = connect(faster[0])
        client.close()
        connection.close()


def test_stale_files_that_come_again_and_again_end_in_an_error(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_stale_file("feed.sock")
    monkeypatch.setattr(os, "unlink", lambda path: None)
    error = bind_error("ipc://feed.sock")
    monkeypatch.undo()
    assert error.errno == errno.EADDRINUSE
    assert (directory / "feed.sock").is_socket()


def test_file_removed_while_it_is_bound(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bind_path = listeners._bind_path

    def bind_and_lose(endpoint: str, path: str, backlog: int) -> socket.socket:
        listening = bind_path(endpoint, path, backlog)
        Path(path).unlink()
        return listening

    monkeypatch.setattr(listeners, "_bind_path", bind_and_lose)
    error = bind_error("ipc://feed.sock")
    assert error.errno == errno.ENOENT
    assert "removed while it was being bound" in str(error)


def test_socket_file_that_somebody_else_put_there_is_left(directory: Path) -> None:
    first = open_listener("ipc://feed.sock", BACKLOG)
    Path("feed.sock").unlink()
    with closing(open_listener("ipc://feed.sock", BACKLOG)) as second:
        first.close()
        client, connection = connect(second)
        client.close()
        connection.close()
    assert list(directory.iterdir()) == []


def test_directory_with_a_file_of_somebody_else_is_left(directory: Path) -> None:
    listener = open_listener("ipc://*", BACKLOG)
    endpoint = parse_endpoint(listener.endpoint)
    assert isinstance(endpoint, IpcEndpoint)
    other = Path(endpoint.path).with_name("other")
    other.touch()
    listener.close()
    assert [*Path(endpoint.path).parent.iterdir()] == [other]


def test_forked_child_closes_its_copy_only(directory: Path) -> None:
    with closing(open_listener("ipc://feed.sock", BACKLOG)) as listener:
        child = multiprocess.get_context("fork").Process(target=listener.close)
        child.start()
        child.join(ACCEPT_TIMEOUT_S)
        assert child.exitcode == 0
        assert Path("feed.sock").is_socket()
        client, connection = connect(listener)
        client.close()
        connection.close()
    assert list(directory.iterdir()) == []


# ---------------------------------------------------------------------- peers


@pytest.mark.parametrize(
    ("endpoint", "client_host", "name"),
    [
        ("tcp://127.0.0.1:*", "127.0.0.1", "127.0.0.1:{port}"),
        ("tcp://[::1]:*", "::1", "[::1]:{port}"),
        ("tcp://[::]:*", "127.0.0.1", "127.0.0.1:{port}"),
    ],
)
def test_tcp_peer_has_its_address_for_a_name(endpoint: str, client_host: str, name: str) -> None:
    with closing(open_listener(endpoint, BACKLOG)) as listener:
        port = listener.socket.getsockname()[1]
        client = socket.create_connection((client_host, port), ACCEPT_TIMEOUT_S)
        with client, accept(listener) as connection:
            assert peer_name(connection) == name.format(port=client.getsockname()[1])


@pytest.mark.parametrize("endpoint", ["ipc://feed.sock", "ipc://@fanout-test-peer"])
def test_ipc_peer_has_its_process_id_for_a_name(endpoint: str, directory: Path) -> None:
    with closing(open_listener(endpoint, BACKLOG)) as listener:
        client, connection = connect(listener)
        with client, connection:
            assert peer_name(connection) == f"ipc:{os.getpid()}"


def test_peer_that_has_left_is_unknown() -> None:
    with socket.socket() as never_connected:
        assert peer_name(never_connected) == "unknown"
