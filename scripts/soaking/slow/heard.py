"""What one subscriber has heard: which numbers are missing, and what it was told of them. Pure.

A marker stands before the first message after the messages that it tells of, and each gap has one,
which is compared there. With `conflate` a marker tells of all that newer ones took the place of in
a pass, and messages of the pass lie between: there, what is missing was told of before the message
after it, and nothing was told of that had come.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Any

import msgpack

from soaking.slow.people import MESSAGE_BYTES, NUMBER_BYTES, TOPICS, frames_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from soaking.slow.people import Person

GAP = b"\0fanout.gap"
TOPIC, PAYLOAD = frames_of(0)
FILLING = PAYLOAD[NUMBER_BYTES:]
# What is before the number of a message on the wire, by its topic: two short frames of ZMTP.
HEADS = [
    bytes((1, len(TOPIC))) + frames_of(number)[0] + bytes((0, len(PAYLOAD)))
    for number in range(TOPICS)
]
COUNTED = ("received", "disorder", "last", "closed")
HEARD = ("holes", "hole_times", "markers", "reasons", "epochs")
WIRE = struct.Struct(f">{len(HEADS[0])}sQ{len(FILLING)}s")
assert WIRE.size == MESSAGE_BYTES


class Heard:
    """Takes the messages of one subscriber.

    Args:
        clock: monotonic seconds; it is looked at where messages are missing.

    Attributes:
        holes: first and last of the numbers that are missing between two others, and how many of
            them it wanted.
        hole_times: when the message after each came.
        markers: the same as `holes`, as it was told.
        reasons: that were told, and how often.
        epochs: that were told.
        untold: what was wrong with a marker where it stands, the first of it.
    """

    def __init__(self, person: Person, clock: Callable[[], float] = time.monotonic) -> None:
        self.person = person
        self.received = 0
        self.disorder = 0
        self.last = -1
        self.expected = person.next_after(-1)
        self.closed = False
        self.holes: list[tuple[int, int, int]] = []
        self.hole_times: list[float] = []
        self.markers: list[tuple[int, int, int]] = []
        self.reasons: dict[str, int] = {}
        self.epochs: list[int] = []
        self.untold = ""
        self._clock = clock
        self._told: list[tuple[int, int, int]] = []  # and no message has come since
        self._left = 0  # told of, and not yet seen to be missing: with `conflate`
        self._told_to = -1

    def add(self, frames: Sequence[bytes]) -> None:
        """One message."""
        if frames[0] == GAP:
            self._add_marker(msgpack.unpackb(frames[1]))
            return
        number = int.from_bytes(frames[-1][:NUMBER_BYTES], "big")
        self.received += 1
        if number <= self.last or not self.person.wants(number):
            self.disorder += 1
            return
        hole = self._hole_before(number)
        if hole is not None:
            self.holes.append(hole)
            self.hole_times.append(self._clock())
        if self.person.gaps:
            self._compare(hole)
        self.last = number
        self.expected = self.person.next_after(number)

    def _hole_before(self, number: int) -> tuple[int, int, int] | None:
        expected = self.expected
        if number == expected:
            return None
        last = self.person.wanted_before(number, 1)
        return expected, last, self.person.wanted_between(expected, number)

    def _add_marker(self, gap: dict[str, Any]) -> None:
        marker = gap["first"], gap["last"], gap["count"]
        self.markers.append(marker)
        self._told.append(marker)
        self.reasons[gap["reason"]] = self.reasons.get(gap["reason"], 0) + 1
        if gap["epoch"] not in self.epochs:
            self.epochs.append(gap["epoch"])

    def _compare(self, hole: tuple[int, int, int] | None) -> None:
        """With what was told since the message before."""
        told, self._told = self._told, []
        if self.person.policy != "conflate":
            if told != ([] if hole is None else [hole]):
                self._complain(f"{hole} are missing here, and it was told of {told}")
            return
        for first, last, count in told:
            if first < self.expected:
                self._complain(f"it was told of {first}, after {self.last}")
            self._left += count
            self._told_to = max(self._told_to, last)
        if hole is not None:
            self._left -= hole[2]
            if self._left < 0 or hole[1] > self._told_to:
                self._complain(f"{hole} are missing here, and it was not told before")

    def _complain(self, text: str) -> None:
        self.untold = self.untold or text

    def add_wire(self, data: memoryview) -> int:
        """Messages as they are on the wire, for as long as each is the next that it wants.

        Returns:
            Bytes that these are; what comes then is something else, or not whole.
        """
        if self._told:
            return 0  # the next one is compared with that
        next_after = self.person.next_after
        count, expected = 0, self.expected
        whole = len(data) - len(data) % MESSAGE_BYTES
        for head, number, filling in WIRE.iter_unpack(data[:whole]):
            if number != expected or head != HEADS[number % TOPICS] or filling != FILLING:
                break
            count += 1
            self.last = number
            expected = next_after(number)
        self.expected = expected
        self.received += count
        return count * MESSAGE_BYTES

    def figures(self) -> dict[str, Any]:
        """All of it, for the process that judges."""
        untold = self.untold or (f"it was told of {self._told} in the end" if self._told else "")
        return {name: getattr(self, name) for name in COUNTED + HEARD} | {"untold": untold}
