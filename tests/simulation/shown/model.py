"""What a subscriber must be sent that comes to topics with last values and keyframes: plain lists.

Whoever subscribes gets of each topic that is new to it, as of the message from which on it wants
it: the last keyframe and all since then, or the last message if there was never a keyframe; then
all that comes, but for what its policy takes. In order, none twice, none missing but what it is
told of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgpack

from fanout.terms.reserved import GAP_TOPIC, SNAPSHOT_TOPIC
from tests.simulation.shown.due import Due
from tests.simulation.shown.live import Live
from tests.simulation.shown.told import Told
from tests.simulation.shown.wanting import Wanting
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.policies import Rules
    from tests.simulation.shown.feed import Feed

BEHIND_MAX = 5 / 8  # of the log; who is sent the past, and is further behind, loses the oldest
KEPT_PART = 15 / 16  # of that, which it keeps then


class Viewer:
    """One subscriber.

    Args:
        rules: of its policy, to begin with.
        level: of what is missing, of what it is to be told.
        is_marked: whether it wants to know where a snapshot begins and ends.
        is_plain: it reads what is in the log.

    Attributes:
        asks: the last message that it has, if it asks for what came since; -1 = of another run.
        asked: what it gets by that is below this message; and `replayed`, how many these are.
        live: what it gets by itself, and what its policy takes of that.
        received: how many messages of the past.
        missing: of these, that it has lost.
        lost: how often it had no keyframe to begin with.
        undecided: topics of which it might have got something else as well.
        cancelled: topics that it did not want any more before it had got all that was due.
    """

    def __init__(
        self, feed: Feed, rules: Rules, *, level: int, is_marked: bool, is_plain: bool
    ) -> None:
        self._feed = feed
        self.is_marked = is_marked
        self.asks: int | None = None
        self.asked = self.replayed = 0
        self.live = Live(feed, self._is_wanted, rules, is_plain=is_plain)
        self._told = Told(feed, level)
        self.wanting = Wanting()
        self._dues = self.wanting.dues
        self._closed = 0  # of these, that it has got
        self._is_rest = False  # whether what comes next was begun before its snapshot
        self._is_late = False  # or before something was cancelled
        self._snapshot: int | None = None  # messages of the past since it began
        self.received = self.missing = self.lost = self.undecided = self.cancelled = 0

    @property
    def dropped(self) -> int:
        """All that it has lost."""
        return len(self.live.dropped) + self.missing

    # What the system says.

    def change(self, at: int, added: Sequence[bytes], cancelled: Sequence[bytes]) -> None:
        """From this message on it wants this as well, and that no more."""
        self.wanting.change(at, added, cancelled, Due(self._feed, at) if added else None)

    def obey(self, *, has_rest: bool) -> None:
        """What it has said is in force; what comes next was perhaps begun before."""
        self.wanting.obey(self._feed.tick())
        self._is_late = has_rest

    def go_back(self, first: int, until: int) -> None:
        """It gets what was published from this message on, for it has asked for that."""
        assert self.asks is not None
        due, missed = self._dues[0], self.asks + 1
        right = first == min(missed, until) or missed < first <= until
        require(right, f"it asked for what is after {self.asks}, and gets it from {first} on")
        due.at, due.above, due.is_asked = first, self.asks, first < until
        self.asked = until
        self.wanting.go_back(first)
        self.replayed = len(self.live.waiting(first, until))
        self._told.expired = self._told.level > 0 and missed < first

    @property
    def goes_back(self) -> bool:
        """Whether it gets something by that."""
        return bool(self._dues) and self._dues[0].is_asked

    def drop_late(
        self, first: int, target: int, front: int, lost: int, *, begun: int | None
    ) -> None:
        """It goes on at message `target`, for it was too far behind in what it had asked for."""
        require(target <= self.asked, f"it jumps to {target}, beyond {self.asked}")
        gone = self.live.drop_late(first, target, front, begun=begun)
        require(len(gone) == lost, f"it loses {gone}, counted were {lost}")
        self._told.lose(gone)

    def show(self, cursor: int, *, is_first: bool, has_rest: bool) -> None:
        """It is sent a piece of its next snapshot, at this message.

        Args:
            is_first: nothing of it was sent before.
            has_rest: what comes next was begun before.
        """
        begun = sum(one.as_of is not None for one in self._dues)
        if not is_first:
            self._stand_at(self._dues.index(self._showing), cursor)
            return
        require(begun < len(self._dues), "it is sent a snapshot, and has not subscribed")
        self._stand_at(begun, cursor)
        self._is_rest = has_rest

    def _stand_at(self, number: int, cursor: int) -> None:
        """It is sent what was published before that, for there was nothing to wait for since."""
        due = self._dues[number]
        first = due.at if due.as_of is None else due.as_of
        between = [one for one in self.live.waiting(first, cursor) if self._is_of(one, number)]
        is_right = cursor >= first and not between
        require(is_right, f"as of {cursor}, not {first}, before {between}")
        due.stand_at(cursor)

    def hold(self, first: int, until: int, floors: Sequence[int]) -> None:
        """Keyframes are looked for from this message on, up to that one.

        Args:
            floors: from which message on the log was there before and after that was promised.
        """
        due = self._showing
        self._stand_at(self._dues.index(due), until)
        right = first in [self._feed.asked_from(until, floor) for floor in floors]
        require(right and first >= min(floors[-1], until), f"they are looked for from {first} on")
        due.hold(first, until)

    def find(self) -> None:
        """It is known what there is of topics with keyframes."""
        self._showing.find()

    def share(self) -> None:
        """What it is sent of last values may be what was joined for others."""
        self._showing.is_shared = True

    def lose(self, topics: int) -> None:
        """It is counted that there is no keyframe of so many."""
        self.lost += topics
        self._showing.lost += topics

    def jump(self, first: int, target: int, front: int, lost: int, *, has_begun: bool) -> None:
        """It goes on at message `target`, for it was too far behind at `first` in the past."""
        feed, due = self._feed, self._in_the_past(first)
        until = due.until
        require(feed.is_behind(first, front, BEHIND_MAX), f"it jumps from {first} at {front}")
        part = BEHIND_MAX * KEPT_PART
        kept = target
        while kept > first and not feed.is_behind(kept - 1, front, part):
            kept -= 1
        is_least = kept == target or target == until
        require(target <= until, f"it jumps to {target}, beyond {until}")
        is_enough = target == until or not feed.is_behind(target, front, part)
        require(is_least and is_enough, f"it jumps to {target} at {front}")
        if due.is_open:
            due.jump(target, lost, has_begun=has_begun and not self._is_rest)
        else:
            require(not lost, f"it loses {lost} by that, and had been sent all")

    def drop(
        self,
        first: int,
        target: int,
        front: int,
        reason: str,
        now: int,
        *,
        begun: int | None,
        lost: int,
    ) -> None:
        """Its policy has it go on at message `target`, instead of `first`; see `Live.jump`."""
        gone = self.live.jump(first, target, front, reason, now, begun=begun)
        require(len(gone) == lost, f"it loses {gone} by {reason}, counted were {lost}")
        self._told.lose(gone)
        for due in self._dues:
            due.go_on_at(target)

    def conflate(self, first: int, front: int, count: int) -> None:
        """Of what waits for it between these, the newest of each topic are left."""
        gone = self.live.conflate(first, front)
        require(len(gone) == count, f"{gone} have newer ones, counted were {count}")
        self._told.conflate(gone)
        cursor = next(iter(self.live.waiting(first, front)), front)
        for due in self._dues:
            due.pass_by(first, front)
            due.go_on_at(cursor)

    def end_finishing(self, front: int) -> None:
        """It gets again what comes from there on."""
        self._told.lose(self.live.end_finishing(front))

    def end_snapshot(self) -> None:
        """It was sent all of it."""
        self._showing.ended = self._feed.tick()

    @property
    def _showing(self) -> Due:
        due = next((one for one in self._dues if one.as_of is not None and one.is_open), None)
        require(due is not None, "a snapshot that has not begun")
        assert due is not None
        return due

    def _in_the_past(self, cursor: int) -> Due:
        """Of what it is sent; or was, if all that is left to pass is what it gets none of.

        The next one may have begun before all of that is passed.
        Who is sent the newest of what comes is sent last values where that begins, though what was
        found of topics with keyframes may end behind that.
        """
        begun = [one for one in self._dues if one.as_of is not None and one.is_open]
        ended = [one for one in self._dues if one.ended >= 0]
        if begun and (begun[0].lows or not ended or ended[-1].until < cursor):
            return self._showing
        return ended[-1]

    # What it gets.

    def take(self, topic: bytes, body: bytes, sequence: int) -> None:
        """A whole message."""
        is_rest, self._is_rest = self._is_rest, False
        is_late, self._is_late = self._is_late, False
        if topic == GAP_TOPIC:
            marker = msgpack.unpackb(body)
            is_known = marker["reason"] != "keyframe" or self.lost > 0
            require(is_known, "it is told that there are no keyframes, and has lost none")
            self._told.take_marker(marker)
        elif topic == SNAPSHOT_TOPIC:
            self._take_mark(msgpack.unpackb(body))
        else:
            times = self.wanting.times_of(topic)
            require(bool(times), f"it gets {topic!r}, and does not want it")
            numbers = [one.number for one in times if self._dues[one.number].as_of is not None]
            number = max(numbers, default=-1)
            is_open = number >= self._closed and number >= 0
            if is_open and not is_rest and sequence < (self._dues[number].as_of or 0):
                self._take_past(number, sequence, is_late=is_late)
            else:
                self._take_live(topic, sequence)

    def end(self) -> None:
        """It has got all that there is."""
        self._pass(len(self._feed.messages))
        self._close(len(self._dues))
        require(self._closed == len(self._dues), f"only {self._closed} snapshots are sent")
        require(self._snapshot is None, "it is not told that its snapshot has ended")
        self._told.require_told(len(self._feed.messages))
        told = self._told.losses
        right = not self._told.level or told == self.dropped
        require(right, f"it is told of {told}, and has lost {self.dropped}")

    def _is_wanted(self, sequence: int) -> bool:
        return self.wanting.is_wanted(self._feed.messages[sequence].topic, sequence)

    def _is_of(self, sequence: int, number: int) -> bool:
        return self.wanting.is_of(self._feed.messages[sequence].topic, number)

    def _take_live(self, topic: bytes, sequence: int) -> None:
        known = sequence >= self.live.next and self.wanting.is_wanted(topic, sequence)
        require(known, f"{sequence} comes once more, too late, or when it was not wanted")
        self._told.require_told(sequence)
        self._pass(sequence)
        self._close(sum(one.at <= sequence for one in self._dues))
        self.live.take(sequence)

    def _take_past(self, number: int, sequence: int, *, is_late: bool) -> None:
        due = self._dues[number]
        if due.is_in_values and not is_late:
            until = self.wanting.until(self._feed.messages[sequence].topic, number)
            require(until >= self._feed.clock, f"{sequence} is shown, and was cancelled")
        assert due.as_of is not None
        self._pass(due.as_of)
        self._close(number)
        due.got.append(sequence)
        self.received += 1
        if self._snapshot is not None:
            self._snapshot += 1

    def _pass(self, stop: int) -> None:
        """It comes to this message: what it wants below it is missing."""
        missing = self.live.waiting(0, stop)
        require(not missing, f"{missing} are missing")
        self.live.next = max(self.live.next, stop)

    def _close(self, stop: int) -> None:
        """Of what was due, the first so many it has got."""
        while self._closed < stop:
            due, number = self._dues[self._closed], self._closed
            if due.passed is not None and due.is_open:
                return  # the newest of what comes may come before
            self._closed += 1
            wanting = self.wanting
            topics = [topic for topic in self._feed.topics if wanting.is_of(topic, number)]
            if due.as_of is None:
                is_covered = wanting.is_covered(number)
                require(is_covered, f"it is sent no snapshot before {due.at}")
                continue
            require(due.ended >= 0, f"its snapshot before {due.at} is not sent to the end")
            until = {topic: wanting.until(topic, number) for topic in topics}
            missing, undecided = due.judge(until)
            self.cancelled += sum(one < due.ended for one in until.values())
            self.missing += len(missing)
            self.undecided += undecided
            # Who finishes is told when it has.
            self._told.require_told_of(missing, is_late=self.live.is_finishing)
            told = self._told.of_keyframes or not (due.lost and self._told.level)
            require(told, f"it is not told that there are no keyframes before {due.at}")

    def _take_mark(self, mark: dict[str, object]) -> None:
        require(self.is_marked, "it is told of a snapshot, and has not asked for that")
        begun = sum(one.as_of is not None for one in self._dues)
        new = len(self.wanting.added[begun - 1])
        require(mark["subscriptions"] == new, f"{new} subscriptions are new: {mark}")
        if not mark["end"]:
            require(self._snapshot is None, "a snapshot begins in another one")
            self._snapshot = 0
            return
        require(mark["count"] == self._snapshot, f"{self._snapshot} came: {mark}")
        self._snapshot = None
