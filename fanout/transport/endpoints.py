"""Endpoints as text and as data: what ZeroMQ users write after `tcp://` and `ipc://`.

    tcp://127.0.0.1:5556    an IPv4 address            tcp://*:5556         all of IPv4
    tcp://[::1]:5556        an IPv6 address            tcp://[::]:5556      IPv6 and IPv4
    tcp://eth0:5556         a network interface        tcp://localhost:*    a name; a free port
    ipc:///run/feed.sock    a socket file              ipc://feed.sock      a relative path
    ipc://@feed             an abstract name           ipc://*              a fresh socket file
    tls://…                 as tcp://, encrypted, where that is served

As in libzmq, which has no `tls://`, except that a port must be a number of 0 to 65535: libzmq binds
`:99999` to 34463.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from typing import ClassVar

from fanout.errors import ConfigError
from fanout.terms.arguments import PORT_MAX, shown

IPC_PATH_BYTES_MAX = 107  # sun_path of Linux is 108 bytes with its final NUL; libzmq's limit too
ANY = "*"  # all interfaces, a free port, a fresh socket file

_TCP_EXAMPLES = "'tcp://127.0.0.1:5556', 'tcp://*:5556' or 'tcp://[::1]:*'"
_IPC_EXAMPLES = "'ipc:///run/feed.sock', 'ipc://@feed' or 'ipc://*'"

_NOT_SERVED = {
    "inproc": "inproc:// joins threads of one libzmq context, which does not exist here",
    "udp": "udp:// carries RADIO and DISH, not PUB and SUB",
    "pgm": "multicast (pgm://) is not served",
    "epgm": "multicast (epgm://) is not served",
    "norm": "multicast (norm://) is not served",
    "ws": "WebSocket (ws://) is not served",
    "wss": "WebSocket (wss://) is not served",
    "tipc": "tipc:// is not served",
    "vmci": "vmci:// is not served",
    "vsock": "vsock:// is not served",
    "http": "http:// is not a ZeroMQ transport",
    "https": "https:// is not a ZeroMQ transport",
    "tls": "tls:// is for a publisher's feed and its subscribers, and not served here",
}

# Host names (RFC 1123) with the underscore that many carry, and names of Linux interfaces.
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_LABEL_MAX, _NAME_MAX = 63, 253  # characters, of a part of it and of all (RFC 1035)
_PORT = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class TcpEndpoint:
    """A TCP endpoint; `str()` of it is its text, which parses to the same again."""

    host: str  # an address (IPv6 without brackets), an interface, a name, or "*"
    port: int  # 0 = a free one
    is_encrypted: bool = False  # tls://

    @property
    def is_local(self) -> bool:
        """Whether who connects to it reaches this machine, and no other."""
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return self.host.lower() == "localhost"
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'tls' if self.is_encrypted else 'tcp'}://{host}:{self.port or ANY}"


@dataclass(frozen=True, slots=True)
class IpcEndpoint:
    """A Unix socket endpoint; `str()` of it is its text, which parses to the same again."""

    path: str  # of the socket file; "@name" is an abstract name; "*" = a fresh file
    is_encrypted: ClassVar = False

    def __str__(self) -> str:
        return f"ipc://{self.path}"

    @property
    def is_abstract(self) -> bool:
        """True for a name in Linux's abstract namespace, which has no file."""
        return self.path.startswith("@")

    @property
    def is_fresh(self) -> bool:
        """True if a new path is to be chosen."""
        return self.path == ANY


Endpoint = TcpEndpoint | IpcEndpoint


def parse_endpoint(endpoint: str, *, may_encrypt: bool = False) -> Endpoint:
    """Parse the text of an endpoint; nothing is looked up or opened.

    Addresses are normalized: `tcp://[0::1]:0` and `tcp://[::1]:*` are equal.

    Args:
        may_encrypt: take `tls://`, too.

    Raises:
        ConfigError: the text names the endpoint, what is wrong with it, and a good one.
        TypeError: `endpoint` is not a `str`.
    """
    if not isinstance(endpoint, str):
        raise TypeError(f"endpoint must be a str, not {type(endpoint).__name__}")
    scheme, separator, rest = endpoint.partition("://")
    if separator and scheme == "tcp":
        return _parse_tcp(endpoint, rest)
    if separator and scheme == "tls" and may_encrypt:
        return replace(_parse_tcp(endpoint, rest), is_encrypted=True)
    if separator and scheme == "ipc":
        return _parse_ipc(endpoint, rest)
    raise _scheme_error(endpoint, scheme if separator else "", may_encrypt=may_encrypt)


