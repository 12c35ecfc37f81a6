"""The publisher is dead: workers deliver what is committed, within a bound, and end."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from fanout.control.messages import Evict
from fanout.control.takeover import Release
from tests.simulation.kernel import ESTABLISHED
from tests.simulation.takeovers.chances import MILLISECOND
from tests.simulation.takeovers.dying import PublisherDied
from tests.simulation.takeovers.half_closed import may_have_left
from tests.simulation.takeovers.settling import Settling
from tests.simulation.takeovers.society import EVERYTHING
from tests.simulation.violated import require

if TYPE_CHECKING:
    from tests.simulation.takeovers.processes import Process
    from tests.simulation.takeovers.subscriber import Subscriber

# What is promised, written down once more.
BOUND = 300 * MILLISECOND  # for deliveries; then everything is closed
TICK = 100 * MILLISECOND  # in which a worker looks at the clock
BUSY = 20_000  # ns that pass in a round in which somebody has something to do
WAITING = TICK // 10  # in one at most in which nothing moves, though somebody is behind
IDLE = 20 * MILLISECOND  # else
CLOSED_OVER = 3_600.0  # seconds over which a publisher may be closed just then


class Orphaned(Settling):
    """From the publisher's death to the end of the last worker."""

    def _cancel(self) -> None:
        """The task of a worker is cancelled, which nobody should notice."""
        process = self._process()
        if process is not None and not process.is_busy:
            process.cancel()

    def _be_orphaned(self) -> None:
        """Nobody supervises any more: everybody must get what is committed, and an end."""
        if not self.last.is_over and self.past.random() < 0.6:  # it is just being closed
            with suppress(PublisherDied):
                self.coordinator.finish(CLOSED_OVER)
        self.last.end()
        self.is_calm = True
        self.publisher.cut_off()
        living = [one for one in self.coordinator.processes.values() if one.fate.is_alive]
        for process in living:
            process.fate.spare()
            process.is_stopped = False
        for subscriber in self.subscribers.values():
            subscriber.hurries = True
            subscriber.is_stalled |= self.past.random() < 0.1  # so its worker waits to the end
        owed = self._owed(living)
        self._leave_descriptors(living)
        self._see_the_end_of_it(living)
        for one in self.subscribers.values():
            self._require_all_of_it(one, owed)
            self.deliveries += one.got
        self.orphaned += len(owed)

    def _owed(self, living: list[Process]) -> set[int]:
        """Who is served, reads, and is not just on its way to somewhere else."""
        owed = set()
        for process in living:
            said = {
                message.subscriber
                for messages in process.channel.coming
                for message, _descriptors in messages
                if isinstance(message, Release | Evict)
            }
            ready = {one.id for one in process.worker.desk.peers.values() if one.ready}
            owed |= (ready - said) & self.subscribers.keys()
        for number, one in self.subscribers.items():
            is_open = one.connection.state == ESTABLISHED or one.is_half_closed
            has_left = one.is_leaving or not is_open or may_have_left(one)
            if one.is_stalled or has_left or any(has.max_rate for has in one.chosen.known):
                owed.discard(number)  # a rate is kept to, at the end as ever
                continue
            one.connection.send_buffer = one.connection.peer_buffer = EVERYTHING
        return owed

    def _leave_descriptors(self, living: list[Process]) -> None:
        """The system closes what the publisher has had; what is on its way to a worker stays."""
        for process in living:
            process.channel.hang_up()
            for messages in process.channel.coming:
                for _message, descriptors in messages:
                    self.machine.owner.update(dict.fromkeys(descriptors, process))
        self.machine.close_all(self.coordinator)
        held = set(map(id, self.machine.open.values()))
        for one in self.subscribers.values():
            if id(one.connection) not in held:
                one.connection.break_off()

    def _see_the_end_of_it(self, living: list[Process]) -> None:
        died, head, number = self.now, self.publisher.head, 0
        pause, before = BUSY, self._moved(living)
        for process in living:
            if self.past.random() < 0.5:  # else it finds its channel closed first
                process.be_told()
        while left := [one for one in living if one.fate.is_alive]:
            number += 1
            for one in list(self.subscribers.values()):
                one.send(EVERYTHING)
                while not one.is_stalled and (one.connection.acknowledge() or one.read(EVERYTHING)):
                    pass
            for process in left:
                if number % 8 == 7:
                    process.tick()
                process.turn()
            # Twice as long after each round without effect: what is left to wait for is time.
            pause = BUSY if before != (before := self._moved(living)) else min(2 * pause, WAITING)
            self.now += pause if any(one.is_behind(head) for one in left) else IDLE
            overdue = self.now > died + BOUND + TICK
            require(not overdue, f"workers {[one.index for one in left]} go on without a publisher")

    def _moved(self, living: list[Process]) -> list[tuple[int, ...]]:
        """All that moves: where workers stand, and what has come and gone of each connection."""
        ends = [(one, one.connection) for one in self.subscribers.values()]
        return [
            *((one.worker.pump.front, one.fate.is_alive) for one in living),
            *((to.acked, to.received, len(to.unread), one.read_bytes) for one, to in ends),
        ]

    def _require_all_of_it(self, one: Subscriber, owed: set[int]) -> None:
        """It has got what was committed, and not a byte of anything else.

        Who is over the limits of `disconnect` as the publisher dies is closed for that, as ever.
        """
        one.take_the_rest()
        if one.number in owed and not one.missing.may_part(one.place):
            missing = one.lacks_of_log(self.publisher.head)
            require(not missing, f"{one.number} has not got {missing}, and the publisher is dead")
