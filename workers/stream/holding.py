"""Holding: how far the publisher may go, for members with limits that it is to wait for. Pure.

It commits messages before anybody knows who wants them. So they are all taken for wanted: a member
for which so many more may wait leaves that much credit, and when it is looked at later, and it is
known what it wanted, there is more. Who is at a limit leaves none until it is well below it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from fanout.shm.credit import FREE, NO_ROOM, UNBOUNDED, USED_UP, Credit
from fanout.workers.policy.block import Block
from fanout.workers.policy.dues import Dues
from fanout.workers.policy.limits import NONE
from fanout.workers.stream.member import HELD, LOST

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from fanout.shm.reader import LogReader
    from fanout.workers.policy.limits import Lag
    from fanout.workers.stream.lags import Lags
    from fanout.workers.stream.member import Member


# Of what is free in the buffer of a socket, so much is surely taken: there is overhead there.
ROOM_PART = 3 / 4
KEPT_PART = 7 / 8  # what was said before is not taken back as long as it is no more than this
ROOMS_MAX = 64  # members that are asked in a turn: it is a system call for each
# What sockets take matters to who may commit no more than a limit before the next turn. So they are
# asked if as much as 1/8 of one has come in a turn, and for so many more turns with anything new.
NEAR_PART = 8
QUIET_TURNS = 64


class Allowance(NamedTuple):
    """What a worker says to the publisher.

    Attributes:
        subscriber: for whom it is to wait; 0 = for nobody.
        credit: how far it may go.
        is_final: whether everybody was looked at: else it may be found to be less.
    """

    subscriber: int
    credit: Credit
    is_final: bool


NOBODY = Allowance(0, FREE, is_final=True)  # is to be waited for


class Holding:
    """Remembers who was found to be at a limit, until that is so no more, and what others leave.

    Those who are at a limit hold the publisher up together: so after each turn only one of them is
    looked at, as long as there is one. What others leave that are blocked is known from when they
    were looked at; those who have everything leave a whole limit.

    Args:
        log: where the messages are.
        blocked: who has anything to be sent.
    """

    def __init__(self, log: LogReader, blocked: Collection[Member]) -> None:
        self._log = log
        self._blocked = blocked
        self._members: dict[Member, None] = {}
        self._limited: dict[Member, Credit] = {}  # what is left to each if nothing waits for it
        self._wholes: Counter[Credit] = Counter()
        self._whole = FREE  # the least of these
        self._by_sequence: Dues[Member] = Dues()
        self._by_position: Dues[Member] = Dues()
        self._room = 0  # position up to which their sockets take it
        self._seen = 0, 0  # message and position where the last look was
        self._quiet = 0  # turns since then in which little came

    def __contains__(self, member: Member) -> bool:
        return member in self._members

    @property
    def has_any(self) -> bool:
        """Whether there is anybody with limits."""
        return bool(self._limited or self._members)

    def obey(self, member: Member) -> None:
        """The publisher is to wait for it as its policy says, from now on."""
        self._forget(member)
        policy = member.policy
        if isinstance(policy, Block) and (policy.limits.messages, policy.limits.bytes) != (
            NONE,
            NONE,
        ):
            whole = Credit(
                *(min(one + 1, UNBOUNDED) for one in (policy.limits.messages, policy.limits.bytes))
            )
            self._limited[member] = whole
            self._quiet = 0
            self._wholes[whole] += 1
            self._find_whole()

    def add(self, member: Member) -> None:
        """It was found to be at a limit."""
        self._members[member] = None

    def discard(self, member: Member) -> None:
        """It is gone."""
        self._members.pop(member, None)
        self._forget(member)

    def watch(self, member: Member, lag: Lag, front: int) -> None:
        """A blocked member is so far behind.

        If it is held, nobody knows what it wanted of what came since: it may have been everything.
        """
        if member not in self._limited or member in self._members:
            return
        limits, is_held = member.policy.limits, member.state is HELD
        messages = lag.log_messages if is_held else lag.messages
        size = lag.log_bytes if is_held else lag.bytes
        if limits.messages != NONE:
            self._by_sequence.add(front + limits.messages + 1 - messages, member)
        if limits.bytes != NONE:
            self._by_position.add(self._log.start_of(front) + limits.bytes + 1 - size, member)

    def allowed(
        self, lags: Lags, front: int, served: int, now: int, unseen: Iterable[Member]
    ) -> Allowance:
        """For whom the publisher is to wait, and how far it may go.

        Args:
            served: the message below which who is ready has got everything.
            unseen: blocked members that are still to be looked at.
        """
        if holder := self.held_by(lags, front, now):
            return Allowance(holder, USED_UP, is_final=True)
        is_final = self._limited.keys().isdisjoint(unseen)
        return Allowance(0, self.credit(served), is_final)

    def held_by(self, lags: Lags, front: int, now: int) -> int:
        """For whom the publisher is to wait: one of those at a limit; 0 = for nobody."""
        while self._members:
            member = next(iter(self._members))
            if self.is_held_by(member, lags, front, now):
                return member.id
            del self._members[member]
            if member in self._blocked and member in self._limited:
                self.watch(member, lags.of(member, member.policy.limits, front, now), front)
        return 0

    def is_held_by(self, member: Member, lags: Lags, front: int, now: int) -> bool:
        """Whether it is still to wait for one of them."""
        policy = member.policy
        if not isinstance(policy, Block) or member not in self._blocked or member.state is LOST:
            return False
        return lags.exceeds(member, policy.resume, front, now)

    def credit(self, served: int) -> Credit:
        """How far the publisher may go, if it waits for nobody.

        Args:
            served: the message below which who is ready has got everything.
        """
        whole, start = self._whole, self._log.start_of(served)
        return Credit(
            min(served + whole.sequence, self._first(self._by_sequence), UNBOUNDED),
            min(start + whole.position, self._first(self._by_position), UNBOUNDED),
            self._find_room(served, start) if self._limited else UNBOUNDED,
        )

    def _find_room(self, served: int, start: int) -> int:
        """Up to where the sockets of all of them take what comes from there on.

        So that does not come to wait for them: it counts as little as what was sent.
        """
        free, is_near = 0, self._is_near(served, start)
        is_few = is_near and len(self._limited) <= ROOMS_MAX
        if is_few and self._limited.keys().isdisjoint(self._blocked):
            free = min(map(_free, self._limited))
        if self._room - start > free * KEPT_PART or not free:
            self._room = 0
        self._room = max(self._room, start + int(free * ROOM_PART), NO_ROOM)
        return self._room

    def _is_near(self, served: int, start: int) -> bool:
        """Whether so much has come that a limit alone may be too little until the next turn."""
        messages, size = served - self._seen[0], start - self._seen[1]
        self._seen = served, start
        whole = self._whole
        if messages * NEAR_PART >= whole.sequence or size * NEAR_PART >= whole.position:
            self._quiet = 0
        elif messages:
            self._quiet += 1
        return self._quiet < QUIET_TURNS

    def _first(self, dues: Dues[Member]) -> int:
        while (entry := dues.first()) is not None:
            due, member = entry
            if member in self._blocked and member in self._limited and member.state is not LOST:
                return due
            dues.forget_first()
            if member not in self._blocked:
                member.watch = 0  # it has got everything, and is looked at when it blocks again
        dues.sweep(len(self._limited))
        return UNBOUNDED

    def _forget(self, member: Member) -> None:
        whole = self._limited.pop(member, None)
        if whole is not None:
            self._wholes[whole] -= 1
            self._find_whole()

    def _find_whole(self) -> None:
        self._wholes = +self._wholes
        whole = self._wholes
        self._whole = Credit(*(min(left) for left in zip(*whole, strict=True))) if whole else FREE


def _free(member: Member) -> int:
    """Bytes of the log that its socket has room for."""
    is_plain = member.encoding is None and member.sealed is None and not member.policy.max_rate
    return member.free() if is_plain else 0
