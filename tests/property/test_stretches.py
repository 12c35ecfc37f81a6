"""Stretches: what somebody wants of any part of the log, against a plain list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fanout.shm.census import minimal
from fanout.shm.layout import PAGE, Layout
from fanout.workers.stream.stretches import Stretches
from tests.helpers.log import Log

names = st.lists(st.sampled_from(b"abc\xff"), max_size=3).map(bytes)


@given(
    topics=st.lists(names, min_size=1, max_size=60),
    key=st.frozensets(names, max_size=5),
    bounds=st.tuples(st.integers(0, 60), st.integers(0, 60)),
    ids=st.booleans(),
    length=st.integers(1, 20),
)
def test_any_part_is_counted_and_picked_as_in_a_list(
    topics: list[bytes], key: frozenset[bytes], bounds: tuple[int, int], ids: bool, length: int
) -> None:
    log = Log(Layout(16 * PAGE, 64, 1))
    sizes = []
    known = sorted(set(topics))
    for number, topic in enumerate(topics):
        before = log.writer.position
        topic_id = known.index(topic) + 1 if ids else 0
        log.publish(topic, b"x" * number, topic_id=topic_id)
        sizes.append(log.writer.position - before)
    stretches = Stretches(log.reader, lambda _id, sequence: topics[sequence], length, 3)
    first, stop = sorted(min(one, len(topics)) for one in bounds)

    wanted = [
        (sequence, sizes[sequence])
        for sequence in range(first, stop)
        if any(topics[sequence].startswith(prefix) for prefix in key)
    ]
    for tail in (0, first):
        assert stretches.picks(minimal(key), first, stop, tail) == wanted
        amount = stretches.count(minimal(key), first, stop, tail)
        assert amount == (len(wanted), sum(size for _, size in wanted))