def for_connecting(refusal: str) -> str:
    """The text of a refusal, with examples that one can connect to in the place of its own."""
    for old, new in (
        (_TCP_EXAMPLES, "'tcp://127.0.0.1:5556' or 'tcp://[::1]:5556'"),
        (_IPC_EXAMPLES, "'ipc:///run/feed.sock' or 'ipc://@feed'"),
        (" (a number, or * for a free one)", " (a number)"),
        (" (* for all interfaces)", ""),
    ):
        refusal = refusal.replace(old, new)
    return refusal


def ipc_path_problem(path: str) -> str | None:
    """Say why `path` cannot be the path of a Unix socket, None if it can."""
    if "\0" in path:
        return "a path cannot contain a NUL character"
    try:
        size = len(path.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        return "the path holds a lone surrogate, which no file name can"
    if size > IPC_PATH_BYTES_MAX:
        return f"the path has {size} bytes, the limit of Linux is {IPC_PATH_BYTES_MAX}"
    return None


def _parse_tcp(endpoint: str, rest: str) -> TcpEndpoint:
    host, separator, port = rest.rpartition(":")
    if not separator or (rest.startswith("[") and rest.endswith("]")):
        raise _error(endpoint, "the port is missing (a number, or * for a free one)", _TCP_EXAMPLES)
    return TcpEndpoint(_parse_host(endpoint, host), _parse_port(endpoint, port))


def _parse_port(endpoint: str, port: str) -> int:
    if port == ANY:
        return 0
    if not _PORT.fullmatch(port) or int(port) > PORT_MAX:
        problem = f"the port must be 0 to {PORT_MAX}, or * for a free one, not {shown(port)}"
        raise _error(endpoint, problem, _TCP_EXAMPLES)
    return int(port)


def _parse_host(endpoint: str, host: str) -> str:
    if host == ANY:
        return host
    if not host:
        raise _error(endpoint, "the host is missing (* for all interfaces)", _TCP_EXAMPLES)
    if host.startswith("[") and host.endswith("]"):
        return _parse_ipv6(endpoint, host[1:-1])
    if ":" in host:
        raise _error(endpoint, "an IPv6 address must stand in brackets", _TCP_EXAMPLES)
    if host.replace(".", "").isdecimal():
        return _parse_ipv4(endpoint, host)
    if not _NAME.fullmatch(host):
        problem = f"{shown(host)} is no address, interface or host name"
        raise _error(endpoint, problem, _TCP_EXAMPLES)
    no_name = _name_problem(host.removesuffix("."))  # that is how an absolute name ends
    if no_name is not None:
        raise _error(endpoint, no_name, _TCP_EXAMPLES)
    return host


def _name_problem(name: str) -> str | None:
    """Why this is no host name, which nobody who looks it up says in words; None = it may be."""
    labels = name.split(".")
    if not all(labels):
        return f"the host name {shown(name)} has an empty part between two dots"
    if len(max(labels, key=len)) > _LABEL_MAX:
        return f"a part of the host name {shown(name)} has more than {_LABEL_MAX} characters"
    if len(name) > _NAME_MAX:
        return f"the host name {shown(name)} has more than {_NAME_MAX} characters"
    return None


def _parse_ipv4(endpoint: str, host: str) -> str:
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError as error:
        raise _error(endpoint, f"no IPv4 address: {error}", _TCP_EXAMPLES) from error


def _parse_ipv6(endpoint: str, host: str) -> str:
    try:
        return str(ipaddress.IPv6Address(host))
    except ValueError as error:
        raise _error(
            endpoint, f"no IPv6 address in the brackets: {error}", _TCP_EXAMPLES
        ) from error


def _parse_ipc(endpoint: str, path: str) -> IpcEndpoint:
    if not path:
        raise _error(endpoint, "the path is missing", _IPC_EXAMPLES)
    if path == "@":
        raise _error(endpoint, "the abstract name after @ is missing", _IPC_EXAMPLES)
    if problem := ipc_path_problem(path):
        raise _error(endpoint, problem, _IPC_EXAMPLES)
    return IpcEndpoint(path)


def _scheme_error(endpoint: str, scheme: str, *, may_encrypt: bool) -> ConfigError:
    examples = f"{_TCP_EXAMPLES}, or {_IPC_EXAMPLES}"
    wanted = scheme.strip().lower()
    first = "tcp://, tls://" if may_encrypt else "tcp://"
    if wanted in ("tcp", "ipc") or (wanted == "tls" and may_encrypt):
        problem = f"it must begin with exactly {wanted}://"
    elif wanted in _NOT_SERVED:
        problem = f"{_NOT_SERVED[wanted]}; only {first} and ipc:// are"
    elif not scheme:
        problem = f"it must begin with {first} or ipc://"
    else:
        problem = f"unknown transport {shown(scheme)}; {first} and ipc:// are served"
    return _error(endpoint, problem, examples)


def _error(endpoint: str, problem: str, examples: str) -> ConfigError:
    return ConfigError(f"endpoint {shown(endpoint)}: {problem}; good ones are {examples}")
