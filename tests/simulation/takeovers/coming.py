"""Subscribers come, say something, stall and leave."""

from __future__ import annotations

from tests.simulation.catching_up import CatchingUp, random_since
from tests.simulation.kernel import Connection
from tests.simulation.peers import PREFIXES
from tests.simulation.policies import random_policy
from tests.simulation.takeovers.chances import POLICIES, RARE_FROM, SLOTS
from tests.simulation.takeovers.half_closed import TimedConnection
from tests.simulation.takeovers.hearing import Hearing
from tests.simulation.takeovers.sealed import SealedSubscriber
from tests.simulation.takeovers.shown import ShownSubscriber
from tests.simulation.takeovers.subscriber import Subscriber
from tests.simulation.unix_kernel import UnixConnection


class Coming(Hearing):
    """What subscribers do, and the program with them."""

    def _connect(self) -> None:
        if self.coordinator.state.supervision.ready:
            self.coordinator.accept(self._subscriber)

    def _subscriber(self, number: int) -> Subscriber:
        rng = self.rng
        kind = UnixConnection if self.own.random() < self.unix else Connection
        sizes = (
            rng.choice((50, 700, 5_000, 40_000)),
            rng.choice((1_000, 100_000)),
            rng.choice((1, 100, 3_000, 50_000)),
        )
        if self.halves and kind is Connection:
            connection: Connection = TimedConnection(lambda: self.now, *sizes)
        else:
            connection = kind(*sizes)
        if isinstance(connection, UnixConnection):
            connection.refuses = self.refuses
        legacy = rng.random() < 0.1
        made = self._made(number, connection, legacy=legacy)
        if rng.random() < 0.5:
            made.talk()
        self.subscribers[number] = made
        return made

    def _made(self, number: int, connection: Connection, *, legacy: bool) -> Subscriber:
        rng, clock = self.past, self.coordinator.clock
        who = number, connection, self.house, self.rng, clock
        if self.shows:
            prefix, is_told = rng.choice((b"", *PREFIXES)), rng.random() < 0.3
            return ShownSubscriber(
                *who,
                legacy=legacy,
                chatty=0.0,
                prefix=prefix,
                is_told=is_told,
                in_parts=self.tuning.show.listed_max < 0,
            )
        if self.seals and not legacy:
            return SealedSubscriber(*who, boxes=self.boxes, rng=rng)
        catching_up = None if legacy else self._catching_up()
        return Subscriber(*who, legacy=legacy, chatty=self.chatty, catching_up=catching_up)

    def _catching_up(self) -> CatchingUp | None:
        """Somebody has missed something, perhaps."""
        rng, publisher = self.past, self.publisher
        if rng.random() >= self.late:
            return None
        since = random_since(rng, publisher.head)
        return CatchingUp(publisher, self.house.log, since, rng.choice((b"", *PREFIXES)))

    def _stall(self) -> None:
        subscriber = self._some()
        if subscriber is not None:
            subscriber.is_stalled = not subscriber.is_stalled

    def _end_a_side(self) -> None:
        subscriber = self._some()
        if self.seals:  # most of them are in their handshake, which takes longer
            everybody = self.subscribers.values()
            welcome = [one for one in everybody if one.is_welcome and not one.is_half_closed]
            subscriber = welcome[0] if welcome else None
        if subscriber is not None and isinstance(subscriber.connection, TimedConnection):
            subscriber.end_its_side()

    def _leave(self) -> None:
        subscriber = self._some()
        if subscriber is not None:
            subscriber.leave()

    def _storm(self) -> None:
        """Some leave, and as many connect as may."""
        for subscriber in self.subscribers.values():
            if self.rng.random() < 0.3:
                subscriber.leave()
        for _ in range(SLOTS):
            self._connect()

    def _choose(self) -> None:
        subscriber = self._some()
        if subscriber is not None and subscriber.is_welcome:
            policy = self.rng.choice((*POLICIES, random_policy(self.rng), None))
            subscriber.chosen.call(policy)
            self.coordinator.call(subscriber.number, policy)

    def _move(self) -> None:
        subscriber = self._some()
        if subscriber is not None:
            self.coordinator.move(subscriber.number, self._target())

    def _target(self) -> int:
        """A worker to which somebody is moved; it need not serve, but where that matters."""
        if self.seed >= RARE_FROM and self.coordinator.processes:
            return self.rng.choice(list(self.coordinator.processes))
        return self.rng.randrange(self.seats)
