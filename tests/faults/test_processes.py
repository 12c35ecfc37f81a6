"""Real processes and signals: who dies, who notices, and what is left behind."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from fanout import BindError, ConfigError, Event, EventKind, Publisher, StartupError
from fanout.coordinator import spawn
from fanout.shm import segment
from tests.faults.subject import raiser
from tests.helpers.collecting import Collector
from tests.helpers.interrupting import Steps
from tests.helpers.programs import Program, holdings, is_alive, require_holdings
from tests.helpers.stock import Socket, Stock
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERRUPT_EVERY = 19  # steps: a start takes 0.2 s, so not every one
ENDPOINT = "tcp://127.0.0.1:*"

SERVE = """
import os, signal, sys, time
from fanout import Publisher
publisher = Publisher("tcp://127.0.0.1:*", workers=2, log_bytes=1 << 22)
print(publisher.endpoints[0])
print(*(worker.pid for worker in publisher.statistics().workers))
"""
WAIT = "sys.stdin.read()\n"


@pytest.fixture
def stock() -> Iterator[Stock]:
    sockets = Stock()
    yield sockets
    sockets.close()


def ended(pids: list[int]) -> bool:
    return not any(map(is_alive, pids))


# The publisher's process.


@pytest.mark.parametrize("forks", [False, True], ids=["alone", "with a child that lives on"])
def test_workers_end_when_the_publisher_is_killed(tmp_path: Path, forks: bool) -> None:
    fork = "child = os.fork()\nif child == 0: signal.pause()\nprint(child)\n" if forks else ""
    shared = set(os.listdir("/dev/shm"))
    with Program(["-c", SERVE + fork + WAIT], tmp_path) as program:
        program.line()
        pids = list(map(int, program.line().split()))
        child = int(program.line()) if forks else None
        try:
            assert all(map(is_alive, pids))
            program.process.kill()
            wait_until(lambda: ended(pids), "the end of the workers")
            assert child is None or is_alive(child)
        finally:
            if child is not None:
                os.kill(child, signal.SIGKILL)
    assert set(os.listdir("/dev/shm")) <= shared


BIND = """
import sys
from fanout import Publisher
publisher = Publisher(["ipc://first", "ipc://*"], workers=2, log_bytes=1 << 22)
publisher.bind("ipc://second")
publisher.unbind(publisher.bind("ipc://third"))
open("third", "x").close()
publisher.ingest("ipc://fourth")
publisher.bind("ipc://fifth")
print(*publisher.endpoints)
publisher.statistics()  # every worker has answered, so it has heard of them
print(*(worker.pid for worker in publisher.statistics().workers))
"""


def test_a_publisher_that_is_killed_leaves_no_socket_file(tmp_path: Path) -> None:
    with Program(["-c", BIND + WAIT], tmp_path) as program:
        paths = [tmp_path / one.removeprefix("ipc://") for one in program.line().split()]
        pids = list(map(int, program.line().split()))
        os.chmod(tmp_path / "second", 0o600)
        assert len(paths) == 4
        assert all(path.is_socket() for path in [*paths, tmp_path / "fourth"])
        program.process.kill()
        wait_until(lambda: ended(pids), "the end of the workers")

    assert [path.name for path in tmp_path.iterdir()] == ["third"], "that is not of the publisher"
    fresh = paths[1]
    assert not fresh.exists()
    assert not fresh.parent.exists()


def test_the_socket_file_of_a_new_publisher_stays(tmp_path: Path) -> None:
    with Program(["-c", BIND + WAIT], tmp_path) as program:
        program.line()
        pids = list(map(int, program.line().split()))
        for pid in pids:  # so that they see the end only when another one has bound
            os.kill(pid, signal.SIGSTOP)
        program.process.kill()
        program.process.wait()
        with Publisher(f"ipc://{tmp_path}/first", workers=1, log_bytes=1 << 20):
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            wait_until(lambda: ended(pids), "the end of the workers")

            names = {path.name for path in tmp_path.iterdir()}
            assert names == {"first", "third"}
            assert (tmp_path / "first").is_socket()


def test_an_exit_without_close_delivers_and_leaves_no_process(tmp_path: Path) -> None:
    publish = """
