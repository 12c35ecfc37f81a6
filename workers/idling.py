"""Idling: what a worker does between turns when there is nothing to do. Shell.

It *sleeps* until the publisher rings. In a flood it *naps* instead, and looks again by itself. A
nap lets new messages accumulate. Members that are behind wait for room in their sockets and not for
new messages: they are served during a nap as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.basics.units import NS
from fanout.shm import fence
from fanout.shm.credit import FREE, USED_UP, least
from fanout.shm.fence import keep_order
from fanout.shm.worker_slot import HOLDS
from fanout.workers.naps import NAP_MIN

if TYPE_CHECKING:
    import select

    from fanout.shm.credit import Credit
    from fanout.workers.surroundings import Surroundings

GATHER = 0.00002  # seconds; as long as a turn takes beside its sends


class Idling:
    """Decides how a worker idles, and tells the publisher by its slot.

    Its mutable state: the number of the last sleep, when the nap ends that was interrupted (0 =
    none was), when the round began that takes several turns (0 = none does), and what is known of
    the flood.

    Args:
        write_set: has an event when a socket has room again, or the publisher has rung; a nap of
            a worker with blocked members is interrupted by it.
    """

    def __init__(self, around: Surroundings, write_set: select.epoll) -> None:
        self._around = around
        self._naps = around.naps()
        self._log = around.log
        self._slot = around.slot
        self._now = around.now
        self._write_set = write_set
        self.fence = fence.make_fence()
        self._nap_ends = 0  # monotonic ns
        self._round_began = 0  # monotonic ns
        self._holding = 0  # the subscriber for which the publisher waits
        self._credit = FREE  # how far it may go
        self._rung = USED_UP  # for which of these it was rung last, while it goes by less
        self._holds = False  # it goes by more
        self._is_left = False  # what is in the slot is how many more
        self._is_known = True  # it goes by as much, or has none to wait for here
        # Begin at the clock: no number of the slot's former worker comes again.
        self._sleeps = self._now()

    def wake(self) -> None:
        """The worker is awake: it need not be rung for, but while the publisher goes too far."""
        if self._holds:
            self._ask_to_be_rung()
        else:
            self._slot.wake()

    def allow(self, subscriber: int, credit: Credit, is_final: bool) -> None:
        """Have the publisher go so far, and say that it waits for this one, or nobody (0).

        If it goes by more, who commits next rings, and sees that it is to look. If it goes by less
        and waits, it is rung.

        Args:
            is_final: whether that is not more than it may be found to be.
        """
        slot, before = self._slot, self._credit
        if credit == before == FREE and self._is_known:  # as mostly
            return
        if not is_final:
            credit = least((before, credit))
        if subscriber != self._holding:
            slot.holding = self._holding = subscriber
        if credit != before or self._is_left:
            slot.credit = self._credit = credit
            self._is_left = False
            self.fence()
        known, had, end = self._around.header.known_credit, self._holds, self._log.length()[1]
        self._is_known = known.reaches(credit, end)
        if self._is_known:
            self._rung = USED_UP
        self._holds = not credit.reaches(known, end)
        if self._holds or had:
            self.wake()
        if self._around.header.wanted:
            self._naps.hurry()
        if credit != self._rung and not self._is_known and self._around.header.wanted:
            self._rung = credit
            self._around.ring_publisher()

    @property
    def is_awaited(self) -> bool:
        """Whether the publisher may wait for what this worker allows: then it does not nap."""
        return self._credit != FREE and self._around.header.wanted > 0

    def is_napping(self, now: int) -> bool:
        """Whether a nap was interrupted and goes on: new messages shall still accumulate."""
        return self._nap_ends - now >= NAP_MIN * NS

    def end_nap(self) -> None:
        """New messages are being sent: what is left of a nap that was interrupted is void."""
        self._nap_ends = 0

    def put_off(self, began: int) -> None:
        """It does not idle yet: the round under way goes on in the next turn.

        A nap after its last turn is as long as all of it demands. That turn may be a short one: the
        more subscribers had been served before it, the less would be sent to each at once.

        Args:
            began: when the turn that ends now began, monotonic ns.
        """
        self._round_began = self._round_began or began

    def nap(self, front: int, began: int, share: float, *, hurry: bool, blocked: bool) -> bool:
        """Let a little time pass if messages flood in; False, at once, if they do not.

        Args:
            began: when the turn that ends now began, monotonic ns.
            share: of the log's bytes that one send carries, above 0.0, up to 1.0.
            hurry: somebody waits for the next turn.
            blocked: so do members whose sockets are full, for room in them.
        """
        began, self._round_began = self._round_began or began, 0
        log, now = self._log, self._now()
        if not self._nap_ends:
            position = log.start_of(front)
            if not self._naps.learn(front, position, began):
                return False  # as mostly
            head, end = log.length()
            left = self._credit.minus(head, end)
            self._nap_ends = now + int(
                self._naps.pause(now - began, end - position, share, left) * NS
            )
        if hurry or not self.is_napping(now):
            self._nap_ends = 0
            return False
        self.wake()
        seconds = (self._nap_ends - now) / NS
        if blocked or self._credit != FREE:
            self._around.sleep(GATHER)  # what has an event by then shares one turn
            self._around.wait(self._write_set, seconds - GATHER)
        else:
            self._around.sleep(seconds)
        if not self.is_napping(self._now()):
            self._nap_ends = 0
        return True

    def sleep(self, front: int) -> bool:
        """Ask to be woken by the next commit; False if there has been one meanwhile.

        Only then is it said how much is left: that counts from wherever the log is, and so not what
        was committed before who commits would have rung. Nor while the coordinator has not acted on
        a report: who commits does not ring then for what is wanted by that.
        """
        self._ask_to_be_rung()
        self.fence()
        if self._log.head() != front:
            return False
        keep_order()
        if self._credit != FREE and not self._holds and self._around.is_heard:
            self._slot.credit = self._credit.left_at(front, self._log.start_of(front))
            self._is_left = True
        return True

    def _ask_to_be_rung(self) -> None:
        self._sleeps += 1
        self._slot.fall_asleep(self._sleeps | HOLDS if self._holds else self._sleeps)
