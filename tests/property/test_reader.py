"""Whatever is written between two loads of a reader, it shows what was true at some instant.

The stores are those of the real writers; half of the worlds have a processor that reorders them
between barriers.
"""

from __future__ import annotations

from collections import deque
from itertools import cycle, groupby, islice
from typing import TYPE_CHECKING, Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.control.messages import Closed
from fanout.coordinator.figures import Figures
from fanout.coordinator.ledger import Ledger
from fanout.coordinator.roster import Accepted
from fanout.observe.reader import Reader
from fanout.reasons import Reason
from fanout.shm import fence
from fanout.shm.layout import PAGE, Layout
from fanout.shm.segment import Segment
from fanout.shm.subscriber_slot import NOTHING, SubscriberSlot
from fanout.terms.slow_policy import SlowPolicy
from tests.helpers.stores import recorded, watched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

LAYOUT = Layout(PAGE, 64, 2)
LIVES = 8  # subscribers, one after the other in each slot
STEPS = 3  # checkpoints of each
PAUSE = 60  # stores that happen in a pause of a reader: more than the end of a subscriber takes
MOST = sum(subscriber * 100 + STEPS for subscriber in range(1, LIVES + 1))  # messages sent


Store = tuple[int, int]
HANDED_OVER: list[Store | None] = [None]  # a message to another process, or from it, is a barrier


def _life(
    segment: Any, log: list[Store | None], figures: Figures, subscriber: int
) -> Iterator[None]:
    """A subscriber comes, takes messages in three steps, and leaves."""
    index = subscriber % LAYOUT.subscribers
    peer = f"peer:{subscriber}"
    connection = Accepted(subscriber, index, subscriber * 10, peer, "tcp://x", "zmtp")
    slot = SubscriberSlot(segment, index)
    figures.admitted(connection)
    log += HANDED_OVER
    slot.take(subscriber)
    log += HANDED_OVER
    connection.version = "3.1"
    figures.connected(connection)
    sent = 0
    for step in range(1, STEPS + 1):
        yield
        sent = subscriber * 100 + step
        slot.checkpoint(NOTHING._replace(matched=sent, sent=sent, sent_bytes=sent * 7))
    left = Reason.LEFT
    closed = Closed(subscriber, False, left.number, left.text, sent, sent, 0, 0, subscriber)
    log += HANDED_OVER
    figures.ended(connection, closed)


def _stores() -> list[Store | None]:
    """What coordinator and workers store while subscribers take turns; no slot is free for long.

    Between them None, where a barrier keeps what is before it from what is after it.
    """
    segment, log = recorded(LAYOUT)

    def barrier() -> None:
        log.append(None)

    with mock.patch.object(fence, "BARRIER", barrier):
        _take_turns(segment, log)
    return log


def _take_turns(segment: Any, log: list[Store | None]) -> None:
    figures = Figures(segment, Ledger(segment.words), SlowPolicy("block"))
    waiting = [_life(segment, log, figures, subscriber) for subscriber in range(LIVES, 0, -1)]
    lives = [waiting.pop(), waiting.pop()]
    while lives:
        life = lives.pop(0)
        if not any(True for _ in islice(life, 1)):  # it has left: the next one comes
            if not waiting:
                continue
            life = waiting.pop()
            next(life)
        lives.append(life)


def _reordered(stores: list[Store | None], random: Random) -> Iterator[Store]:
    """In any order between two barriers, as a processor may; those of one word keep theirs."""
    for is_barrier, some in groupby(stores, lambda store: store is None):
        if not is_barrier:
            between = [store for store in some if store is not None]
            values: dict[int, deque[int]] = {}
            for index, value in between:
                values.setdefault(index, deque()).append(value)
            random.shuffle(between)
            yield from ((index, values[index].popleft()) for index, _value in between)


STORES = _stores()
IN_ORDER = [store for store in STORES if store is not None]


class World:
    """Shared memory in which the next few stores happen before each load."""

    def __init__(self, bursts: list[tuple[int, int]], random: Random | None) -> None:
        self.segment = Segment.create(LAYOUT)
        self._stores = iter(IN_ORDER) if random is None else _reordered(STORES, random)
        self._bursts = cycle(bursts)
        self._quiet, self._burst = next(self._bursts)
        self.over = False
        memory = watched(self.segment, self.go_on, self.is_quiet)
        self.reader = Reader(memory, pause=self.pause)

    def is_quiet(self, loads: int) -> bool:
        """Whether there is no store before so many loads; if so, they are done."""
        if loads > self._quiet:
            return False
        self._quiet -= loads
        return True

    def go_on(self) -> None:
        if self.is_quiet(1):
            return
        burst = self._burst
        self._quiet, self._burst = next(self._bursts)
        self._store(burst)

    def pause(self) -> None:
        """The reader waits for a millisecond; if nothing got on, it would give up at some time."""
        self._store(PAUSE)

    def _store(self, count: int) -> None:
        for _ in range(count):
            store = next(self._stores, None)
            if store is None:
                self.over = True
                return
            self.segment.words[store[0]] = store[1]


def _worlds() -> st.SearchStrategy[World]:
    """Some loads without a store, then a burst of stores: one, or as many as in whole lives."""
    quiet, burst = st.integers(0, 300), st.sampled_from((1, 2, 5, 10, 25, 60, 120))
    bursts = st.lists(st.tuples(quiet, burst), min_size=5, max_size=20)
    order = st.none() | st.randoms(use_true_random=False)
    return st.builds(World, bursts, order)


@settings(max_examples=60, deadline=None)
@given(_worlds())
def test_a_row_is_of_one_subscriber(world: World) -> None:
    last = dict.fromkeys(range(1, LIVES + 1), 0)
    while not world.over:
        for who, stream in world.reader.rows():
            assert (who.worker, who.peer) == (who.subscriber * 10, f"peer:{who.subscriber}")
            assert stream.sent == stream.matched
            assert stream.sent_bytes == stream.sent * 7
            assert stream.sent == 0 or 0 < stream.sent - who.subscriber * 100 <= STEPS
            assert stream.sent >= last[who.subscriber]
            last[who.subscriber] = stream.sent
    assert world.reader.rows() == []


@settings(max_examples=60, deadline=None)
@given(_worlds())
def test_totals_never_fall_and_nobody_is_counted_twice(world: World) -> None:
    _look_at_totals(world)


def test_totals_hold_while_hardly_anything_gets_on() -> None:
    _look_at_totals(World([(0, 5), (0, 1), (145, 1), (188, 1), (300, 1)], None))


def _look_at_totals(world: World) -> None:
    last = 0
    while not world.over:
        totals = world.reader.totals()
        assert last <= totals.sent <= MOST
        assert totals.subscribers + totals.disconnected <= LIVES
        last = totals.sent
    totals = world.reader.totals()
    assert (totals.sent, totals.disconnected, totals.subscribers) == (MOST, LIVES, 0)


@settings(max_examples=40, deadline=None)
@given(_worlds())
def test_an_end_is_whole_and_comes_once(world: World) -> None:
    seen: list[int] = []
    while not world.over:
        for number, end in world.reader.closed(len(seen)):
            seen.append(number)
            assert (end.subscriber, end.worker) == (number, number * 10)
            assert (end.sent, end.kernel_bytes) == (number * 100 + STEPS, number)
            assert end.peer == f"peer:{number}"
    seen += [number for number, _end in world.reader.closed(len(seen))]
    assert seen == list(range(1, LIVES + 1))
