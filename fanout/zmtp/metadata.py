"""The properties in a READY: `*( name-len(1) name value-len(4) value )` (RFC 37, "Metadata").

Read strictly, as libzmq does: a leftover byte or a truncated value ends the connection.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from fanout.zmtp.commands import READY, command, printable
from fanout.zmtp.errors import NoHandshakeError, Refusal, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

SOCKET_TYPE = "socket-type"
IDENTITY = "identity"
PROPERTIES_MAX = 100  # of one peer; libzmq sends 1 or 2, and each kept one costs us some 150 bytes
VALUE_BYTES_LIMIT = 1 << 31

_LENGTH_BYTES = 4
_NAME = re.compile(rb"[A-Za-z0-9._+-]{1,255}")


class WrongSocketTypeError(NoHandshakeError):
    """The peer is of a socket type that has nothing to say to ours; it is told so by ERROR."""

    def __init__(self, name: str, accepted: Iterable[bytes]) -> None:
        text = f'the peer has socket type "{name}", {and_not(accepted)}'
        super().__init__(text, Refusal.SOCKET_TYPE, name)


def and_not(accepted: Iterable[bytes]) -> str:
    """Which socket types would do, for who has come with another one."""
    return "and not " + " or ".join(sorted(name.decode() for name in accepted))


def ready(socket_type: bytes, more: Mapping[bytes, bytes] = MappingProxyType({})) -> bytes:
    """Build our READY, with these `properties`."""
    return command(READY, properties(socket_type, more))


def properties(socket_type: bytes, more: Mapping[bytes, bytes] = MappingProxyType({})) -> bytes:
    """Build what our READY says; "Socket-Type" in exactly this case, libzmq compares bytes.

    Args:
        more: properties besides it; libzmq ignores those that it does not know.
    """
    data = _property(b"Socket-Type", socket_type)
    return data + b"".join(_property(name, more[name]) for name in more)


def _property(name: bytes, value: bytes) -> bytes:
    return bytes((len(name),)) + name + len(value).to_bytes(_LENGTH_BYTES, "big") + value


def parse_metadata(data: bytes, accepted_types: Collection[bytes]) -> dict[str, bytes]:
    """Return the properties, names in lower case; of a name that comes twice the first value.

    Args:
        data: what follows the name of the READY.
        accepted_types: socket types that may talk to ours; a peer need not tell its type.

    Raises:
        WrongSocketTypeError: a Socket-Type, the first or a later one, is not accepted.
        RemoteProtocolError: the metadata is malformed or has too many properties.
    """
    properties: dict[str, bytes] = {}
    offset = 0
    while offset < len(data):
        raw_name, value, offset = _property_at(data, offset)
        name = raw_name.decode("ascii").lower()
        if name == SOCKET_TYPE and value not in accepted_types:
            raise WrongSocketTypeError(printable(value), accepted_types)
        properties.setdefault(name, value)
        if len(properties) > PROPERTIES_MAX:
            raise RemoteProtocolError(f"more than {PROPERTIES_MAX} metadata properties")
    return properties


def _property_at(data: bytes, offset: int) -> tuple[bytes, bytes, int]:
    """Return name and value of the property at `offset`, and where the next one starts."""
    name_end = offset + 1 + data[offset]
    value_start = name_end + _LENGTH_BYTES
    if value_start > len(data):
        raise RemoteProtocolError("the metadata ends inside a property")
    name = data[offset + 1 : name_end]
    if not _NAME.fullmatch(name):
        raise RemoteProtocolError(f'the metadata has a property named "{printable(name)}"')
    size = int.from_bytes(data[name_end:value_start], "big")
    value_end = value_start + size
    if size >= VALUE_BYTES_LIMIT or value_end > len(data):
        raise RemoteProtocolError("the metadata ends inside a value")
    return name, data[value_start:value_end], value_end
