"""What comes to be known of who dies, what is reported, and how connections end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.control.messages import Closed, Connected
from fanout.control.takeover import Released, Resume, Resumed
from fanout.reasons import Reason
from tests.simulation.takeovers.ends import may_end, require_final
from tests.simulation.takeovers.society import Society
from tests.simulation.violated import require

if TYPE_CHECKING:
    from fanout.control.messages import Message, Subscriptions
    from tests.simulation.takeovers.processes import Process
    from tests.simulation.takeovers.subscriber import Subscriber

SIGKILL = -9


class Hearing(Society):
    """Passes on what is heard to who checks it."""

    def died(self, process: Process) -> None:
        """The system does what it does for who is dead."""
        process.fate.is_alive = False
        excuses = self.excuses
        excuses.going_back |= process.going_back
        served = set(self.coordinator.served_by(process.index))
        for number, subscriber in self.subscribers.items():
            connection = subscriber.connection
            if number in served:
                excuses.keyless.add(number)
            if connection is process.sends_to:
                excuses.unsure.add(number)
            if connection is process.takes_from and self.refuses:
                excuses.untold.add(number)
            if connection in process.unheard:
                excuses.unheard.add(number)
        for number in process.served:
            if number in self.subscribers:  # others know what was reported, and no more
                self.subscribers[number].missing.release()
        for messages in process.channel.coming:
            for _message, descriptors in messages:
                for descriptor in descriptors:
                    self.machine.owner[descriptor] = process
        process.channel.coming.clear()
        self.machine.close_all(process)
        process.drop()

    def ended(self, process: Process) -> None:
        """The coordinator has seen the end of a process."""
        if process.code == SIGKILL and not process.is_condemned:
            return
        suspects = self.coordinator.served_by(process.index)
        if process.goes_on_with is not None:  # it is known who it was
            suspects = [one for one in suspects if one == process.goes_on_with]
        self.excuses.ended_by_itself(suspects, self.coordinator.clock)

    def goes_on(self, number: int) -> None:
        """A worker goes on with somebody."""
        require(not self.excuses.ends_workers(number), f"{number} has ended too many workers")
        self.excuses.went_on(number)
        if number in self.subscribers:
            self.subscribers[number].missing.finishing.went_on()

    def reported(self, message: Subscriptions) -> None:
        """A change has left its worker."""
        subscriber = self.subscribers.get(message.subscriber)
        if subscriber is not None:
            subscriber.reported(message.sequence, message.added, message.cancelled)

    def promised(self, message: Subscriptions) -> None:
        """A worker has seen how far back it can send somebody what it has missed."""
        subscriber = self.subscribers.get(message.subscriber)
        if subscriber is not None and subscriber.catching_up is not None and message.added:
            subscriber.catching_up.promise()

    def has_waited(self, message: Subscriptions) -> None:
        """A report of a change could not go out at once."""
        subscriber = self.subscribers.get(message.subscriber)
        if subscriber is not None:
            subscriber.missing.hold(message.sequence, subscriber.reported_wants)

    def note_held(self, process: Process) -> None:
        """After a turn: of which of its subscribers the changes hold."""
        for number in process.not_held():
            if number in self.subscribers:
                self.subscribers[number].missing.release()

    def note_heard(self, process: Process) -> None:
        """After a turn in which all could be reported: what was taken is acted upon, if whole."""
        ones = self.subscribers.values()
        parts = {one.connection for one in ones if not one.is_taken_whole}
        process.unheard &= parts

    def heard(self, message: Message) -> None:
        """The coordinator reads this."""
        if isinstance(message, Connected) and message.subscriber in self.subscribers:
            self.subscribers[message.subscriber].is_welcome = True
        elif isinstance(message, Resumed):
            self.resumed += message.ok
        elif isinstance(message, Released):
            self.moved += message.ok

    def lost_on_the_way(self, message: Message) -> None:
        """It was for a worker that is dead, which was not known yet."""
        if isinstance(message, Resume):  # with what one would need to go on
            self.excuses.keyless.add(message.subscriber)

    def closed(self, number: int, closed: Closed) -> None:
        """A connection has ended, and there must be a reason."""
        subscriber = self.subscribers.pop(number)
        subscriber.take_the_rest()
        self.deliveries += subscriber.got
        require_final(subscriber, closed)
        if subscriber.is_leaving:
            return
        self.reasons[closed.reason] += 1
        self._require_counted(subscriber, closed)
        is_allowed = may_end(
            *(subscriber, closed),
            age=self.coordinator.clock - subscriber.came_at,
            excuses=self.excuses,
        )
        require(is_allowed, f"{number} is closed: {closed.reason}")

    def _require_counted(self, subscriber: Subscriber, closed: Closed) -> None:
        """All with whom nobody goes on are counted, when they are closed at the latest."""
        is_lost = Reason.of(closed.cause) is Reason.WORKER_LOST and subscriber.is_welcome
        self._not_resumed += is_lost
        counted = self.coordinator.state.ledger.not_resumed
        require(counted >= self._not_resumed, f"{counted} are counted of {self._not_resumed}")

    def is_memory_refused(self) -> bool:
        """The system has none for what is to be written to an area now."""
        return not self.is_calm and self.rng.random() < self.short
