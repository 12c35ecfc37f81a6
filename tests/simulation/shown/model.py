"""What a subscriber must be sent that comes to topics with last values and keyframes: plain lists.

Whoever subscribes gets of each topic that is new to it, as of the message from which on it wants
it: the last keyframe and all since then, or the last message if there was never a keyframe; then
all that comes. In order, none twice, none missing but what it is told of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgpack

from fanout.reserved import GAP_TOPIC, SNAPSHOT_TOPIC
from tests.simulation.shown.due import Due
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.shown.feed import Feed

BEHIND_MAX = 5 / 8  # of the log; who is sent the past, and is further behind, loses the oldest
KEPT_PART = 15 / 16  # of that, which it keeps then


class Viewer:
    """One subscriber.

    Args:
        is_told: whether it wants to be told of gaps.
        is_marked: whether it wants to know where a snapshot begins and ends.

    Attributes:
        received: how many messages of the past.
        missing: messages that it has lost.
        lost: how often it had no keyframe to begin with.
        undecided: topics of which it might have got something else as well.
    """

    def __init__(self, feed: Feed, *, is_told: bool, is_marked: bool) -> None:
        self._feed = feed
        self.is_told = is_told
        self.is_marked = is_marked
        self._wants: dict[bytes, int] = {}  # by prefix, the number of what was due by that
        self._dues: list[Due] = []
        self._closed = 0  # of these, that it has got
        self._next = 0  # what it wants by itself below this message it has got
        self._is_rest = False  # whether what comes next was begun before its snapshot
        self._told: list[tuple[int, int]] = []
        self._is_told_of_keyframes = False
        self._snapshot: int | None = None  # messages of the past since it began
        self.received = self.missing = self.lost = self.undecided = 0

    # What the system says.

    def subscribe(self, at: int, added: Sequence[bytes]) -> None:
        """From this message on it wants these as well."""
        for prefix in added:
            self._wants.setdefault(prefix, len(self._dues))
        self._dues.append(Due(self._feed, at))

    def begin(self, as_of: int, *, has_rest: bool) -> None:
        """Its next snapshot is made, of what was published before this message."""
        begun = sum(one.as_of is not None for one in self._dues)
        require(begun < len(self._dues), "it is sent a snapshot, and has not subscribed")
        due = self._dues[begun]
        self._stand_at(begun, due.at, as_of)
        due.begun = self._feed.tick()
        self._is_rest = has_rest

    def _stand_at(self, number: int, first: int, as_of: int) -> None:
        """It is sent what was published before that, for there was nothing to wait for since."""
        between = [self._due_of(one.topic) for one in self._feed.messages[first:as_of]]
        is_right = as_of >= first and number not in between
        require(is_right, f"as of {as_of}, not {first}")
        self._dues[number].as_of = as_of

    def hold(self, first: int, until: int, floors: Sequence[int]) -> None:
        """Keyframes are looked for from this message on, up to that one.

        Args:
            floors: from which message on the log was there before and after that was promised.
        """
        due = self._showing
        assert due.as_of is not None
        self._stand_at(self._dues.index(due), due.as_of, until)
        right = first in [self._feed.asked_from(until, floor) for floor in floors]
        require(right and first >= min(floors[-1], until), f"they are looked for from {first} on")
        due.lows.append(first)

    def find(self) -> None:
        """It is known what there is of topics with keyframes."""
        self._showing.found = self._feed.tick()

    def lose(self, topics: int) -> None:
        """It is counted that there is no keyframe of so many."""
        self.lost += topics
        self._showing.lost += topics

    def jump(self, first: int, target: int, front: int, lost: int, *, has_begun: bool) -> None:
        """It goes on at message `target`, for it was too far behind at `first`."""
        feed, due = self._feed, self._showing
        assert due.as_of is not None
        require(feed.is_behind(first, front, BEHIND_MAX), f"it jumps from {first} at {front}")
        part = BEHIND_MAX * KEPT_PART
        kept = target
        while kept > first and not feed.is_behind(kept - 1, front, part):
            kept -= 1
        is_least = kept == target or target == due.as_of
        require(target <= due.as_of, f"it jumps to {target}, beyond {due.as_of}")
        is_enough = target == due.as_of or not feed.is_behind(target, front, part)
        require(is_least and is_enough, f"it jumps to {target} at {front}")
        due.jump(target, lost, has_begun=has_begun and not self._is_rest)

    def end_snapshot(self) -> None:
        """It was sent all of it."""
        self._showing.ended = self._feed.tick()

    @property
    def _showing(self) -> Due:
        due = next((one for one in self._dues if one.as_of is not None and one.ended < 0), None)
        require(due is not None, "it is sent no snapshot now")
        assert due is not None
        return due

    # What it gets.

    def take(self, topic: bytes, body: bytes, sequence: int) -> None:
        """A whole message."""
        is_rest, self._is_rest = self._is_rest, False
        if topic == GAP_TOPIC:
            self._take_marker(msgpack.unpackb(body))
        elif topic == SNAPSHOT_TOPIC:
            self._take_mark(msgpack.unpackb(body))
        else:
            number = self._due_of(topic)
            require(number is not None, f"it gets {topic!r}, and does not want it")
            assert number is not None
            due = self._dues[number]
            is_open = number >= self._closed and due.as_of is not None
            if is_open and not is_rest and sequence < (due.as_of or 0):
                self._take_past(number, sequence)
            else:
                self._take_live(due, sequence)

    def end(self) -> None:
        """It has got all that there is."""
        self._pass(len(self._feed.messages))
        self._close(len(self._dues))
        require(self._snapshot is None, "it is not told that its snapshot has ended")

    def _due_of(self, topic: bytes) -> int | None:
        numbers = (number for one, number in self._wants.items() if topic.startswith(one))
        return min(numbers, default=None)

    def _is_covered(self, number: int) -> bool:
        """Whether nothing is new by what was due then."""
        new = [prefix for prefix, one in self._wants.items() if one == number]
        before = tuple(prefix for prefix, one in self._wants.items() if one < number)
        return all(prefix.startswith(before) for prefix in new)

    def _take_live(self, due: Due, sequence: int) -> None:
        known = sequence >= max(self._next, due.at)
        require(known, f"{sequence} comes once more, too late, or before it was wanted")
        self._pass(sequence)
        self._close(sum(one.at <= sequence for one in self._dues))
        self._next = sequence + 1

    def _take_past(self, number: int, sequence: int) -> None:
        due = self._dues[number]
        assert due.as_of is not None
        self._pass(due.as_of)
        self._close(number)
        due.got.append(sequence)
        self.received += 1
        if self._snapshot is not None:
            self._snapshot += 1

    def _pass(self, stop: int) -> None:
        """It comes to this message: what it wants below it is missing."""
        for sequence in range(self._next, stop):
            number = self._due_of(self._feed.messages[sequence].topic)
            wanted = number is not None and sequence >= self._dues[number].at
            require(not wanted, f"{sequence} is missing")
        self._next = max(self._next, stop)

    def _close(self, stop: int) -> None:
        """Of what was due, the first so many it has got."""
        while self._closed < stop:
            due, number = self._dues[self._closed], self._closed
            self._closed += 1
            topics = [topic for topic in self._feed.topics if self._due_of(topic) == number]
            if due.as_of is None:
                is_covered = self._is_covered(number)
                require(is_covered, f"it is sent no snapshot before {due.at}")
                continue
            require(due.ended >= 0, f"its snapshot before {due.at} is not sent to the end")
            missing, undecided = due.judge(topics)
            self.missing += len(missing)
            self.undecided += undecided
            if self.is_told:
                untold = [one for one in missing if not self._is_told_of(one)]
                require(not untold, f"{untold} are missing, and it was not told")
                told = self._is_told_of_keyframes or not due.lost
                require(told, f"it is not told that there are no keyframes before {due.at}")

    # What it is told.

    def _is_told_of(self, sequence: int) -> bool:
        return any(first <= sequence <= last for first, last in self._told)

    def _take_marker(self, marker: dict[str, object]) -> None:
        first, last = marker["first"], marker["last"]
        assert isinstance(first, int)
        assert isinstance(last, int)
        require(0 <= first <= last < len(self._feed.messages), f"a gap of {first} to {last}")
        require(self.is_told, "it is told of a gap, and has not asked for that")
        if marker["reason"] == "keyframe":
            require(self.lost > 0, "it is told that there are no keyframes, and has lost none")
            self._is_told_of_keyframes = True
        else:
            self._told.append((first, last))

    def _take_mark(self, mark: dict[str, object]) -> None:
        require(self.is_marked, "it is told of a snapshot, and has not asked for that")
        if not mark["end"]:
            require(self._snapshot is None, "a snapshot begins in another one")
            self._snapshot = 0
            return
        require(mark["count"] == self._snapshot, f"{self._snapshot} came: {mark}")
        self._snapshot = None
