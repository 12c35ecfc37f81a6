"""Publisher, workers, coordinator and subscribers, who have their turns; also in between."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from fanout.shm.layout import Layout
from tests.simulation.catching_up import Log
from tests.simulation.policies import Rules
from tests.simulation.takeovers.chances import LOG_BYTES, MILLISECOND, SIZES, Chances
from tests.simulation.takeovers.dying import PublisherDied
from tests.simulation.takeovers.excuses import Excuses
from tests.simulation.takeovers.fate import BESIDE
from tests.simulation.takeovers.machine import Machine
from tests.simulation.takeovers.missing import House
from tests.simulation.takeovers.published import Publisher
from tests.simulation.takeovers.sealed import Boxes
from tests.simulation.takeovers.shown import ValuedPublisher

if TYPE_CHECKING:
    from fanout.terms.slow_policy import SlowPolicy
    from tests.simulation.kernel import Connection
    from tests.simulation.takeovers.coordinator import Coordinator
    from tests.simulation.takeovers.processes import Process
    from tests.simulation.takeovers.subscriber import Subscriber

EVERYTHING = 1 << 30


class Society(Chances):
    """All that there are, and their turns.

    Attributes:
        coordinator: is set by who makes it.
        excuses: for connections that end.
        boxes: of those with CURVE.
        looked: when the coordinator has looked at the log, and at which message that ended then.
    """

    coordinator: Coordinator

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        rng = self.rng
        self.machine = Machine(self._network)
        self.publisher = self._publisher()
        self.house = self._house()
        self.subscribers: dict[int, Subscriber] = {}
        self._busy = [rng.choice((1, 1, 6)) for _ in range(self.seats)]  # how often it has a turn
        self._not_resumed = 0
        self.excuses = Excuses()
        self.boxes = Boxes()
        self.looked: list[tuple[int, int]] = []
        self._is_between = self._is_publishing = False
        self._hanging: list[Process] = []

    def _publisher(self) -> Publisher:
        rng = self.rng
        sizes = rng.choice(SIZES)
        kind = ValuedPublisher if self.shows else Publisher
        made = kind(
            *(self.segment, self.seats, rng, sizes, self._beside_the_publisher, lambda: self.now),
            cut=self._cut,
            interruptible=rng.choice((0.0, 0.0, 0.0, 0.03)),
        )
        made.looks_again = self.late > 0
        made.is_held = self.is_held
        if self.dies:
            made.name_stores(self.segment, self.last.point)
        return made

    def _house(self) -> House:
        """What all subscribers have in common."""
        most, entries = self.options.self_service_bound, Layout.for_options(LOG_BYTES, 1).entries
        most = replace(
            most,
            limit_bytes=most.limit_bytes or LOG_BYTES // 2,
            limit_messages=most.limit_messages or entries // 2,
        )

        def rules(policy: SlowPolicy) -> Rules:
            return Rules(policy, LOG_BYTES, self.entries)

        log = Log(LOG_BYTES, self.entries, self.options.replay_limit)
        return House(self.publisher, self.policy, most, rules, lambda: self.now, log)

    # Their turns.

    def coordinator_turn(self) -> None:
        self.coordinator.turn()

    def _publish(self) -> None:
        if self._is_publishing or self.last.is_over:
            return
        self._is_publishing = True
        with suppress(PublisherDied):
            self.publisher.publish()
        self._is_publishing = False

    def _process(self) -> Process | None:
        found = [one for one in self.coordinator.processes.values() if one.works]
        if not found:
            return None
        return self.rng.choices(found, [self._busy[one.index] for one in found])[0]

    def _turn(self) -> None:
        process = self._process()
        if process is not None:
            if self.rng.random() < 0.8:
                process.turn()
            else:
                process.sending_turn()

    def _tick(self) -> None:
        process = self._process()
        if process is not None:
            self.now += self.rng.choice((0, 100, 600)) * MILLISECOND
            process.tick()

    def _turns(self) -> None:
        """Everybody has a turn."""
        self.coordinator.turn()
        for subscriber in self.subscribers.values():
            subscriber.send(EVERYTHING)
        for process in list(self.coordinator.processes.values()):
            process.turn()
        self._drain()

    def _drain(self) -> None:
        """Some of the network's work, and some of what subscribers do."""
        rng = self.rng
        for subscriber in self.subscribers.values():
            if rng.random() < 0.7:
                subscriber.send(rng.choice((1, 5, 40, EVERYTHING)))
            if subscriber.is_stalled:
                continue
            if rng.random() < 0.6:
                subscriber.connection.acknowledge(rng.choice((1, 30, 2_000, EVERYTHING)))
            if rng.random() < 0.6:
                subscriber.read(rng.choice((10, 1_000, EVERYTHING)))

    def _some(self) -> Subscriber | None:
        found = list(self.subscribers.values())
        return self.rng.choice(found) if found else None

    def _pass_time(self) -> None:
        self.now += self.rng.choice((1, 100, 700)) * MILLISECOND

    def _network(self, connection: Connection) -> None:
        """In the middle of a system call, something comes or is acknowledged."""
        if self.rng.random() < 0.3:
            connection.acknowledge(self.rng.choice((1, 30, 2_000, EVERYTHING)))

    # Others have their turn in the middle of what somebody does.

    def between(self, process: Process) -> None:
        """A worker is between two steps."""
        if self._is_between or self.is_calm or self.rng.random() >= self.eager:
            return
        self._is_between = True
        if self.rng.random() < 0.8:
            self._publish()
        else:
            self._drain()
        self._is_between = False

    def beside_the_coordinator(self, name: str) -> None:
        """The coordinator is about to store this; a worker may die meanwhile."""
        if self.is_calm or self.rng.random() >= 10 * self.eager:
            return
        before = self.kills.total()
        self.rng.choice((self._publish, self._turn))()
        self.kills[f"{BESIDE}: {name}"] += self.kills.total() > before

    def _beside_the_publisher(self) -> None:
        """The publisher is between two looks."""
        if self.is_calm or self.rng.random() >= self.eager:
            return
        self.rng.choice((self.coordinator.turn, self._turn))()

    def _cut(self, head: int) -> None:
        """Nothing was published from this message on, though it looked like that."""
        for subscriber in self.subscribers.values():
            subscriber.cut(head)
