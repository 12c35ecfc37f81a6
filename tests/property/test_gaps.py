"""Markers are the gaps: what a subscriber got, and what it was told of, is all that it wanted."""

from __future__ import annotations

from typing import Any

import msgpack
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.terms.slow_policy import SlowPolicy
from tests.helpers.log import Worker

NAMES = st.sampled_from((b"A", b"AB", b"B", b"C"))
ACTIONS = st.sampled_from(("drop_oldest", "drop_newest"))
STEPS = st.one_of(
    st.tuples(st.just("publish"), st.lists(NAMES, min_size=1, max_size=12)),
    st.tuples(st.just("room"), st.integers(0, 4_000)),
    st.tuples(st.just("policy"), ACTIONS, st.integers(0, 6)),
    st.tuples(st.just("wants"), st.sets(NAMES, max_size=3)),
)
PAYLOAD = bytes(300)


def parts_of(wire: bytes) -> list[dict[str, Any] | int]:
    """What has arrived: markers, and the numbers of messages."""
    found: list[dict[str, Any] | int] = []
    while wire:
        at, frames, more = 0, [], 1
        while more:
            flags, head = wire[at], 9 if wire[at] & 2 else 2
            size = int.from_bytes(wire[at + 1 : at + head], "big")
            frames.append(wire[at + head : at + head + size])
            at += head + size
            more = flags & 1
        wire = wire[at:]
        is_marker = frames[0] == b"\0fanout.gap"
        found.append(msgpack.unpackb(frames[1]) if is_marker else int(frames[1].rstrip(b"\0")))
    return found


@settings(deadline=None, max_examples=40)
@given(
    st.lists(STEPS, max_size=25),
    st.sets(st.one_of(st.just(b""), NAMES), min_size=1, max_size=2),
    ACTIONS,
)
def test_markers_stand_where_messages_are_missing_and_say_which(
    steps: list[Any], wants: set[bytes], action: Any
) -> None:
    worker = Worker()
    member, sink = worker.member(*wants, room=0)
    worker.obey(member, SlowPolicy(action, limit_messages=3))
    worker.pump.tell_gaps(member, losses=True, conflated=False)
    matched: list[int] = []
    for now, (verb, *what) in enumerate(steps):
        if verb == "publish":
            for name in what[0]:
                sequence = worker.log.reader.head()
                worker.log.publish(name, b"%d" % sequence + PAYLOAD)
                if name.startswith(tuple(wants)):
                    matched.append(sequence)
                worker.advance(now)
                worker.pump.enforce(now)
        elif verb == "room":
            sink.room += what[0]
            worker.serve(member, now)
        elif verb == "policy":
            worker.obey(member, SlowPolicy(what[0], limit_messages=what[1]), now)
            worker.pump.enforce(now)
        else:
            wants = what[0]
            worker.pump.subscribe(member, wants, now)
    sink.room = 1 << 30
    worker.serve(member, len(steps))
    worker.pump.settle(member)

    missing = list(matched)
    told: list[dict[str, Any]] = []
    for part in [*parts_of(sink.taken), worker.log.reader.head()]:
        if isinstance(part, dict):
            told.append(part)
            continue
        lost = [sequence for sequence in missing if sequence < part]
        del missing[: len(lost) + (part in missing)]
        assert bool(told) == bool(lost)
        if lost:
            assert (told[0]["first"], told[-1]["last"]) == (lost[0], lost[-1])
            assert sum(one["count"] for one in told) == len(lost)
            assert all(one["epoch"] == worker.log.reader.epoch for one in told)
        told = []
    assert missing == []
    assert member.sent + member.dropped == member.matched == len(matched)
    assert member.sent_bytes + member.spoken_bytes == len(sink.taken)
