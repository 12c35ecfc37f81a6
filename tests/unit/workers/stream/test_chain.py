"""A chain: a chunk picks what it wants as a naive search does, and as it is counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.shm.layout import PAGE, Layout
from fanout.shm.log import LogWriter
from fanout.shm.reader import LogReader
from fanout.shm.segment import Segment
from fanout.workers.stream.chain import Chain
from fanout.workers.stream.chunks import Chunks
from fanout.workers.stream.cohorts import Cohorts
from fanout.workers.stream.edges import Edges
from fanout.zmtp.frames import encode_message

TOPICS = (b"", b"a", b"ab", b"b", b"c")


@pytest.mark.unmeasured
@given(
    st.lists(st.tuples(st.sampled_from(TOPICS), st.booleans()), min_size=1, max_size=40),
    st.dictionaries(st.sampled_from((*TOPICS, b"none")), st.integers(0, 45), min_size=1),
    st.integers(0, 20),
)
def test_what_it_wants(
    messages: list[tuple[bytes, bool]], floors: dict[bytes, int], begin: int
) -> None:
    segment = Segment.create(Layout(2 * PAGE, 256, 1))  # all of them go in without a look at tails
    log, reader = LogWriter(segment), LogReader(segment)
    for number, (topic, is_known) in enumerate(messages):
        topic_id = TOPICS.index(topic) + 1 if is_known else 0
        log.append(encode_message([topic, bytes(number)]), topic_id)
    first, stop = min(begin, len(messages) - 1), len(messages)

    def name_of(topic_id: int, sequence: int) -> bytes:
        return TOPICS[topic_id - 1] if topic_id else messages[sequence][0]

    chain = Chain(floors, None)
    wanted = [
        number
        for number, (topic, _) in enumerate(messages)
        if number >= first and floors.get(topic, 99) <= number
    ]
    chunk = Chunks(reader, Cohorts()).at(first, stop)
    sizes = reader.sizes(wanted)
    try:
        assert not chain.everything
        assert [first + index for index in chunk.pick(chain)] == wanted
        chosen = [*chain.chosen(first, stop, reader, name_of)]
        assert chosen == [*zip(wanted, sizes, strict=True)]
        if wanted:
            assert Edges(reader, name_of).of(chain, first, stop) == (wanted[0], wanted[-1])
    finally:
        segment.close()