publisher.wait_for_subscribers(1, timeout=60)
for number in range(1000):
    publisher.publish(b"n", b"%d" % number)
"""
    with Program(["-c", SERVE + publish], tmp_path) as program:
        with Collector(program.line(), b"") as collector:
            pids = list(map(int, program.line().split()))
            collector.expect([[b"n", b"%d" % number] for number in range(1000)])
            program.finish()
        wait_until(lambda: ended(pids), "the end of the workers")


def test_a_program_that_ends_with_its_publisher_closed_says_nothing(tmp_path: Path) -> None:
    """Also when the publisher is a global name that goes after what its modules know."""
    source = """
from fanout import Publisher
with Publisher(workers=1, log_bytes=1 << 22) as publisher:
    def send():
        publisher.publish(b"", b"")
    send()
"""
    with Program(["-c", source], tmp_path) as program:
        assert program.finish() == ("", "")


def test_interrupts_to_the_group_do_not_reach_the_workers(tmp_path: Path) -> None:
    source = (
        "import signal; signal.signal(signal.SIGINT, lambda *_: None); print('begun')\n"
        + SERVE
        + "sys.stdin.read()\n"
        + "print([(w.pid, w.restarts) for w in publisher.statistics().workers])\n"
        + "publisher.close()\n"
    )
    with Program(["-c", source], tmp_path) as program:
        assert program.line() == "begun"
        group = os.getpgid(program.process.pid)
        done = False

        def interrupt() -> bool:
            os.killpg(group, signal.SIGINT)
            return done

        ready = threading.Thread(target=program.line)
        ready.start()
        wait_until(lambda: interrupt() or not ready.is_alive(), "the start")
        ready.join()
        pids = list(map(int, program.line().split()))
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            for pid in pids:
                os.kill(pid, number)
        assert eval(program.finish()[0]) == [(pid, 0) for pid in pids]


def test_a_child_of_the_user_that_exits_does_no_harm(tmp_path: Path) -> None:
    source = """
