"""Chaining: of topics that have keyframes, members are sent the last one and all since then. Pure.

It is found when a member's cursor is where its snapshot is due: then it goes back, and wants these
topics, each from its keyframe on, up to where it was. While that is found it stands at the first
message that can be asked for, so that the log keeps it. Where no keyframe is left, deltas are of no
use: then nothing is sent, and that is told.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING
from weakref import WeakSet

from fanout.shm.value_layout import KEYFRAME, NO_VALUE
from fanout.workers.stream.chain import Chain
from fanout.workers.stream.finding import Finding
from fanout.workers.stream.gaps import NO_KEYFRAME, Gap
from fanout.workers.stream.keyframes import Keyframes
from fanout.workers.tuning import TUNING, ShowTuning

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.shm.kept_values import KeptValues
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.replaying import Replaying
    from fanout.workers.stream.snapshot import Snapshot
    from fanout.workers.stream.topic_names import TopicNames

    Hold = Callable[[Member, int], int]
    Want = Callable[[bytes], None]

COMING = 16_384  # messages that are looked at for what comes next: less than 1 ms
TOPICS_MAX = 500_000  # in all chains that are sent or found, some 110 bytes each: 55 MB
TRIES_MAX = 100  # to look at a message that is being committed


class Chaining:
    """Finds them for all members; its mutable state: the keyframes found, and what is looked for.

    Args:
        pump: moves members.
        hold: has the log kept for a member from before a message on; returns from where on.
        want: asks the publisher for a keyframe of a topic.
    """

    def __init__(
        self,
        values: KeptValues,
        names: TopicNames,
        pump: Replaying,
        hold: Hold,
        want: Want,
        tuning: ShowTuning = TUNING.show,
    ) -> None:
        self._values = values
        self._log = values.log
        self._names = names
        self._pump = pump
        self._hold = hold
        self._want = want
        self._tuning = tuning
        self._keyframes = Keyframes(values.log, tuning)
        self._findings: WeakSet[Finding] = WeakSet()

    def step(self, member: Member, snapshot: Snapshot) -> None:
        """Find some more of what is listed; when that is all, it is sent that next."""
        finding = snapshot.finding
        if finding is None:
            finding = snapshot.finding = self._begin(member, snapshot)
        # If it has jumped: the log is kept for it only from where it is now.
        finding.low = max(finding.first, min(member.sequence, finding.until))
        if finding.low < finding.until and not self._keyframes.advance(
            finding.low, self._log.head()
        ):
            return
        self._findings.add(finding)  # that of another worker, too
        finding.comes = None
        finding.room = TOPICS_MAX - self._topics_in_use()
        assert snapshot.listing is not None
        places = snapshot.listing.places
        stop = finding.at + self._tuning.places_per_look
        for place in islice(places, finding.at, stop):
            known = self._look(place, member, snapshot, finding)
            if not known and finding.tries < TRIES_MAX:
                finding.tries += 1
                return
            finding.at += 1
        if finding.at >= len(places):
            self._end(member, snapshot, finding)

    def missed(self, member: Member, snapshot: Snapshot, place: int) -> None:
        """Of a topic there was only its keyframe, and that is gone before it was sent."""
        snapshot.alone.discard(place)
        if not self._is_listed(place, self._values.ids[place], snapshot):
            return
        name, snapshots = self._names.name(place), member.snapshots
        assert snapshots is not None
        if snapshots.has_cancelled and snapshots.is_covered(snapshot, name):
            return  # its member wants it no more, or gets it without this snapshot
        finding = Finding(0, member.sequence, 0)
        finding.lose(member.sequence)
        self._want(name)
        self._tell(member, finding)

    def _begin(self, member: Member, snapshot: Snapshot) -> Finding:
        until, due = member.sequence, snapshot.due
        if snapshot.is_asked_for:  # it is sent that all, even if it has been meanwhile
            return Finding(due, due, due, is_asked_for=True)
        first = self._hold(member, until)
        if first < until:
            self._pump.hold_from(member, first, until)
            snapshot.due = first
        return Finding(first, until, due)

    def _topics_in_use(self) -> int:
        """In all chains that are being sent or found, by whomever they were begun."""
        found = sum([len(one.floors) for one in self._findings])
        return found + sum([len(one.floors) for one in self._pump.chains])

    def _look(self, place: int, member: Member, snapshot: Snapshot, finding: Finding) -> bool:
        """Look at one topic; returns whether what there is of it is known."""
        values, low, until = self._values, finding.low, finding.until
        topic_id, last = values.ids[place], values.last[place]
        if topic_id < KEYFRAME or last == NO_VALUE:
            return True
        if last < values.expired or last <= snapshot.above:
            return True
        topic_id -= KEYFRAME
        if not self._is_listed(place, topic_id, snapshot):
            return True
        name, snapshots = self._names.name(place), member.snapshots
        assert snapshots is not None
        if snapshots.has_cancelled and snapshots.is_covered(snapshot, name):
            return True
        # A pass of `conflate` has sent it the newest since `due`: nothing older may follow.
        is_passed = snapshot.is_passed and last >= finding.due
        keyframe = None
        if low < until and not is_passed:
            keyframe = self._keyframes.last_before(topic_id, until)
        if keyframe is not None and keyframe >= low and finding.room > 0:
            finding.floors[name] = keyframe
            finding.room -= 1
        elif last < until and values.is_keyframe(place, last):
            if not is_passed:
                finding.alone.append(place)
        elif last >= self._log.head() and finding.tries < TRIES_MAX:
            return False
        elif last < until or not self._comes(topic_id, member, finding):
            if values.last[place] != last and finding.tries < TRIES_MAX:
                return False  # it has changed meanwhile, or was never committed
            finding.lose(max(finding.due - 1, 0) if is_passed else last)
            self._want(name)
        return True

    def _is_listed(self, place: int, topic_id: int, snapshot: Snapshot) -> bool:
        """Whether a place is that of the topic for which it was listed.

        If not, that one was forgotten, or its place was given away: perhaps to a topic that the
        member does not want, and whose name others have had looked up since.
        """
        assert snapshot.listing is not None
        return self._names.is_of(place, topic_id, snapshot.listing.changes)

    def _comes(self, topic_id: int, member: Member, finding: Finding) -> bool:
        """Whether what it is sent of a topic from then on begins with a keyframe.

        It may have had to jump beyond: then the log is not kept for it from there on.
        """
        if finding.is_asked_for or not finding.until:
            return True
        if finding.comes is None:
            first = max(finding.until, member.sequence)
            ids = self._log.topic_ids(first, min(self._log.head(), first + COMING))
            finding.comes = {one & ~KEYFRAME: one >= KEYFRAME for one in reversed(ids)}
        return finding.comes.get(topic_id, False)

    def _end(self, member: Member, snapshot: Snapshot, finding: Finding) -> None:
        """Have it sent what was found."""
        floors, until = finding.floors, finding.until
        # Its values are as of where it is, beyond where they were due if it has jumped.
        snapshot.is_found = True
        for place in finding.alone:
            snapshot.alone.add(place)
        snapshot.finding, snapshot.due = None, finding.due if snapshot.is_passed else until
        if finding.first < until:
            low = self._pump.end_hold(member, until)
            for name in [name for name, floor in floors.items() if floor < low]:
                finding.lose(floors.pop(name), until)  # it has jumped beyond it meanwhile
                self._want(name)
            if floors:
                snapshot.before = member.sent
                chain = Chain(floors, member.encoding)
                self._pump.chain(member, min(floors.values()), until, chain)
        if finding.lost:
            self._tell(member, finding)
        self._pump.backlog.turned(member)

    def _tell(self, member: Member, finding: Finding) -> None:
        self._pump.totals.keyframes_lost += finding.lost
        if member.gaps is not None:
            gap = Gap(finding.lowest, finding.highest, 0, NO_KEYFRAME)
            member.gaps.note(gap, finding.until)
