"""What subscribers say: a handshake at once, then subscriptions and PINGs at random."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from fanout.zmtp import Session, SessionLimits
from tests.simulation.saying import MARK, Statement, random_statements

if TYPE_CHECKING:
    from collections import deque
    from random import Random

    from fanout.zmtp.encoding import Encoding

PREFIXES = (b"", b"A", b"AB", b"ABC", b"B", b"BA", b"C", b"x" * 255, b"nobody")

_GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)


def command(body: bytes) -> bytes:
    """A command frame."""
    if len(body) < 256:
        return bytes((4, len(body))) + body
    return b"\x06" + len(body).to_bytes(8, "big") + body


SUBSCRIBER_HELLO = _GREETING + command(b"\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB")


LEGACY_HELLO = b"\x01\x00"  # ZMTP 1.0: an empty identity; it takes everything


class Kind(enum.Enum):
    """How a peer reads messages; the value is the protocol of its listener."""

    PLAIN = "zmtp"
    LEGACY = "zmtp 1"  # ZMTP 1.0
    NUMBERED = "numbered"  # an encoding that shows the number of the message, served together
    ALONE = "alone"  # the same, but each for himself

    def read(self, number: int, wire: bytes) -> bytes:
        """What such a peer reads of a message that is `wire` for all but ZMTP 1.0."""
        return wire if self is Kind.PLAIN else numbered(number, wire)

    @property
    def around(self) -> tuple[int, int]:
        """Bytes that such a peer reads before and behind a marker."""
        return (0, 0) if self is Kind.PLAIN else _AROUND_NUMBERED


NUMBER_MARK = b"\x40"  # no flag of ZMTP
_AROUND_NUMBERED = 9, 8  # bytes before and behind a message


def numbered(number: int, wire: bytes) -> bytes:
    """A message with its number before and behind it, so that every rest of it shows the number."""
    shown = number.to_bytes(8, "big")
    return NUMBER_MARK + shown + wire + shown


class Numbered:
    """An encoding that shows the number of each message."""

    def __init__(self, shared: bool) -> None:
        self.shared = shared

    def encode(self, piece: bytes, number: int) -> bytes:
        return numbered(number, piece)


_SHARED = Numbered(shared=True)


class NumberedSession(Session):
    """For peers that are served together."""

    @property
    def encoding(self) -> Encoding:
        return _SHARED


class LonelySession(Session):
    """For peers that are served each for himself."""

    def __init__(self, limits: SessionLimits) -> None:
        super().__init__(limits)
        self._own = Numbered(shared=False)

    @property
    def encoding(self) -> Encoding:
        return self._own


SESSIONS = {
    Kind.PLAIN.value: Session,
    Kind.LEGACY.value: Session,
    Kind.NUMBERED.value: NumberedSession,
    Kind.ALONE.value: LonelySession,
}


Item = tuple[bytes, "Statement | None"]  # what is said, and what that says of who says it


def random_input(rng: Random, spoken: deque[bytes], reserved: float) -> list[Item]:
    """A few commands at once; the contexts of PINGs are appended to `spoken`.

    Args:
        reserved: the share of commands that say something of the subscriber itself.
    """
    said: list[Item] = []
    for _ in range(rng.choice((1, 1, 2, 5))):
        kind = rng.random()
        if reserved and rng.random() < reserved:
            said += [(wanting(rng, *one), one) for one in random_statements(rng)]
        elif kind < 0.25:
            context = rng.randbytes(rng.choice((0, 1, 16)))
            spoken.append(context)
            said.append((command(b"\x04PING\0\0" + context), None))
        elif kind < 0.75:
            said.append((command(b"\x09SUBSCRIBE" + rng.choice(PREFIXES)), None))
        else:
            said.append((command(b"\x06CANCEL" + rng.choice(PREFIXES)), None))
    return said


def wanting(rng: Random, wanted: bool, text: bytes) -> bytes:
    """A reserved subscription or its end, in one of the two forms that there are."""
    prefix = MARK + text
    if rng.random() < 0.5:
        return bytes((0, 1 + len(prefix), wanted)) + prefix
    return command((b"\x09SUBSCRIBE" if wanted else b"\x06CANCEL") + prefix)
