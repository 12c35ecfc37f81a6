"""Endpoints to connect to: text to something a socket understands. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from fanout.errors import ConfigError

IPC_PATH_BYTES_MAX = 107  # sun_path has 108 bytes with its NUL


@dataclass(frozen=True, slots=True)
class TcpTarget:
    """A host (name or address, IPv6 without brackets) and a port."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class IpcTarget:
    """The address of a Unix socket; an abstract one begins with a NUL."""

    address: str


def parse_target(endpoint: str) -> TcpTarget | IpcTarget:
    """Reads `tcp://host:port`, `tcp://[::1]:port`, `ipc:///path` or `ipc://@name`.

    Raises:
        ConfigError: anything else; the text says what is wrong.
    """
    transport, separator, rest = endpoint.partition("://")
    if not separator or transport not in ("tcp", "ipc"):
        raise ConfigError(f"{endpoint!r} is neither tcp://host:port nor ipc://path")
    return _tcp(endpoint, rest) if transport == "tcp" else _ipc(endpoint, rest)


def _tcp(endpoint: str, rest: str) -> TcpTarget:
    host, colon, port = rest.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not colon or not host or host == "*":
        raise ConfigError(f"{endpoint!r} names no host and port to connect to")
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise ConfigError(f"{endpoint!r}: {port!r} is not a port from 1 to 65535")
    return TcpTarget(host, int(port))


def _ipc(endpoint: str, path: str) -> IpcTarget:
    if not path or path in ("*", "@"):
        raise ConfigError(f"{endpoint!r} names no path to connect to")
    if len(path.encode("utf-8", "surrogateescape")) > IPC_PATH_BYTES_MAX:
        raise ConfigError(f"{endpoint!r} is longer than {IPC_PATH_BYTES_MAX} bytes")
    return IpcTarget("\0" + path[1:] if path.startswith("@") else path)
