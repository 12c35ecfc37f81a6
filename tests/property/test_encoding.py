"""Every message of an encoded stream has its number, once, however it was cut, torn or jumped."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.workers.tuning import Tuning
from fanout.zmtp.frames import encode_message
from tests.helpers.log import Worker
from tests.simulation.peers import NUMBER_MARK, Numbered, numbered

SPOKEN = b"\x04\x01!"  # a command, which does not look like a numbered message
TUNING = Tuning(span_bytes=60, batch_messages_min=3, batch_messages_max=6, chunk_messages=4)

steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("publish"), st.lists(st.sampled_from((b"A", b"B", b"A" * 40)), max_size=6)
        ),
        st.tuples(st.just("room"), st.integers(1, 60)),
        st.tuples(st.just("speak"), st.none()),
    ),
    min_size=20,
    max_size=60,
)


def numbers_in(stream: bytes, wires: list[bytes]) -> list[int]:
    """The numbers of the messages in a stream, each of which is the message of that number."""
    found = []
    while stream:
        if stream.startswith(SPOKEN):
            stream = stream[len(SPOKEN) :]
            continue
        assert stream[:1] == NUMBER_MARK
        number = int.from_bytes(stream[1:9], "big")
        item = numbered(number, wires[number])
        assert stream[: len(item)] == item
        stream = stream[len(item) :]
        found.append(number)
    return found


@given(happening=steps, shared=st.booleans(), wants=st.sampled_from((b"", b"A")))
def test_each_message_has_its_number_once(
    happening: list[tuple[str, Any]], shared: bool, wants: bytes
) -> None:
    worker = Worker(limit_bytes=150, tuning=TUNING)
    encodings = [Numbered(shared)] * 2 if shared else [Numbered(shared), Numbered(shared)]
    members = [worker.member(wants, room=30, encoding=encoding) for encoding in encodings]
    member, sink = members[0]
    wires: list[bytes] = []
    for what, detail in happening:
        if what == "publish":
            for topic in detail:
                worker.log.publish(topic, b"payload")
                wires.append(encode_message([topic, b"payload"]))
            worker.advance()
            worker.pump.enforce(0)  # who is too far behind jumps
        elif what == "room":
            sink.room += detail
            worker.serve(member)
        else:
            worker.pump.speak(member, SPOKEN, 0)
    for member, sink in members:
        sink.room = 1 << 40
        worker.serve(member)
        found = numbers_in(sink.taken, wires)
        assert found == sorted(set(found))
        assert len(found) == member.sent == member.matched - member.dropped
    worker.log.segment.close()


def test_one_that_is_not_shared_has_a_cohort_of_its_own() -> None:
    worker = Worker()
    first, _ = worker.member(b"A", encoding=Numbered(shared=False))
    second, _ = worker.member(b"A", encoding=Numbered(shared=False))
    together = Numbered(shared=True)
    third, _ = worker.member(b"A", encoding=together)
    fourth, _ = worker.member(b"A", encoding=together)

    assert first.cohort is not second.cohort
    assert third.cohort is fourth.cohort
    alone = Numbered(shared=False)
    worker.member(b"B", encoding=alone)
    with pytest.raises(AssertionError, match="two with one key"):
        worker.member(b"B", encoding=alone)
