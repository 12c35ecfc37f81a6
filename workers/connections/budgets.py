"""Budgets: how much of a worker strangers may take by what they say. Pure.

What a peer says costs the worker time, and the coordinator too if it is a change of subscriptions:
time that others wait. Two budgets bound that, both in nanoseconds of CPU. One is each peer's own: a
long list at the beginning is within it, talking for ever is not, and talking of anything but
subscriptions is not for long. The other is that of all together, while there are messages to send:
however many they are, who only listens gets his messages.

Nothing that is said is lost: who is over its budget is left unread for a while, and what it says
waits in its socket, and then at its own side. What is missing of such a budget when the connection
ends is owed by its address, so that to come again does not bring a new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.shm.prefix_table import SHORT_MAX, weight
from fanout.terms.peer_budget import ALWAYS_NS, PEER_BURST_NS, PEER_PART, TALK_BURST_NS

if TYPE_CHECKING:
    from collections.abc import Collection

MS = 1_000_000  # ns

# Of one peer, beside what the coordinator knows of as well.
READ_NS = 20_000  # for each read, beside what is measured: the turn of the loop around it
# For each report of a change: what it costs the coordinator, and the publisher's process with it.
REPORT_NS = 50_000
# For each short prefix in a report: the coordinator enters it, and will take it out one day.
REPORT_EACH_NS = 3_000

# Of all peers together.
# Of reading in one turn: messages that come in meanwhile wait for no longer. Each turn sends to all
# for whom there is something, so that a storm takes the less the fewer turns it is read in.
TURN_NS = 6 * MS
# Reading anything but subscriptions counts for what it takes and 1 / `TALK_PART` of that, so that
# 4 ms of it use up the 6 ms of a turn.
TALK_PART = 2
# When everything but reading took longer than `TURN_NS` in a turn, reading may take as long in the
# next one. Otherwise it would get a tenth of the worker, and newcomers would wait for subscribers
# that are there already. This is the most that it may take:
TURN_MAX_NS = 8 * MS
# Of a turn's time, set aside for each prefix that was read: to apply it, after all of them are
# read. That is what it takes when many subscribe at once (1.0 to 1.15 us; 0.7 when one does alone).
# More than is needed would make turns shorter, and so there would have to be more of them.
APPLY_NS = 1_200
IDLE_APPLY_NS = 1_000  # while there is nothing to send: turns with more in them take less in all
BUSY_PART = 2  # 1/2 of the worker while there is something to send, the other half is for that
BUSY_BURST_NS = TURN_MAX_NS  # saved up at most, and owed

# How much is read from one peer at once.
READ_BYTES_MIN = 1024
READ_BYTES_FIRST = 16 * 1024  # of frames without anything in them, some milliseconds
# Of a list of subscriptions, from the first on, unless its peer has taken too long before. What is
# such a list is guessed by what most of it is: the rest may be frames as above, half as many more.
LIST_BYTES = 32 * 1024
READ_BYTES_MAX = 64 * 1024  # some thousand subscriptions: each read is a turn and a report
READ_AIM_NS = MS  # it should take no longer: that is the step in which the others are kept

NAMED_EACH_NS = 10_000 * MS  # who goes on and on is named once in so long


def report_cost(prefixes: Collection[bytes]) -> int:
    """What the coordinator has of a report of these, in ns."""
    if max(map(len, prefixes), default=0) <= SHORT_MAX:  # nearly always, and much faster
        return REPORT_NS + REPORT_EACH_NS * len(prefixes)
    long = sum([len(prefix) > SHORT_MAX for prefix in prefixes])  # not on the first level
    return REPORT_NS + REPORT_EACH_NS * (weight(prefixes) + long)


class Budget:
    """What one peer may still take.

    Its mutable state: what is left, in all and for talk, as of when, whether what is missing is
    owed, how much is read at once, and when it was named.

    Args:
        now: monotonic ns.
        debt: ns that its address owes from connections before it.

    Attributes:
        read_bytes: how much to read from it at once.
    """

    __slots__ = ("_at", "_has_debt", "_left", "_named_at", "_talk_left", "read_bytes")

    def __init__(self, now: int, debt: int = 0) -> None:
        self._left = PEER_BURST_NS - debt
        self._talk_left = max(ALWAYS_NS, TALK_BURST_NS - debt)
        self._has_debt = debt > 0
        self._at = now
        self._named_at: int | None = None
        self.read_bytes = READ_BYTES_FIRST

    def spend(self, cost: int, now: int, *, is_talk: bool = False) -> int:
        """It has taken so many ns; returns after how many it may be read again, 0 = at once.

        Args:
            is_talk: it has not changed its subscriptions by that.
        """
        earned = (now - self._at) // PEER_PART
        self._at += earned * PEER_PART
        left, talk_left = self._left + earned, self._talk_left + earned
        self._left = left = (left if left < PEER_BURST_NS else PEER_BURST_NS) - cost
        talk_left = talk_left if talk_left < TALK_BURST_NS else TALK_BURST_NS
        if is_talk:
            talk_left -= cost
            left = left if left < talk_left else talk_left
        self._talk_left = talk_left
        if left >= 0:
            return 0
        self._has_debt = True
        return -left * PEER_PART

    def debt(self, now: int) -> int:
        """What its address owes if it ends now, in ns: all that is missing of it.

        That is so if it was ever over, or began with a debt. Else it is nothing: what a handshake
        and a list have cost is no debt, however many come with theirs at once, and again.
        """
        if not self._has_debt:
            return 0
        self.spend(0, now)
        return PEER_BURST_NS - self._left

    def learn(self, size: int, cost: int) -> None:
        """To read so many bytes at once has taken so many ns."""
        if cost > 2 * READ_AIM_NS:
            self.read_bytes = max(READ_BYTES_MIN, self.read_bytes // 2)
        elif size >= self.read_bytes and cost < READ_AIM_NS // 2:
            self.read_bytes = min(READ_BYTES_MAX, self.read_bytes * 2)

    def is_to_be_named(self, now: int) -> bool:
        """Whether to tell that it is over its budget; if so, not again for a while."""
        if self._named_at is not None and now - self._named_at < NAMED_EACH_NS:
            return False
        self._named_at = now
        return True


class Share:
    """What all peers together may still take; its mutable state.

    Args:
        now: monotonic ns.
    """

    def __init__(self, now: int) -> None:
        self._left = BUSY_BURST_NS
        self._at = now

    def left(self, now: int, busy: bool, others: int = 0) -> int:
        """For how many ns to read in this turn; not at all if that is not above 0.

        Args:
            busy: there is something to send.
            others: ns that everything else has taken since the last turn's reading.
        """
        left = self._left + (now - self._at) // BUSY_PART
        self._at = now
        self._left = left = left if left < BUSY_BURST_NS else BUSY_BURST_NS
        most = TURN_NS if others <= TURN_NS else min(TURN_MAX_NS, others)
        return left if busy and left < most else most

    def spend(self, cost: int) -> None:
        """Reading has taken so many ns; what was not counted as busy leaves no debt."""
        self._left = max(-BUSY_BURST_NS, self._left - cost)
