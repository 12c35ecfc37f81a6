"""A world in which workers die while they show something, and others go on with it.

What is real is more than in the other one: who goes on with whom, and what they are told, is up to
the coordinator's own code, as in `tests/simulation/takeovers/`. A model knows what its worker has
done; if that dies, it knows what a record says, and what is done again since.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fanout.control.messages import Connected, KeyframeWanted
from fanout.control.takeover import Resumed
from fanout.reasons import Reason
from fanout.shm.worker_slot import Tails
from tests.simulation.peers import Kind
from tests.simulation.shown.dying import DyingSocket, DyingWorker
from tests.simulation.shown.handed_on import HandedOn
from tests.simulation.shown.observing_takeovers import observe_takeovers
from tests.simulation.shown.publishing import SUBSCRIBERS_MAX
from tests.simulation.shown.world import ShownWorld
from tests.simulation.takeovers.coordinator import Coordinator
from tests.simulation.takeovers.dying import LastFate
from tests.simulation.takeovers.machine import Machine
from tests.simulation.takeovers.published import Looking
from tests.simulation.violated import Violated, require

if TYPE_CHECKING:
    from contextlib import ExitStack

    from fanout.control.messages import Closed, Subscriptions
    from fanout.control.messages import Message as Report
    from fanout.options import Options
    from tests.simulation.sockets import FakeSocket

CALM_TURNS = 5_000
NOBODY = -1
# What nobody can go on with, and why that is right; see docs/design/takeover.md.
EXCUSES = (
    "its worker had written no record of it",  # it was in its handshake
    "it was about to get what it missed",  # its report was out, and what it gets was not known
    "it was ending, or its bytes are not counted",  # its worker had begun to end it
)


class DyingWorld(ShownWorld):
    """One run.

    Attributes:
        machine: descriptors of connections.
        kills: how many workers have died, by the point at which they did.
        resumed: how many subscribers others went on with.
        closings: how many connections have ended, by the reason.
        is_calm: whether nobody dies any more.
    """

    kind = HandedOn
    viewers: dict[int, HandedOn]  # type: ignore[assignment]

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        rng = self.rng
        self.machine = Machine(lambda _connection: None)
        self.kills: Counter[str] = Counter()
        self.last = LastFate(rng, "", self.kills)  # the publisher's, which does not die here
        self.closings: Counter[str] = Counter()
        self.resumed = 0
        self.is_calm = False
        self.own, self.packets = rng, rng.choice((1, 3))
        self.prompt = rng.choice((0.5, 0.9, 1.0))
        self._welcome: set[int] = set()  # whose handshake is done
        self._depth = 0  # of what is noted when it is done
        self._recorded: set[int] = set()  # meanwhile
        self._deadly = rng.choice((1, 4, 12))
        self._doomed = rng.choice((0.1, 0.5))  # of those who come, that their worker dies soon
        self._newest = NOBODY
        self.looked: list[tuple[int, int]] = []  # when the coordinator has, and at which head
        self.publisher = self.writer  # as it knows it
        self._tails = Tails(self.segment, self.seats)
        looking: Any = Looking(self.segment.words, self._reader_step)
        self._tails._words = looking
        here: Any = self
        self.coordinator = Coordinator(here)

    def _options(self, log_bytes: int) -> Options:
        made = super()._options(log_bytes)
        workers = self.rng.choice((2, 2, 3))
        return replace(made, workers=workers, max_subscribers=SUBSCRIBERS_MAX)

    @property
    def seats(self) -> int:
        """How many workers there are."""
        return self.options.workers

    count = seats

    def _begin(self) -> None:
        self.coordinator.begin()
        for _ in range(3):
            self.coordinator.turn()
            self._turn()

    def _actions(self) -> list[tuple[Any, int]]:
        more = [(self._seal, self._deadly), (self.coordinator.turn, 40)]
        return [*super()._actions(), *more]

    def _observe(self, stack: ExitStack) -> None:
        super()._observe(stack)
        observe_takeovers(self, stack)

    # What the coordinator asks for.

    def start(self, index: int) -> DyingWorker:
        """A worker starts."""
        worker = DyingWorker(index, self)
        self.workers.append(worker)
        self._made.append(worker)
        return worker

    def died(self, worker: DyingWorker) -> None:
        """A worker is dead: what it has not written down, nobody knows."""
        worker.fate.is_alive = False
        self._has_ended = True
        self.workers.remove(worker)
        worker.channel.coming.clear()
        self.machine.close_all(worker)
        self.look()
        for subscriber in self.coordinator.served_by(worker.index):
            if subscriber in self.viewers:
                self.viewers[subscriber].forget()

    def ended(self, _worker: DyingWorker) -> None:
        """The coordinator has seen the end of one."""

    def beside_the_coordinator(self, _name: str) -> None:
        """It is about to store something."""
        if not (self.is_calm or self.writing) and self.rng.random() < self._eager:
            self.rng.choice((self._publish, self._turn))()

    def heard(self, message: Report) -> None:
        """The coordinator reads this."""
        if isinstance(message, Connected):
            self._welcome.add(message.subscriber)
        elif isinstance(message, KeyframeWanted):
            self.asked += 1
        elif isinstance(message, Resumed):
            self.resumed += message.ok

    def lost_on_the_way(self, _message: object) -> None:
        """It was for a worker that is dead; here nobody needs it to be let go on."""

    def closed(self, subscriber: int, closed: Closed) -> None:
        """A connection has ended."""
        self.look()
        sock: Any = self.sockets[subscriber]
        if sock.was_cut or not sock.broken:
            excuses = [*EXCUSES]
            if subscriber not in self._welcome:
                excuses.append(Reason.WORKER_LOST.text)
            if sock.was_taken:
                excuses.append("something that it said was not acted upon")
            is_lost = Reason.of(closed.cause) is Reason.WORKER_LOST
            is_excused = is_lost and closed.reason.endswith((*excuses,))
            require(is_excused, f"{subscriber} is closed: {closed.reason}")
        self.closings[closed.reason] += 1
        self._remove(subscriber)

    # What workers say.

    def reported(self, report: Subscriptions) -> None:  # type: ignore[override]
        """A change has left its worker."""
        if report.subscriber in self.viewers:
            super().reported(report)

    def promised(self, report: Subscriptions) -> None:
        """A change is to be reported."""

    has_waited = promised

    def goes_on(self, _subscriber: int) -> None:
        """A worker goes on with somebody."""

    def recorded(self, subscriber: int) -> None:
        """A record is valid from now on."""
        self._recorded.add(subscriber)
        if not self._depth:
            self._keep()

    def _keep(self) -> None:
        for subscriber in self._recorded:
            if subscriber in self.viewers:
                self.viewers[subscriber].keep()
        self._recorded.clear()

    @property
    def is_noting(self) -> bool:
        """Whether a record says what is about to be noted."""
        return bool(self._recorded)

    def begin_noting(self) -> None:
        """What happens from now on is noted when it is done."""
        self._depth += 1

    def end_noting(self) -> None:
        """It is."""
        self._depth -= 1
        if not self._depth:
            self._keep()

    # What happens.

    def _refresh(self) -> None:
        def again() -> list[int]:
            tails, hold = self._tails.look()
            return [*tails, hold]

        self.writer.is_stale = False  # nobody has limits: `go_by()` would find all there is
        self.writer.refresh(again(), again)

    def writer_step(self, worker: Any) -> None:
        worker.point("look")
        super().writer_step(worker)

    def _turn(self) -> None:
        if self.workers:
            super()._turn()

    def _seal(self) -> None:
        """A worker is to die soon."""
        living = [one for one in self.workers if not one.is_doomed]  # type: ignore[attr-defined]
        if len(living) > 1 or (living and self.rng.random() < 0.2):
            worker: Any = self.rng.choice(living)
            worker.fate.seal()

    def _connect(self) -> None:
        """Somebody comes, whose worker may die while it shows him something."""
        self._newest = NOBODY
        self.coordinator.accept(self._come)
        if self._newest != NOBODY and self.rng.random() < self._doomed:
            index = self.coordinator.state.roster.connections[self._newest].worker
            worker: Any = self.coordinator.processes[index]
            if worker.works and not worker.is_doomed:
                worker.fate.seal()

    def _come(self, subscriber: int) -> FakeSocket:
        self._newest = subscriber
        sock = DyingSocket(subscriber, self)
        self.sockets[subscriber] = sock
        self._greet(sock, self._hello(1, (Kind.PLAIN,)))
        return sock

    # The end.

    def _tick(self) -> None:
        super()._tick()
        if self.is_calm:
            self.coordinator.turn()

    def _catch_up(self) -> None:
        self.is_calm = True
        for worker in self.workers:
            worker.fate.spare()  # type: ignore[attr-defined]
        for _ in range(CALM_TURNS):
            self.now += 20_000_000
            self.coordinator.turn()
            for worker in [*self.workers]:
                worker.run(worker.real.turn)
            if self.coordinator.is_settled:
                break
        else:
            raise Violated("nobody goes on with those that are left")
        super()._catch_up()
