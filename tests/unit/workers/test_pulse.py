"""The pulse: few ticks while nothing is due, and the next one in time as soon as there is."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from fanout.control.messages import Adopt
from fanout.options import Options
from fanout.workers.pulse import QUIET_TICK, TICK, quiet_tick
from fanout.workers.stream.member import Member
from fanout.workers.worker import ORPHAN_DRAIN, Worker
from tests.helpers.around import Around
from tests.helpers.around import Loop as Asked
from tests.helpers.log import SMALL, Sink
from tests.helpers.log import Worker as Members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Loop(Asked):
    """Keeps what is to be called later, too: how much later, and what."""

    def __init__(self) -> None:
        super().__init__()
        self.later: list[tuple[float, Callable[[], object]]] = []

    def call_later(self, delay: float, callback: Callable[[], object], /) -> None:
        self.later.append((delay, callback))


class Ticking:
    """A worker and its ticks."""

    def __init__(self, **options: float) -> None:
        self.around = Around(SMALL)
        self.around.loop = self.loop = Loop()
        self.worker = Worker(Options(**options), self.around)  # type: ignore[arg-type]
        self.beats = 0

    def tick(self) -> float:
        """The tick that is asked for comes; how far off the next one is."""
        self.beats += 1
        self.around.time += 1
        self.loop.later.pop()[1]()
        assert self.around.slot.heartbeat == self.around.time, "it is the wrong one"
        return self.loop.later[-1][0]

    def subscribe(self, room: int = 1 << 40) -> tuple[Member, Sink]:
        sink = Sink(room)
        member = Member(1, sink, Members().policy)
        self.worker.tail.protect_front()
        self.worker.pump.subscribe(member, [b""])
        return member, sink


@pytest.fixture
def ticking() -> Iterator[Ticking]:
    made = Ticking()
    made.worker.tick()
    yield made
    made.around.close()


@pytest.mark.parametrize(
    ("worker_timeout", "heartbeat_interval", "seconds"),
    [(10.0, 10.0, QUIET_TICK), (10.0, 0, QUIET_TICK), (0.5, 10.0, TICK), (2.0, 0, 0.4),
     (10.0, 1.0, 0.2), (10.0, 0.001, TICK)],
)  # fmt: skip
def test_there_are_some_ticks_in_each_time_that_holds(
    worker_timeout: float, heartbeat_interval: float, seconds: float
) -> None:
    assert quiet_tick(worker_timeout, heartbeat_interval) == pytest.approx(seconds)


def test_a_worker_with_nothing_to_do_ticks_twice_a_second(ticking: Ticking) -> None:
    assert {ticking.tick() for _ in range(5)} == {QUIET_TICK}


def test_while_messages_come_it_ticks_as_ever(ticking: Ticking) -> None:
    ticking.subscribe()
    ticking.tick()
    delays = []
    for _ in range(3):
        ticking.around.written.publish(b"A", b"one")
        ticking.worker.sending_turn()
        delays.append(ticking.tick())

    assert delays == [TICK] * 3
    assert [ticking.tick() for _ in range(2)] == [QUIET_TICK] * 2


def test_messages_for_nobody_are_no_news(ticking: Ticking) -> None:
    delays = []
    for _ in range(3):
        ticking.around.written.publish(b"A", b"one")
        delays.append(ticking.tick())

    assert delays == [QUIET_TICK] * 3


def test_who_is_behind_is_watched_from_the_first_moment_on(ticking: Ticking) -> None:
    _member, sink = ticking.subscribe(room=3)
    ticking.tick()
    ticking.tick()
    ticking.around.written.publish(b"A", b"one")
    ticking.worker.sending_turn()

    assert ticking.loop.later[-1][0] == TICK
    slow = ticking.loop.later[0][1]
    heartbeat = ticking.around.slot.heartbeat
    ticking.around.time += 1
    slow()
    assert ticking.around.slot.heartbeat == heartbeat, "the one that was too far off came as well"
    assert [ticking.tick() for _ in range(2)] == [TICK] * 2
    sink.room = 1 << 40
    ticking.worker.pump.writable(_member)
    ticking.worker.sending_turn()
    assert [ticking.tick() for _ in range(3)][-1] == QUIET_TICK


def test_a_handshake_is_watched_until_it_is_done(ticking: Ticking) -> None:
    ticking.tick()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    ticking.around.sockets[7] = ours
    with theirs:
        ticking.worker.desk.adopt(Adopt(1, 0, "zmtp"), [7])
        ticking.worker.sending_turn()

        assert ticking.loop.later[-1][0] == TICK
        assert ticking.tick() == TICK
        (peer,) = ticking.worker.desk.peers.values()
        ticking.worker.deadlines.connected(peer, ticking.around.time)
        assert [ticking.tick() for _ in range(3)][-1] == QUIET_TICK
        ours.close()


def test_the_end_has_its_ticks(ticking: Ticking) -> None:
    ticking.subscribe(room=3)
    ticking.tick()
    ticking.worker.orphaned()
    ticking.worker.sending_turn()

    assert ticking.loop.later[-1][0] == TICK


def test_the_end_does_not_outlast_the_publisher_however_long_it_was_to_take(
    ticking: Ticking,
) -> None:
    worker, now = ticking.worker, ticking.around.now
    worker._end(10.0, 3_600.0)
    worker.orphaned()
    ending = worker._ending
    assert ending is not None
    assert 0.0 < ending.left(now()) <= ORPHAN_DRAIN
    worker.orphaned()  # as in each turn from now on
    assert worker._ending is ending
