"""What one subscriber is still to be told of that it does not get: plain lists of messages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgpack

from tests.simulation.catching_up import is_of
from tests.simulation.violated import Violated, require

if TYPE_CHECKING:
    from collections.abc import Sequence

    Due = tuple[str, int, int, int]  # reason, first and last message, count

NOTHING, LOSSES, ALL = range(3)  # of which it wants to be told
CONFLATED = "conflated"
MISSED = ("expired", "epoch")  # before it came: told before anything else, and in no counter
TOPIC = b"\0fanout.gap"
MARKER_HEAD = bytes((1, len(TOPIC))) + TOPIC + b"\0"  # a frame that is not the last, and another
_ANYWHERE = re.compile(re.escape(MARKER_HEAD), re.DOTALL)
_FIELDS = {"epoch", "first", "last", "count", "reason"}


class Telling:
    """Messages that it has missed, of which it was not told yet, each with the reason.

    Args:
        epoch: of the publisher.

    Attributes:
        level: of what it wants to be told.
        told: how many messages all its markers stand for.
    """

    def __init__(self, epoch: int) -> None:
        self.level = NOTHING
        self.told = 0
        self._epoch = epoch
        self._conflated: list[tuple[int, str]] = []  # in the order in which it missed them
        self._lost: list[tuple[int, str]] = []
        self._missed: list[Due] = []

    @property
    def untold(self) -> list[tuple[Any, ...]]:
        """All that it is still to be told of."""
        return [*self._missed, *self._lost, *self._conflated]

    def miss(self, due: Sequence[Due]) -> None:
        """It has missed this, which is gone."""
        if self.level:
            self._missed = [*due]

    def lose(self, sequence: int, reason: str) -> None:
        """It loses this message."""
        if self.level:
            self._lost = sorted([*self._lost, (sequence, reason)])

    def conflate(self, sequence: int) -> None:
        """A newer message on its topic takes the place of this one."""
        if self.level == ALL:
            self._conflated.append((sequence, CONFLATED))

    def heed(self, level: int, begun: bytes) -> None:
        """From now on it is told of so much.

        Args:
            begun: what its socket has not taken whole yet, and what is to follow before any
                message: markers that are there will come.
        """
        coming = [_marker_at(begun, found.end()) for found in _ANYWHERE.finditer(begun)]
        if level < ALL:
            most = sum(one["count"] for one in coming if one["reason"] == CONFLATED)
            self._conflated = self._conflated[:most]
        if level < LOSSES:
            self._missed = self._missed[: sum(one["reason"] in MISSED for one in coming)]
            others = (CONFLATED, *MISSED)
            most = sum(one["count"] for one in coming if one["reason"] not in others)
            self._lost = self._lost[:most]
        self.level = level

    def take_marker(self, wire: bytes | bytearray, queue: Sequence[int]) -> int:
        """It has got a marker, before the first message of its queue; returns its last message."""
        marker = _marker_at(wire, len(MARKER_HEAD))
        require(set(marker) == _FIELDS, f"a marker with the fields {sorted(marker)}")
        require(marker["epoch"] == self._epoch, f"a marker of epoch {marker['epoch']}")
        last: int = marker["last"]
        if marker["reason"] in MISSED:
            right = is_of(marker, self._missed[:1])
            require(right, f"{marker}, and it is to be told of {self._missed}")
            del self._missed[0]
            return last
        is_conflated = marker["reason"] == CONFLATED
        missed = self._conflated if is_conflated else self._lost
        count = marker["count"]
        require(
            0 < count <= len(missed),
            f"{marker}, but it was to be told of {missed[:9]}",
        )
        gap, rest = sorted(missed[:count]), missed[count:]
        want = gap[0][0], gap[-1][0], gap[-1][1]
        got = marker["first"], marker["last"], marker["reason"]
        require(got == want, f"{marker}, but it has missed {gap}")
        early = not is_conflated and bool(queue) and queue[0] < marker["last"]
        require(not early, f"{marker} comes before {queue}")
        self.told += count
        if is_conflated:
            self._conflated = rest
        else:
            self._lost = rest
        return last

    def take_message(self, sequence: int) -> None:
        """It gets a message, or a part of it: of what is missing before it, it was told."""
        if self._missed:
            raise Violated(f"it gets {sequence}, and was not told of {self._missed[0]}")
        late = self._lost[:1] + [one for one in self._conflated if one[0] < sequence]
        if late and late[0][0] < sequence:
            raise Violated(f"it gets message {sequence}, and was not told of {late[0]}")


def marker_bytes(around: tuple[int, int], begun: bytes | bytearray) -> int:
    """How long the marker is that begins here, 0 if that is not to be seen yet.

    Args:
        around: how many bytes its encoding puts before and behind it.
    """
    at = around[0] + len(MARKER_HEAD)
    return at + 1 + begun[at] + around[1] if len(begun) > at else 0


def marker_at(wire: bytes | bytearray) -> dict[str, Any]:
    """The fields of a marker."""
    return _marker_at(wire, len(MARKER_HEAD))


def _marker_at(data: bytes | bytearray, at: int) -> dict[str, Any]:
    marker: dict[str, Any] = msgpack.unpackb(data[at + 1 : at + 1 + data[at]])
    return marker
