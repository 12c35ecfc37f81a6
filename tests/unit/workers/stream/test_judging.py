"""Members that are far behind are judged, lose what their policies say, and are reported."""

from __future__ import annotations

from fanout.workers.stream.effects import Recovered, Slowed
from tests.helpers.log import Worker


def test_small_messages_reach_the_limit_before_they_fill_the_index() -> None:
    """Of the smallest messages, the index holds fewer than the limit in bytes allows."""
    worker = Worker()
    member, _ = worker.member(b"", room=0)
    for _ in range(40):
        worker.log.publish(b"")
    worker.advance()

    worker.pump.enforce(0)

    assert worker.pump.front - worker.pump.move_tail() <= 32  # half of 64
    assert member.dropped == 40 - member.queued
    assert [type(effect) for effect in worker.pump.effects] == [Slowed]


def test_who_lost_messages_and_catches_up_is_reported_once() -> None:
    worker = Worker(limit_bytes=64)
    member, sink = worker.member(b"", room=0)
    for _ in range(3):
        for number in range(20):
            worker.log.publish(b"A", b"%08d" % number)
        worker.advance()
        worker.pump.enforce(0)
    sink.room = 1 << 40

    worker.serve(member)

    assert [type(effect) for effect in worker.pump.effects] == [Slowed, Recovered]
    assert member.matched == member.sent + member.dropped == 60
