"""A mark tells that all that a subscriber had missed was sent, or told as lost."""

from __future__ import annotations

import msgpack

from fanout.reasons import Reason
from fanout.terms.reserved import SINCE_TOPIC
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.stream.replaying import missed_by
from fanout.zmtp.frames import encode_message
from tests.helpers.log import Worker
from tests.property.test_gaps import parts_of


def test_what_is_lost_of_what_it_had_missed_is_told_before_the_mark() -> None:
    """Who loses what comes, and has nothing to finish with, is told so only when it stops that."""
    worker = Worker()
    pump = worker.pump
    for number in range(10):
        worker.log.publish(b"A", b"%d" % number)
    worker.advance()
    member, sink = worker.member(b"", room=0)
    missed = missed_by((b"",), ())
    assert missed is not None
    pump.tell_gaps(member, losses=True, conflated=False)
    pump.replay(member, 0, pump.front, missed, 0)
    pump.mark(member, 0)
    worker.obey(member, SlowPolicy("drop_newest", limit_messages=2))
    sink.room = 8  # a message, and a part of one
    worker.serve(member)
    for number in range(10, 30):
        worker.log.publish(b"A", b"%d" % number)
    worker.advance()
    pump.backlog.jump(member, 10, pump.front, Reason.LAG_LOG)
    pump.end_replay(member)
    pump.enforce(0)
    assert member.finishing is not None
    pump.backlog.jump(member, 11, pump.front, Reason.LAG_LOG)  # nothing is left to finish with
    sink.room = 1 << 30
    worker.serve(member)

    fields = {"epoch": worker.log.reader.epoch, "at": 10}
    mark = encode_message((SINCE_TOPIC, msgpack.packb(fields)))
    told, _mark, after = sink.taken.partition(mark)
    *numbers, marker = parts_of(told)
    assert numbers == [0, 1]
    assert isinstance(marker, dict)
    assert (marker["first"], marker["last"], marker["count"]) == (2, 29, 28)
    assert (sink.taken.count(mark), after) == (1, b"")


def test_a_mark_stands_where_what_was_missed_ends_though_nothing_of_it_is_there() -> None:
    """Who is behind, with what it does not want, is not to come back for what is gone."""
    worker = Worker()
    pump = worker.pump
    member, sink = worker.member(b"B", room=8)
    for topic in (b"B", b"A", b"A"):
        worker.log.publish(topic, b"a long payload")
    worker.advance()
    assert member.sequence < pump.front
    until = pump.front
    pump.subscribe(member, (b"A",))
    missed = missed_by((b"A",), ())
    assert missed is not None
    pump.replay(member, until, until, missed, 0)
    pump.mark(member, 0, until)
    worker.log.publish(b"A", b"9")
    worker.advance()
    sink.room = 1 << 30
    worker.serve(member)

    fields = {"epoch": worker.log.reader.epoch, "at": until}
    mark = encode_message((SINCE_TOPIC, msgpack.packb(fields)))
    first, after = encode_message((b"B", b"a long payload")), encode_message((b"A", b"9"))
    assert sink.taken == first + mark + after
