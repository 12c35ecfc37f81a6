"""From where on a subscriber asks for what it has missed: `\\x00fanout.since=…`. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fanout.basics.units import NS

_AFTER = re.compile(r"([0-9a-f]{16}):([0-9]{1,19})")
_SECONDS = re.compile(r"-([0-9]{1,9}(?:\.[0-9]{1,9})?)s")
_MESSAGES = re.compile(r"-([0-9]{1,15})")

SINCE_FORMS = "EPOCH:SEQUENCE, of which the first has 16 hex digits, nor such as -10s or -1000"


@dataclass(frozen=True, slots=True)
class Since:
    """One of these three; the others are None, or 0.

    Args:
        epoch: of the publisher whose message `sequence` was the last that it has got.
        sequence: see there.
        age_ns: what was published within that time.
        messages: so many, the newest that it wants.
    """

    epoch: int | None = None
    sequence: int = 0
    age_ns: int = 0
    messages: int = 0


def read_since(text: str) -> Since | None:
    """What such a subscription says behind the equals sign; None = nothing."""
    after = _AFTER.fullmatch(text)
    if after is not None:
        return Since(epoch=int(after[1], 16), sequence=int(after[2]))
    seconds = _SECONDS.fullmatch(text)
    if seconds is not None:
        return Since(age_ns=int(float(seconds[1]) * NS))
    messages = _MESSAGES.fullmatch(text)
    return Since(messages=int(messages[1])) if messages is not None else None
