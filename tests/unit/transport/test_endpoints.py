"""Endpoints: what is taken, what is refused and in which words, and the round trip."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fanout.errors import ConfigError
from fanout.transport.endpoints import (
    IPC_PATH_BYTES_MAX,
    Endpoint,
    IpcEndpoint,
    TcpEndpoint,
    ipc_path_problem,
    parse_endpoint,
)
from tests.helpers.texts import ANY

if TYPE_CHECKING:
    import ipaddress
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("tcp://127.0.0.1:5556", "127.0.0.1", 5556),
        ("tcp://127.0.0.1:*", "127.0.0.1", 0),
        ("tcp://127.0.0.1:0", "127.0.0.1", 0),
        ("tcp://127.0.0.1:65535", "127.0.0.1", 65535),
        ("tcp://*:5556", "*", 5556),
        ("tcp://*:*", "*", 0),
        ("tcp://[::1]:5556", "::1", 5556),
        ("tcp://[0:0::1]:*", "::1", 0),
        ("tcp://[::]:*", "::", 0),
        ("tcp://[FE80::1%eth0]:1", "fe80::1%eth0", 1),
        ("tcp://eth0:5556", "eth0", 5556),
        ("tcp://lo:*", "lo", 0),
        ("tcp://br-0a1b.100:7", "br-0a1b.100", 7),
        ("tcp://localhost:5556", "localhost", 5556),
        ("tcp://feed.example.org:5556", "feed.example.org", 5556),
        ("tcp://feed.example.org.:5556", "feed.example.org.", 5556),
    ],
)
def test_tcp(text: str, host: str, port: int) -> None:
    assert parse_endpoint(text) == TcpEndpoint(host, port)


@pytest.mark.parametrize(
    ("text", "path", "is_abstract", "is_fresh"),
    [
        ("ipc:///run/feed.sock", "/run/feed.sock", False, False),
        ("ipc://relative/feed.sock", "relative/feed.sock", False, False),
        ("ipc://with space:and://more", "with space:and://more", False, False),
        ("ipc://@feed", "@feed", True, False),
        ("ipc://*", "*", False, True),
        ("ipc://" + "x" * IPC_PATH_BYTES_MAX, "x" * IPC_PATH_BYTES_MAX, False, False),
    ],
)
def test_ipc(text: str, path: str, is_abstract: bool, is_fresh: bool) -> None:
    endpoint = parse_endpoint(text)
    assert endpoint == IpcEndpoint(path)
    assert (endpoint.is_abstract, endpoint.is_fresh) == (is_abstract, is_fresh)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must begin with tcp:// or ipc://"),
        ("127.0.0.1:5556", "must begin with tcp:// or ipc://"),
        ("tcp:/127.0.0.1:5556", "must begin with tcp:// or ipc://"),
        (" tcp://127.0.0.1:5556", "must begin with exactly tcp://"),
        ("TCP://127.0.0.1:5556", "must begin with exactly tcp://"),
        ("smoke://signals", "unknown transport 'smoke'"),
        ("inproc://feed", "inproc:// joins threads of one libzmq context"),
        ("udp://127.0.0.1:5556", "RADIO and DISH"),
        ("pgm://eth0;239.192.1.1:5555", "multicast"),
        ("epgm://eth0;239.192.1.1:5555", "multicast"),
        ("ws://127.0.0.1:80", "WebSocket"),
        ("wss://127.0.0.1:80", "WebSocket"),
        ("http://127.0.0.1:80", "not a ZeroMQ transport"),
        ("tcp://", "the port is missing"),
        ("tcp://*", "the port is missing"),
        ("tcp://127.0.0.1", "the port is missing"),
        ("tcp://[::1]", "the port is missing"),
        ("tcp://127.0.0.1:", "the port must be 0 to 65535, or * for a free one, not ''"),
        ("tcp://127.0.0.1:65536", "not '65536'"),
        ("tcp://127.0.0.1:-1", "not '-1'"),
        ("tcp://127.0.0.1: 5", "not ' 5'"),
        ("tcp://127.0.0.1:5556/", "not '5556/'"),
        ("tcp://127.0.0.1:http", "not 'http'"),
        ("tcp://127.0.0.1:٣", "the port must be"),
        ("tcp://127.0.0.1:" + "9" * 5000, "the port must be"),
        ("tcp://:5556", "the host is missing (* for all interfaces)"),
        ("tcp://::1:5556", "must stand in brackets"),
        ("tcp://[::1:5556", "must stand in brackets"),
        ("tcp://[]:5556", "no IPv6 address"),
        ("tcp://[127.0.0.1]:5556", "no IPv6 address"),
        ("tcp://127.0.0.256:5556", "no IPv4 address"),
        ("tcp://127.0.0.01:5556", "no IPv4 address"),
        ("tcp://127.1:5556", "no IPv4 address"),
        ("tcp://two words:5556", "no address, interface or host name"),
        ("tcp://a/b:5556", "no address, interface or host name"),
        ("tcp://-a:5556", "no address, interface or host name"),
        ("tcp://a..b:5556", "the host name 'a..b' has an empty part between two dots"),
        ("tcp://a..:5556", "has an empty part"),
        (f"tcp://{'x' * 64}.de:5556", "has more than 63 characters"),
        (f"tcp://{'x.' * 127}xx:5556", "has more than 253 characters"),
        ("ipc://", "the path is missing"),
        ("ipc://@", "the abstract name after @ is missing"),
        ("ipc://a\0b", "NUL"),
        ("ipc://" + "x" * (IPC_PATH_BYTES_MAX + 1), "108 bytes, the limit of Linux is 107"),
        ("ipc://" + "ü" * 54, "108 bytes, the limit of Linux is 107"),
    ],
)
def test_refused_with_the_reason_and_a_good_example(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_endpoint(text)
    message = str(raised.value)
    assert message.startswith(f"endpoint {text!r}: "[:100])  # a long one is cut
    assert problem in message
    assert "good ones are 'tcp://127.0.0.1:5556'" in message or "'ipc:///run/feed.sock'" in message


@pytest.mark.parametrize(
    ("text", "encrypted", "plain"),
    [
        ("TLS://127.0.0.1:1", "must begin with exactly tls://", "not served here; only tcp:// and"),
        ("127.0.0.1:5556", "must begin with tcp://, tls:// or ipc://", "with tcp:// or ipc://"),
        ("ws://127.0.0.1:80", "only tcp://, tls:// and ipc:// are", "only tcp:// and ipc:// are"),
        ("smoke://x", "; tcp://, tls:// and ipc:// are served", "; tcp:// and ipc:// are served"),
    ],
)
def test_what_is_served_there_is_named(text: str, encrypted: str, plain: str) -> None:
    for may_encrypt, problem in ((True, encrypted), (False, plain)):
        with pytest.raises(ConfigError) as raised:
            parse_endpoint(text, may_encrypt=may_encrypt)
        assert problem in str(raised.value)


@pytest.mark.parametrize("value", [None, b"tcp://127.0.0.1:1", 5556, ("tcp://*:1",)])
def test_other_types_are_refused_by_name(value: Any) -> None:
    with pytest.raises(TypeError, match=f"endpoint must be a str, not {type(value).__name__}"):
        parse_endpoint(value)


names = st.from_regex(r"[a-z][a-z0-9_.-]{0,12}[a-z0-9]", fullmatch=True, alphabet=ANY).filter(
    lambda name: ".." not in name  # see above
)
addresses = st.one_of(
    st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str), names, st.just("*")
)
tcp_endpoints = st.builds(TcpEndpoint, addresses, st.integers(0, 65_535))
ipc_endpoints = st.builds(
    IpcEndpoint,
    st.text(ANY, min_size=1, max_size=IPC_PATH_BYTES_MAX).filter(
        lambda path: path != "@" and _is_encodable(path) and ipc_path_problem(path) is None
    ),
)


def _is_encodable(path: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in path)


@pytest.mark.unmeasured
@given(tcp_endpoints | ipc_endpoints)
def test_text_of_an_endpoint_parses_to_the_same(endpoint: Endpoint) -> None:
    assert parse_endpoint(str(endpoint)) == endpoint


@given(
    st.text(ANY)
    | st.builds("tcp://{}".format, st.text(ANY))
    | st.builds("ipc://{}".format, st.text(ANY))
)
@example("tcp://[fe80::1%]:1")
@example("ipc://\ud800")
@example("tcp://٣:1")
@example("tcp://²:1")
def test_any_text_is_an_endpoint_or_a_config_error(text: str) -> None:
    endpoint: Endpoint | None = None
    with suppress(ConfigError):
        endpoint = parse_endpoint(text)
    assert endpoint is None or parse_endpoint(str(endpoint)) == endpoint


@given(st.ip_addresses(v=6))
def test_spellings_of_one_address_are_equal(address: ipaddress.IPv6Address) -> None:
    spell: list[Callable[[ipaddress.IPv6Address], str]] = [
        lambda a: a.exploded,
        lambda a: a.compressed.upper(),
    ]
    for spelling in spell:
        assert parse_endpoint(f"tcp://[{spelling(address)}]:1") == TcpEndpoint(str(address), 1)


@pytest.mark.parametrize(
    "host", [f"{'x' * 63}.de", f"{'x.' * 126}x", f"{'x.' * 126}x.", "feed.example."]
)
def test_a_host_name_may_be_as_long_as_that(host: str) -> None:
    assert parse_endpoint(f"tcp://{host}:5556") == TcpEndpoint(host, 5556)
