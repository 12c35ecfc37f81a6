"""From where on a subscriber wants what was published: as its user says it, as publishers read it.

Pure.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from fanout.errors import ConfigError
from fanout.terms.arguments import shown
from fanout.terms.reserved import RESERVED

SINCE = RESERVED + b"since="
Position: TypeAlias = tuple[int, int]  # epoch, and the sequence number of the last message

_RELATIVE = re.compile(r"-?([0-9]{1,9}(?:\.[0-9]{1,9})?s|[0-9]{1,15})", re.ASCII)
_POSITION = re.compile(r"([0-9a-f]{16}):([0-9]{1,19})", re.ASCII)
NUMBERS_END = 1 << 63  # of epochs and sequence numbers


def since_of(said: str | Position | None) -> bytes | Position:
    """What a user has said: a position, or what is asked for without one; b"" = nothing.

    A time or a number goes back from now, with a sign or without one.

    Raises:
        TypeError: it is neither.
        ConfigError: it says nothing.
    """
    if said is None:
        return b""
    if isinstance(said, tuple):
        numbers: tuple[object, ...] = said
        if [type(number) for number in numbers] != [int, int]:
            raise TypeError("a position is a tuple of two whole numbers, epoch and sequence")
        if not all(0 <= number < NUMBERS_END for number in said):
            raise ConfigError(f"since: {shown(said)} is no position: 0 to 2**63 - 1, each")
        return said
    if not isinstance(said, str):
        raise TypeError(
            "since must be a str such as '-10s' (the last 10 seconds), '-1000' (messages) or "
            "'EPOCH:SEQUENCE', or a tuple of epoch and sequence, not " + shown(said)
        )
    position = _POSITION.fullmatch(said)
    if position is not None:
        return since_of((int(position[1], 16), int(position[2])))
    back = _RELATIVE.fullmatch(said)
    if back is None:
        raise ConfigError(
            "since must be such as '-10s', '-1000' or 'EPOCH:SEQUENCE', of which the first has 16 "
            f"hex digits, not {shown(said)}"
        )
    return SINCE + b"-" + back[1].encode()


def later_since(said: str | Position | None, *, one_line: bool) -> bytes | Position:
    """The same of a later subscription.

    Raises:
        TypeError: it is neither.
        ConfigError: it says nothing, or there are several lines.
    """
    start = since_of(said)
    if start and not one_line:
        raise ConfigError(
            "since: of a later subscription it can be had over one endpoint alone, without "
            "`identity`; say it when the subscriber is made, or make another one for this topic"
        )
    return start


def after(epoch: int, following: int) -> bytes:
    """What asks for all from this message on, of the publisher with this epoch.

    What is said is the last message that we have; who has none of a publisher says that it has one
    of another, and is sent all there is.
    """
    if not following:
        epoch, following = epoch ^ 1, 1
    return SINCE + b"%016x:%d" % (epoch, following - 1)