import os, sys
from fanout import ForkedError, Publisher
publisher = Publisher("ipc://feed", workers=1, log_bytes=1 << 20)
print("ipc://" + os.path.abspath("feed"))
publisher.wait_for_subscribers(1, timeout=60)
child = os.fork()
if child == 0:
    try:
        publisher.publish(b"a", b"from the child")
    except ForkedError:
        publisher.close()
        sys.exit(7)  # exit handlers run, objects are finalized
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 7, status
publisher.publish(b"a", b"from the parent")
assert publisher.drain(60) == ()
assert publisher.statistics().workers[0].restarts == 0
assert os.path.exists("feed")
publisher.close()
assert not os.path.exists("feed")
"""
    with (
        Program(["-c", source], tmp_path) as program,
        Collector(program.line(), b"") as collector,
    ):
        collector.expect([[b"a", b"from the parent"]])
        program.finish()


# Workers.


def wait_until_back(publisher: Publisher, sockets: list[Socket]) -> None:
    """Wait until all have subscribed again, which libzmq does when its socket is next used."""

    def are_back() -> bool:
        for one in sockets:
            one.poll(0)
        return sum(1 for one in publisher.subscribers() if one.subscriptions) == len(sockets)

    wait_until(are_back, "the subscribers")


def test_a_killed_worker_is_replaced_and_its_subscribers_go_on_meanwhile(stock: Stock) -> None:
    events: list[Event] = []
    with Publisher(ENDPOINT, workers=2, log_bytes=1 << 22, on_event=events.append) as publisher:
        sockets = [stock.connect(publisher.endpoints[0], b"") for _ in range(6)]
        publisher.wait_for_subscribers(6, timeout=DEADLINE_S)
        publisher.publish(b"n", b"0")
        assert [one.recv_multipart() for one in sockets] == [[b"n", b"0"]] * 6
        victim = publisher.statistics().workers[0]
        assert victim.subscribers > 0
        there = {one.id for one in publisher.subscribers()}
        moved = {one.id for one in publisher.subscribers() if one.worker == 0}
        os.kill(victim.pid, signal.SIGKILL)
        publisher.publish(b"n", b"1")
        for one in sockets:
            assert one.recv_multipart() == [b"n", b"1"]
        wait_until(lambda: publisher.statistics().workers[0].restarts == 1, "the replacement")
        publisher.publish(b"n", b"2")
        for one in sockets:
            assert one.recv_multipart() == [b"n", b"2"]
        statistics = publisher.statistics()
        assert statistics.workers[1].restarts == 0
        assert (statistics.evicted, statistics.disconnected, statistics.accepted) == (0, 0, 6)
        assert (statistics.resumed, statistics.not_resumed) == (len(moved), 0)
        assert publisher.drain(DEADLINE_S) == ()
        assert {one.id for one in publisher.subscribers()} == there
        for subscriber in publisher.subscribers():
            assert subscriber.matched == subscriber.sent == 3
    assert [e.worker for e in events if e.kind is EventKind.WORKER_LOST] == [0]
    assert [e for e in events if e.kind is EventKind.SUBSCRIBER_EVICTED] == []


def test_a_stopped_worker_is_killed_and_replaced(stock: Stock) -> None:
    events: list[Event] = []
    with Publisher(
        ENDPOINT, workers=1, log_bytes=1 << 22, worker_timeout=2.0, on_event=events.append
    ) as publisher:
        subscriber = stock.connect(publisher.endpoints[0], b"")
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        pid = publisher.statistics().workers[0].pid
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: not is_alive(pid), "the end of the stopped worker")
        lost = wait_until(
            lambda: [e for e in events if e.kind is EventKind.WORKER_LOST], "its event"
        )
        assert "worker_timeout" in lost[0].reason
        wait_until_back(publisher, [subscriber])
        publisher.publish(b"n", b"1")
        assert subscriber.recv_multipart() == [b"n", b"1"]


# Starts that fail.


@pytest.mark.parametrize(
    ("text", "reason"), [("#!/bin/false", "exit status 1"), ("no program", "exit status 255")]
)
def test_a_worker_that_cannot_start_is_an_error_with_its_reason(
    text: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable = tmp_path / "python"
    executable.write_text(text)
    executable.chmod(0o755)
    monkeypatch.setattr("multiprocess.spawn.get_executable", lambda: bytes(executable))
    before = holdings()
    with pytest.raises(StartupError, match=f"did not start: {reason}"):
        Publisher(ENDPOINT, workers=2, log_bytes=1 << 22)
    require_holdings(before)


def test_a_worker_that_says_nothing_is_an_error_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawn, "_BOOT", "import time; time.sleep(60)")
    before = holdings()
    with pytest.raises(StartupError, match="start_timeout"):
        Publisher(ENDPOINT, workers=1, log_bytes=1 << 22, start_timeout=0.5)
    require_holdings(before)


def test_no_thread_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    before = holdings()
    with pytest.raises(StartupError, match="gives no thread: can't start new thread"):
        Publisher(ENDPOINT, log_bytes=1 << 20)
    require_holdings(before)


def test_not_enough_memory_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "_group_available", lambda: 1_000_000)
    before = holdings()
    with pytest.raises(StartupError, match=r"1,000,000 bytes are available; lower log_bytes"):
        Publisher(ENDPOINT, log_bytes=1 << 20)
    require_holdings(before)


def test_what_the_machine_can_give_is_known() -> None:
    """As `psutil` says it, give or take what others use in between."""
    available = segment._system_available()
    assert available is not None
    assert 0.5 < available / psutil.virtual_memory().available < 2


@pytest.mark.parametrize(
    ("endpoint", "error"),
    [
        ("tcp://nonsense", ConfigError),
        ("ipc:///no/such/directory/socket", BindError),
        ([ENDPOINT, "ipc:///no/such/directory/socket"], BindError),
    ],
)
def test_a_start_that_fails_half_way_leaves_nothing(
    endpoint: str | list[str], error: type[Exception]
) -> None:
    before = holdings()
    with pytest.raises(error):
        Publisher(endpoint, workers=2, log_bytes=1 << 22)
    require_holdings(before)


@pytest.mark.filterwarnings("ignore:unclosed <fanout.Publisher:ResourceWarning")
def test_a_start_that_is_interrupted_leaves_nothing() -> None:
    """At its last line there is a publisher, which nobody gets: it ends with its last reference."""
    first = Publisher(workers=1, log_bytes=1 << 22)  # what is imported late is imported now
    threads = [one for one in threading.enumerate() if one.name.startswith("fanout-")]
    first.close()
    tasks = [Path(f"/proc/self/task/{one.native_id}") for one in threads]
    wait_until(lambda: not any(task.exists() for task in tasks), "its threads are gone")
    before = holdings()
    for number in itertools.count(1, INTERRUPT_EVERY):
        steps = Steps(number, raiser(KeyboardInterrupt))
        with suppress(KeyboardInterrupt), steps:
            made = Publisher(ENDPOINT, workers=1, log_bytes=1 << 22)
        if not steps.reached:
            made.close()
            break
        require_holdings(before, f"interrupted at step {number}")


def test_a_publisher_that_ends_leaves_nothing(stock: Stock) -> None:
    before = holdings()
    with Publisher(ENDPOINT, workers=2, log_bytes=1 << 22) as publisher:
        publisher.publish(b"a", b"b")
        publisher.statistics()
    del publisher
    require_holdings(before)


# Starts from anywhere.

SHADOWS = {
    "workers.py": "raise ImportError('the workers.py of the user')",
    "fanout_x.py": "raise ImportError('the fanout_x.py of the user')",
    "random.py": "def roll(): return 4",
    "queue.py": "waiting = []",
}
PLAIN = """
from fanout import Publisher
publisher = Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 22)
print(publisher.publish(b"a", b"b"))
publisher.close()
"""


@pytest.mark.parametrize("how", ["script", "-c", "stdin", "-i"])
def test_it_starts_without_a_guard_and_beside_any_file(tmp_path: Path, how: str) -> None:
    for name, text in SHADOWS.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "script.py").write_text(PLAIN)
    arguments = {"script": ["script.py"], "-c": ["-c", PLAIN], "stdin": ["-"], "-i": ["-i", "-q"]}
    source = PLAIN if how in ("stdin", "-i") else ""
    with Program(arguments[how], tmp_path) as program:
        output, errors = program.finish(source)
    assert output.split()[:1] == ["0"], errors
    assert "Error" not in errors


# Readers.


def test_a_reader_that_ends_removes_nothing(tmp_path: Path) -> None:
    source = """
import os, sys
from fanout.shm import layout
from fanout.shm.segment import Segment
segment = Segment.attach(os.open(sys.argv[1], os.O_RDONLY))
print(segment.words[layout.H_HEAD])
"""
    with (
        Publisher(ENDPOINT, workers=1, log_bytes=1 << 22) as publisher,
        Collector(publisher.endpoints[0], b"") as collector,
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        publisher.publish(b"n", b"0")
        path = f"/proc/{os.getpid()}/fd/{publisher._engine._coordinator.segment.fd}"
        with Program(["-c", source, path], tmp_path) as program:
            assert program.finish()[0].split() == ["1"]
        publisher.publish(b"n", b"1")
        collector.expect([[b"n", b"0"], [b"n", b"1"]])
