"""Control messages about who may subscribe. What is secret in them is in no text of theirs."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar, TypeAlias

from fanout.basics.records import record

_TLS = "+tls"
CURVE = "zmtp+curve"  # with a number for the keys of each listener


def with_tls(protocol: str) -> str:
    """The name of a protocol that is spoken by TLS."""
    return protocol + _TLS


def is_by_tls(protocol: str) -> bool:
    """Whether a protocol, with a number or without, is spoken by TLS."""
    return protocol.partition("#")[0].endswith(_TLS)


def is_sealed(protocol: str) -> bool:
    """Whether all that is sent by it is encrypted, with a key that only its worker has."""
    return is_by_tls(protocol) or protocol.partition("#")[0] == CURVE


def inside_of_tls(protocol: str) -> str:
    """The protocol that is spoken inside."""
    return protocol.partition(_TLS)[0]


def is_certified(parts: list[bytes], inside: str) -> bool:
    """Whether it is judged by certificates who may subscribe.

    Args:
        parts: of TLS, as in `Secure`.
        inside: the protocol that is spoken inside: another mechanism judges by what it says.
    """
    return inside == "zmtp" and bool(parts[2])


class Judgement(IntEnum):
    """What a worker is told."""

    ALLOW = 0
    LATER = 1  # close the connection: it will come back
    DENY = 2  # tell it so: it will not


@record
class AuthRequest:
    """From a worker: this connection is to be judged; once for each."""

    code: ClassVar[int] = 21
    subscriber: int
    mechanism: str
    # Of PLAIN: user and password; of CURVE: the public key; of TLS: user and certificate.
    credentials: list[bytes]

    def __repr__(self) -> str:
        return f"AuthRequest({self.subscriber}, {self.mechanism!r})"


@record
class Judged:
    """To a worker: that is what was found."""

    code: ClassVar[int] = 22
    subscriber: int
    judgement: int
    text: str  # why, in words


@record
class Secure:
    """To a worker, before the first connection of this protocol: what is secret of it."""

    code: ClassVar[int] = 30
    protocol: str
    secrets: list[bytes]  # of CURVE: keys, newest first; by TLS: see `fanout.security.tls`

    def __repr__(self) -> str:
        return f"Secure({self.protocol!r})"


@record
class Forget:
    """To a worker, behind the last connection of this protocol: its endpoint is unbound."""

    code: ClassVar[int] = 47
    protocol: str


OfJudging: TypeAlias = AuthRequest | Judged | Secure | Forget
