"""A world of programs with a `fanout.Subscriber`: connections are cut, workers die, others go on.

Both sides are real but for the system between them: workers and the coordinator on the one, the
core of the subscriber on the other. Messages are numbered, as one that heals itself needs it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest import mock

from fanout.reasons import Reason
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.stream.judging import Judging
from tests.simulation.shown.choosing import random_policy
from tests.simulation.shown.deaths import CALM_TURNS, NOBODY, DyingWorld
from tests.simulation.shown.dying import DyingSocket
from tests.simulation.shown.publishing import (
    EPOCH,
    LEAVES_FROM,
    PAST_FROM,
    RESTARTS_FROM,
    SEVERAL_FROM,
    TOPICS,
)
from tests.simulation.shown.reader import Reader
from tests.simulation.violated import Violated, require

if TYPE_CHECKING:
    from contextlib import ExitStack

    from fanout.control.messages import Closed, Subscriptions
    from fanout.options import Options
    from fanout.subscriber.since import Position
    from tests.simulation.sockets import FakeSocket

WANTS = ({b""}, {b""}, {b"x"}, {b"xv", b"yk"}, {b"y", b"xk1"}, {b"xv0"})
FORMER_MAX = 30  # the last message that another process may have had, or more than there are
LATER = (b"x", b"y", b"xk", b"yv", b"")
TURNS = 5  # in 0.2 s, when all catch up
QUIET_ROUNDS = 3  # in which whoever rests is sent something, if there is something
ROUNDS = 60  # of 0.2 s, after which who has a rate has got all of the log by it


class Anybody:
    """What a worker does for who is no viewer is not held against anything meanwhile."""

    def __getattr__(self, _name: str) -> Any:
        return self

    def __call__(self, *_which: object, **_how: object) -> Any:
        return self


class ReadingWorld(DyingWorld):
    """One run.

    Attributes:
        readers: the programs.
        missing: what they did not get, and were told of.
        cuts: how many connections were lost.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        rng, like = self.rng, self._like(seed)
        self.missing = 0
        self._leaves = LEAVES_FROM <= like < PAST_FROM
        self._has_past, self._has_several = (
            PAST_FROM <= like < SEVERAL_FROM,
            SEVERAL_FROM <= like < RESTARTS_FROM,
        )
        several = rng.choice(((1, 1), (1, 2), (2,)))
        several = (1, 1) if self._has_past else several
        several = rng.choice(((2,), (2, 2), (3,))) if self._has_several else several
        self.readers = [self._reader(lines) for lines in several]
        self._owner: dict[int, Reader] = {}  # by subscriber
        self._line = 0, self.readers[0]  # that is just being connected

    def _options(self, log_bytes: int) -> Options:
        policy = SlowPolicy("block")
        if self.rng.random() >= 0.5:
            policy = random_policy(self.rng, is_any=True)
        return replace(super()._options(log_bytes), slow_policy=policy, sequence_frame=True)

    def _reader(self, lines: int) -> Reader:
        rng = self.rng
        wants, last = {*rng.choice(WANTS)}, rng.random() < 0.6
        if self._has_several:
            wants, last = {rng.choice((b"x", b"xv", b"xk1", b"y"))}, rng.random() < 0.9
        since = None
        if (self._has_past or self._has_several) and rng.random() < 0.5:
            since = EPOCH ^ (rng.random() < 0.2), rng.randrange(FORMER_MAX)
        return self._made_reader(wants, lines, last=last, since=since)

    def _like(self, seed: int) -> int:
        """What its readers do is what they do in the run of this seed."""
        return seed

    def _made_reader(
        self, wants: set[bytes], lines: int, *, last: bool, since: Position | None
    ) -> Reader:
        return Reader(wants, lines, self.rng, last=last, since=since)

    @property
    def cuts(self) -> int:
        """How many connections were lost."""
        return sum(reader.lost for reader in self.readers)

    @property
    def seconds(self) -> float:
        """The time of day, so to say."""
        return self.now / 1e9

    def _observe(self, stack: ExitStack) -> None:
        """Of what workers say that they do but this: what comes in the end counts.

        A subscription is in force where its report has got out, if that had to wait: who was far
        behind then may have jumped over what was published meanwhile.
        """
        release = Judging.release

        def released(judging: Any, member: Any, prefixes: Any, since: int, now: int) -> None:
            release(judging, member, prefixes, since, now)
            if member.untold_until > since and member.id in self._owner:
                self._owner[member.id].begin_late(since, member.untold_until)

        stack.enter_context(mock.patch.object(Judging, "release", released))

    def _actions(self) -> list[tuple[Any, int]]:
        not_here = {self._connect, self._subscribe, self._stall, self._disconnect, self._cancel}
        left = [(one, weight) for one, weight in super()._actions() if one not in not_here]
        mine = ((self._connect, 20), (self._cut, 3), (self._want_more, 1), (self._stall, 3))
        less = [(self._want_less, 2), (self._want_more, 2)] * self._leaves
        past = [(self._want_past, 3)] * self._has_past
        apart = [(self._want_apart, 3)] * self._has_several
        away = [(self._want_away, 2)] * (self._has_several or self._has_past)
        return [*left, *mine, *less, *past, *apart, *away]

    # What happens.

    def look(self) -> None:
        """What has come is seen by who reads."""

    def _connect(self) -> None:
        """Lines that are due are connected, if there is room for them."""
        for reader in self.readers:
            for number in reader.look(self.seconds):
                if number in reader.socks:  # what it has said meanwhile may have ended it
                    self._break(reader, number)
            for number in self._due(reader):
                self._line, self._newest = (number, reader), NOBODY
                self.coordinator.accept(self._come)
                if self._newest == NOBODY:
                    reader.core.lost(number, self.seconds)
                elif self.rng.random() < self._doomed and not self.is_calm:
                    self._doom(self._newest)

    def _due(self, reader: Reader) -> list[int]:
        return reader.due(self.seconds)

    def _doom(self, subscriber: int) -> None:
        worker: Any = self.coordinator.processes[
            self.coordinator.state.roster.connections[subscriber].worker
        ]
        if worker.works and not worker.is_doomed:
            worker.fate.seal()

    def _come(self, subscriber: int) -> FakeSocket:
        self._newest = subscriber
        sock = DyingSocket(subscriber, self)
        number, reader = self._line
        self.sockets[subscriber], self._owner[subscriber] = sock, reader
        self.viewers[subscriber] = self.streams[subscriber] = Anybody()  # type: ignore[assignment]
        reader.connected(number, sock, self.seconds)
        return sock

    def _drain(self) -> None:
        for reader in self.readers:
            for number, sock in [*reader.socks.items()]:
                if not sock.stalled and self.rng.random() < 0.6:
                    size = self.rng.choice((10, 1_000, 100_000))
                    sock.drain(size)
                    reader.read(number, size, self.seconds)

    def _cut(self) -> None:
        """The network loses a connection."""
        reader = self.rng.choice(self.readers)
        if reader.socks:
            self._break(reader, self.rng.choice([*reader.socks]))

    def _break(self, reader: Reader, number: int) -> None:
        sock = reader.socks[number]
        reader.lose(number, self.seconds)
        sock.broken = sock.ended = True
        sock.drain(1 << 60)  # its worker hears of it

    def _want_more(self) -> None:
        self.rng.choice(self.readers).subscribe(self.rng.choice(LATER))

    def _want_apart(self) -> None:
        """One connection brings it from further back than another one."""
        self._want_more()
        for _ in range(3):
            self._turn()
            self._publish()

    def _want_away(self) -> None:
        """Somebody wants more while all his connections are gone."""
        reader = self.rng.choice(self.readers)
        for number in [*reader.socks]:
            self._break(reader, number)
        self._publish()
        reader.subscribe_away(self.rng.choice(LATER), self.writer.head)
        self._publish()

    def _want_past(self) -> None:
        reader = self.rng.choice(self.readers)
        if reader.core.is_one_line and reader.got:
            back = self.rng.choice((1, 5, 40))
            since = EPOCH, max(0, self.writer.head - back)
            reader.subscribe_since(self.rng.choice(LATER), since)

    def _want_less(self) -> None:
        reader = self.rng.choice(self.readers)
        if reader.core.wants:
            reader.unsubscribe(self.rng.choice(sorted(reader.core.wants)))

    # What is heard.

    def reported(self, report: Subscriptions) -> None:  # type: ignore[override]
        reader = self._owner.get(getattr(report, "subscriber", NOBODY))
        if reader is not None:
            sock: Any = self.sockets.get(report.subscriber)
            reader.begin(report.added, report.sequence, sock)

    def closed(self, subscriber: int, closed: Closed) -> None:
        sock: Any = self.sockets[subscriber]
        if sock.was_cut or not sock.broken:
            reason = Reason.of(closed.cause)
            is_right = reason in (Reason.WORKER_LOST, Reason.TOO_SLOW)
            require(is_right, f"{subscriber} is closed: {closed.reason}")
        reader = self._owner.pop(subscriber)
        number = reader.line_of(sock)
        if number is not None:
            reader.lose(number, self.seconds)
        self.closings[closed.reason] += 1
        self._remove(subscriber)

    # The end.

    def _catch_up(self) -> None:
        for _ in self.readers if self._has_several else ():  # and then nothing is published
            self._want_apart()
        self.is_calm = self.settling = True
        for worker in self.workers:
            worker.fate.spare()  # type: ignore[attr-defined]
        for _ in range(CALM_TURNS):
            self._go_on(0.02)
            if self.coordinator.is_settled:
                break
        else:
            raise Violated("nobody goes on with those that are left")
        self._settle_all()
        newest = self._newest_kept()
        if self._leaves:  # each topic gets one more, with which what is missing is told
            self._rude = 0.0
        for topic in TOPICS:
            self._publish_one(topic)
            self._settle_all()
        self._check(newest)

    def _go_on(self, seconds: float) -> None:
        """All that is due is done, by everybody."""
        self.now += int(seconds * 1e9)
        self.coordinator.turn()
        for worker in [*self.workers]:
            self._settle(worker)
        self._connect()
        for reader in self.readers:
            for number, sock in [*reader.socks.items()]:
                sock.capacity, sock.partial, sock.stalled = 1 << 60, 0.0, False
                sock.drain(1 << 60)
                reader.read(number, 1 << 60, self.seconds)

    def _settle_all(self) -> None:
        """Until all are up, and nothing has come for a while."""
        quiet = 0
        for _ in range(ROUNDS):
            before = self._came
            for worker in self.workers:
                worker.real.idling.end_nap()
                worker.run(worker.real.tick)
            for _ in range(TURNS):
                self._go_on(0.2 / TURNS)
            quiet = quiet + 1 if self._came == before and self._are_up else 0
            if quiet == QUIET_ROUNDS:
                return
        raise Violated("somebody is not up again, or gets something for ever")

    @property
    def _came(self) -> int:
        return sum(len(reader.got) for reader in self.readers)

    @property
    def _are_up(self) -> bool:
        lines = [line for reader in self.readers for line in reader.core.lines]
        return all(line.is_up and not line.is_asking for line in lines)

    def _newest_kept(self) -> dict[bytes, int]:
        """The last message of each topic that has kept it."""
        found = {}
        for number, message in enumerate(self.feed.messages):
            if b"#" not in message.topic and self.feed.is_kept(message.topic):
                found[message.topic] = number
        return found

    def _check(self, newest: dict[bytes, int]) -> None:
        for reader in self.readers:
            self.missing += reader.check(self.feed, newest)
            self.shown += len(reader.got)
