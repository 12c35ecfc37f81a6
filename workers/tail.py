"""The tail: the one place that says what the log must keep for this worker. Shell.

The publisher overwrites what is below the smallest tail of all workers, and a worker that needs
nothing holds nothing back. So before it is said to anybody that he gets what comes from the front
on, the tail must be there, and the publisher know how far it may go with him: `protect_front()` and
`promise()`. Only for what was published before it goes back, and looks whether that is there:
`go_back()`. In all other cases the tail follows the members, once a turn: `publish()`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from fanout.shm import fence as fences
from fanout.shm.credit import USED_UP
from fanout.shm.worker_slot import NO_TAIL
from fanout.workers.stream.holding import NOBODY

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.shm.credit import Credit
    from fanout.workers.stream.pump import Pump
    from fanout.workers.surroundings import Surroundings

K = TypeVar("K")


class Tail(Generic[K]):
    """Writes the tail and the flushed word of a worker's slot.

    Args:
        pump: knows what its members need.
        fence: orders the store of the tail before the loads that follow, and behind those before.
        allow: tells the publisher how far it may go, and for whom it is to wait.
        skip: called when the front was brought on: nobody is charged for what others are sent.

    Attributes:
        promised: who was promised the messages from which one on, and has not become a member that
            needs them yet. Whoever keeps the promise removes the entry.
        replays: who was promised the messages from which one on, before the front; as above. If
            that lasts, the oldest are let go of.
        wanted: the tail that the publisher waited for when that was looked at last; 0 = none.
        catch_up: has those who are ready sent what was published, and says whether there was
            anything; set by who can.
    """

    catch_up: Callable[[], bool]

    def __init__(
        self,
        around: Surroundings,
        pump: Pump,
        fence: Callable[[], None],
        allow: Callable[[int, Credit, bool], None],
        skip: Callable[[], object] = lambda: None,
    ) -> None:
        self.promised: dict[K, int] = {}
        self.replays: dict[object, int] = {}
        self.wanted = 0
        self._has_promised = False  # in this turn
        self._around = around
        self._slot = around.slot
        self._header = around.header
        self._log = around.log
        self._pump = pump
        self._fence = fence
        self._allow = allow
        self._skip = skip

    def protect_front(self) -> None:
        """Make the log keep what comes from the front on."""
        pump = self._pump
        if not pump.needs_log and not self.promised:  # else the tail is there, or below
            # What is handed on, too: a drain() would else find nobody to wait for.
            self._slot.flushed = self._slot.tail = self._log.head()
            self._fence()
            pump.follow()

    def promise(self, who: K) -> int:
        """Promise the messages from the front on; returns that front.

        The front is brought on before: else who comes would be sent what was published before, that
        nobody wanted while this worker slept. But only once in a turn: to whom this one has
        promised something, he is not held yet.
        """
        if not self._has_promised and self._bring_on():
            self._skip()
        self._has_promised = True
        self.protect_front()
        front = self.promised[who] = self._pump.front
        self.announce()
        return front

    def _bring_on(self) -> bool:
        """Bring the front to where the log is, or to what somebody wants; whether it moved.

        If there are limits, the others are sent what they want before, and the publisher goes no
        further meanwhile: all that is left would wait for who comes.
        """
        pump = self._pump
        if not pump.holding.has_any:
            return pump.needs_log and pump.pass_by(self._log.head())
        self._allow(0, USED_UP, True)  # it shall go no further until it is known how far
        return pump.needs_log and self.catch_up()

    def announce(self) -> None:
        """Say how far the publisher may go."""
        pump = self._pump
        if pump.needs_log or self.promised:
            self._allow(*pump.allowed(self._around.now()))
        else:  # it may be anywhere
            self._allow(*NOBODY)

    def go_back(self, who: object, first: int) -> int:
        """Promise messages that were published before, from `first` on, to one that has a promise.

        The publisher does not wait for this, and may have overwritten them meanwhile. It says from
        where on it will not before it has looked at the tail; see `LogWriter.refresh()`.

        Returns:
            The message from which on the log keeps them.
        """
        slot, before = self._slot, self._slot.tail
        slot.tail = min(before, first)
        self._fence()
        first = self.replays[who] = max(first, self._header.floor)
        slot.tail = min(before, first)
        return first

    def publish(self) -> None:
        """Say what the members need now, and wake the publisher if that is what it waits for."""
        pump, slot = self._pump, self._slot
        self._has_promised = False
        tail = flushed = NO_TAIL
        if pump.needs_log:
            tail = pump.move_tail()
            flushed = pump.flushed()
        if self.replays:
            self._bound_replays()
            oldest = min(self.replays.values())
            tail, flushed = min(tail, oldest), min(flushed, oldest)
        slot.flushed = flushed
        if not fences.STORES_STAY_IN_ORDER:
            self._fence()  # what was read below the tail must have been read
        slot.tail = tail
        self.wanted = self._header.wanted
        if self.wanted:
            self.ring()

    def _bound_replays(self) -> None:
        """Of what was published before, those who wait to be sent it are promised no more than so.

        Its report waits for the coordinator, which may take long; and the publisher waits for
        nobody's past. Who is sent it already is behind like others, and judged by that.
        """
        oldest = min(self.replays.values())
        first = self._pump.replayed_from(oldest)
        if first > oldest:
            self.replays.update({who: max(one, first) for who, one in self.replays.items()})

    def ring(self) -> None:
        """Wake the publisher if what it waits for is there."""
        slot, wanted = self._slot, self.wanted
        if wanted and wanted != slot.wanted_seen and min(slot.tail, slot.resume) >= wanted:
            slot.wanted_seen = wanted
            self._around.ring_publisher()
