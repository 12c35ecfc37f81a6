"""What is sent the short way is what the long way, which can be interrupted, would have sent."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from fanout.workers.stream.pump import Pump
from fanout.workers.stream.totals import Totals
from fanout.workers.tuning import Tuning
from tests.helpers.log import SMALL, Worker

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.sorting import Share

TUNING = Tuning(shared_prefixes=1, shared_from=0, span_bytes=60, parked_after=2, parked_after_ns=0)
MEMBERS = 5
FIGURES = attrgetter(
    *("state", "sequence", "offset", "position", "matched", "matched_bytes", "sent", "sent_bytes"),
    *("queued", "queued_bytes", "spill"),
)

topics = st.sampled_from([b"A", b"B", b"C"])
wants = st.frozensets(topics, min_size=2) | st.just(frozenset((b"",))) | st.frozensets(topics)
rooms = st.sampled_from([1 << 40, 1 << 40, 0, 13, 40])
batches = st.lists(st.tuples(topics, st.integers(0, 30)), min_size=1, max_size=12)


class LongWay(Pump):
    """Sends to one after another, in generators."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._sends_per_look = 0

    def _send_alone(
        self, direct: list[Cohort[Member]], others: list[Cohort[Member]], shares: Sequence[Share]
    ) -> Generator[None, None, tuple[int, int]]:
        others += direct
        yield from ()
        return 0, 0


class Sent:
    """What has come of it.

    Args:
        members: the wants of each, how much its socket takes, and whether it breaks after a batch.
    """

    def __init__(self, kind: type[Pump], members: list[tuple[frozenset[bytes], int, bool]]) -> None:
        self.worker = Worker(SMALL, tuning=TUNING)
        self.pump = self.worker.pump = kind(self.worker.log.reader, TUNING)
        self.both = [self.worker.member(*wants, room=room) for wants, room, _ in members]
        self.breaking = [breaks for *_, breaks in members]

    def publish(self, batch: list[tuple[bytes, int]]) -> None:
        for topic, size in batch:
            self.worker.log.publish(topic, b"x" * size)
        self.worker.advance()
        for breaks, (_, sink) in zip(self.breaking, self.both, strict=True):
            sink.broken = sink.broken or breaks

    @property
    def figures(self) -> list[object]:
        for member, _ in self.both:
            self.pump.settle(member)
        totals = self.pump.totals
        return [
            [sink.taken for _, sink in self.both],
            [FIGURES(member) for member, _ in self.both],
            [getattr(totals, name) for name in Totals.__slots__],
            self.pump.matched_bytes,
            {member.id for member in self.pump.blocked},
            {(effect.member.id, type(effect)) for effect in self.pump.effects},
            self.pump.share,
        ]


@given(
    st.lists(st.tuples(wants, rooms, st.booleans()), min_size=1, max_size=MEMBERS),
    st.lists(batches, min_size=1, max_size=3),
)
def test_both_ways_come_to_the_same(
    members: list[tuple[frozenset[bytes], int, bool]], messages: list[list[tuple[bytes, int]]]
) -> None:
    short, long = Sent(Pump, members), Sent(LongWay, members)
    for batch in messages:
        short.publish(batch)
        long.publish(batch)

        assert short.figures == long.figures
