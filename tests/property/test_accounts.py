"""What matched is sent, queued or lost, in messages and bytes: against naive queues."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from fanout.reasons import DROPPING, Reason
from fanout.shm.layout import PAGE, Layout
from fanout.workers.tuning import Tuning
from fanout.zmtp.frames import encode_message
from tests.helpers.log import Worker
from tests.simulation.peers import Numbered, numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TUNING = Tuning(
    span_bytes=60,
    batch_messages_min=3,
    batch_messages_max=6,
    chunk_messages=4,
    shared_prefixes=1,
    shared_from=0,
    parked_after=2,
    parked_after_ns=0,
    census_messages=4,
)
ROOMY = Layout(16 * PAGE, 1_024, 4)  # nothing is overwritten
TOPICS = (b"A", b"AB", b"B", b"C" * 30)
WANTS = ((b"",), (b"A",), (b"AB", b"C"), (b"B",), ())

members = st.integers(0, 2)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.lists(st.sampled_from(TOPICS), max_size=6)),
        st.tuples(st.just("room"), st.tuples(members, st.integers(1, 90))),
        st.tuples(st.just("want"), st.tuples(members, st.sampled_from(WANTS))),
        st.tuples(
            st.just("jump"), st.tuples(members, st.integers(0, 9), st.sampled_from(DROPPING))
        ),
    ),
    min_size=10,
    max_size=50,
)


class Naive:
    """One subscriber: a queue of messages, each with its bytes in the log and as it reads it."""

    def __init__(self, as_read: Callable[[int, bytes], bytes]) -> None:
        self.wants: tuple[bytes, ...] = ()
        self.queue: deque[tuple[int, bytes]] = deque()
        self.matched = self.sent = self.taken = self.begun = 0
        self.lost: Counter[Reason] = Counter()
        self.lost_bytes: Counter[Reason] = Counter()
        self._as_read = as_read

    def publish(self, sequence: int, topic: bytes, wire: bytes) -> None:
        """It is queued if it is wanted."""
        if self.wants and topic.startswith(self.wants):
            self.queue.append((sequence, wire))
            self.matched += 1

    def take(self, taken: int) -> None:
        """Its socket has taken so many bytes in all."""
        self.begun += taken - self.taken
        self.taken = taken
        while self.queue and self.begun >= len(self._as_read(*self.queue[0])):
            self.begun -= len(self._as_read(*self.queue.popleft()))
            self.sent += 1

    def jump(self, target: int, reason: Reason) -> None:
        """Messages below `target` that are not begun are lost."""
        kept = [item for place, item in enumerate(self.queue) if self._stays(place, item, target)]
        for item in self.queue:
            if item not in kept:
                self.lost[reason] += 1
                self.lost_bytes[reason] += len(item[1])
        self.queue = deque(kept)

    def _stays(self, place: int, item: tuple[int, bytes], target: int) -> bool:
        return item[0] >= target or (place == 0 and self.begun > 0)

    @property
    def queued_bytes(self) -> int:
        """As they are in the log; of the one that is begun, what is left of what it reads."""
        sizes = [len(wire) for _, wire in self.queue]
        if self.begun:
            sizes[0] = len(self._as_read(*self.queue[0])) - self.begun
        return sum(sizes)

    def figures(self) -> Iterator[int]:
        """What `Member` counts, in the order in which the test has it."""
        lost, size = self.lost, self.lost_bytes
        yield from (self.matched, self.sent, len(self.queue), lost.total())
        yield from (self.taken + self.queued_bytes + size.total(), self.taken)
        yield from (self.queued_bytes, size.total())
        yield from (*(lost[one] for one in DROPPING[1:]), *(size[one] for one in DROPPING[1:]))


@given(happening=steps, encoded=st.booleans())
def test_every_account_is_that_of_a_naive_queue(
    happening: list[tuple[str, Any]], encoded: bool
) -> None:
    worker = Worker(ROOMY, tuning=TUNING)
    pump = worker.pump
    encoding = Numbered(True) if encoded else None
    served = [
        worker.member(room=0, encoding=encoding if place == 0 else None) for place in range(3)
    ]
    naive = [Naive(numbered if encoded and place == 0 else _plain) for place in range(3)]
    for what, detail in happening:
        if what == "publish":
            for topic in detail:
                sequence = worker.log.publish(topic, b"payload")
                for one in naive:
                    one.publish(sequence, topic, encode_message([topic, b"payload"]))
            worker.advance()
        elif what == "room":
            member, sink = served[detail[0]]
            sink.room = detail[1]
            pump.writable(member)
            worker.serve(member)
        elif what == "want":
            pump.subscribe(served[detail[0]][0], detail[1])
            naive[detail[0]].wants = detail[1]
        else:
            member, _ = served[detail[0]]
            if member.blocked:
                pump.settle(member)
                target = min(member.sequence + detail[1], pump.front)
                naive[detail[0]].take(len(served[detail[0]][1].taken))
                pump.backlog.jump(member, target, pump.front, detail[2])
                naive[detail[0]].jump(target, detail[2])
        for (member, sink), one in zip(served, naive, strict=True):
            one.take(len(sink.taken))
            pump.settle(member)
            got = (
                *(member.matched, member.sent, member.queued, member.dropped),
                *(member.matched_bytes, member.sent_bytes),
                *(member.queued_bytes, member.dropped_bytes),
                *member.drops,
            )
            assert got == tuple(one.figures())
    totals = pump.totals
    assert totals.matched_bytes == sum(member.matched_bytes for member, _ in served)
    for member, _ in served:
        pump.remove(member)
    assert totals.discarded_bytes == sum(one.queued_bytes for one in naive)


def _plain(_sequence: int, wire: bytes) -> bytes:
    return wire
