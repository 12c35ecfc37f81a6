"""What a publisher says of itself to subscribers that know fanout: the property X-Fanout in READY.

    1;epoch=0123456789abcdef;head=4711;sequence=1;replay=33554432

The number is the form's, then names with values, in any order; a name that is not known is left
alone, so that later publishers can say more. Other ZeroMQ sockets ignore the property (libzmq
ignores names that it does not know). Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PROPERTY = b"X-Fanout"
FORM = "1"
PROPERTY_NAME = PROPERTY.decode().lower()  # as it is among what a peer has said
_FORM = re.compile(r"1(;[a-z]+=[0-9a-z]*)*", re.ASCII)
_EPOCH = re.compile(r"[0-9a-f]{16}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Introduction:
    """What one publisher is and offers, as of the handshake."""

    epoch: int
    """Another number for each run of a publisher, below 2^63."""

    head: int
    """Sequence number of the message that comes next."""

    sequence: bool
    """Whether each message ends in its number, option `sequence_frame`."""

    replay: int = 0
    """Bytes of its log that it sends again to who asks; 0: it does not."""

    last: bool = False
    """Whether who subscribes is sent the last message of each topic."""

    values: bool = False
    """Whether it understands `\\x00fanout.values=all`, which the first of our versions did not."""

    def to_bytes(self) -> bytes:
        """The value of the property."""
        text = f"{FORM};epoch={self.epoch:016x};head={self.head};sequence={self.sequence:d}"
        last, values = ";last=1" * self.last, ";values=1" * self.values
        return f"{text};replay={self.replay}{last}{values}".encode("ascii")


def intake_of(message_bytes: int) -> bytes:
    """What an endpoint of `ingest()` says of itself: how large a message may be, on the wire."""
    return f"{FORM};message={message_bytes}".encode("ascii")


def message_limit_of(value: bytes) -> int | None:
    """How large a message may be on the wire for who says this; None: it does not say it."""
    said = _said_in(value).get("message", "")
    return int(said) if _NUMBER.fullmatch(said) else None


def introduction_of(value: bytes) -> Introduction | None:
    """Read the value of the property; None if it is none that can be understood.

    Whoever says it is a stranger: what it says wrongly makes it a publisher like any other.
    """
    said = _said_in(value)
    epoch, head = said.get("epoch", ""), said.get("head", "")
    if not _EPOCH.fullmatch(epoch) or not _NUMBER.fullmatch(head):
        return None
    replay = said.get("replay", "")
    return Introduction(
        int(epoch, 16),
        int(head),
        said.get("sequence") == "1",
        int(replay) if _NUMBER.fullmatch(replay) else 0,
        said.get("last") == "1",
        said.get("values") == "1",
    )


def _said_in(value: bytes) -> dict[str, str]:
    """Names with their values; none if it cannot be understood."""
    text = value.decode("ascii", "replace")
    is_form = _FORM.fullmatch(text)
    return dict(part.split("=") for part in text.split(";")[1:]) if is_form else {}
