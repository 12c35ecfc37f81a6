"""Spills: one copy of a message for all who have a rest of it, and a limit for all copies."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from fanout.reasons import Reason
from fanout.shm.layout import PAGE, Layout
from fanout.workers.stream.effects import Lost
from fanout.workers.stream.member import LOST
from fanout.workers.tuning import Tuning
from fanout.zmtp.frames import encode_message
from fanout.zmtp.legacy import ZMTP_1
from tests.helpers.log import SMALL, Worker

if TYPE_CHECKING:
    from fanout.zmtp.encoding import Encoding

BODY = bytes(range(256)) * 20
LARGE = encode_message([BODY])
MEMBERS = 50


@pytest.mark.parametrize("encoding", [None, ZMTP_1], ids=["as it is", "in ZMTP 1.0"])
def test_many_in_the_middle_of_one_message_have_one_copy_of_it(encoding: Encoding | None) -> None:
    worker = Worker()
    members = [worker.member(b"", room=1 + n, encoding=encoding)[0] for n in range(MEMBERS)]
    worker.log.publish(BODY)
    worker.advance()
    backlog, front = worker.pump.backlog, worker.pump.front

    for member in members:
        backlog.jump(member, front, front, Reason.LAG)

    rests = [member.spill for member in members]
    whole = LARGE if encoding is None else encoding.encode(LARGE, 0)
    assert rests == [whole[1 + n :] for n in range(MEMBERS)]
    assert len({id(rest.obj) for rest in rests if isinstance(rest, memoryview)}) == 1
    assert backlog.spills.size() == len(whole)


def test_the_copy_goes_with_the_last_of_them() -> None:
    worker = Worker()
    (one, sink), (two, _) = worker.member(b"", room=1), worker.member(b"", room=9)
    worker.log.publish(BODY)
    worker.advance()
    pump = worker.pump
    gc.disable()  # with the last reference, not with the next collection: a worker has none
    try:
        for member in (one, two):
            pump.backlog.jump(member, pump.front, pump.front, Reason.LAG)
        sink.room = 1 << 40
        worker.serve(one)
        assert sink.taken == LARGE
        assert pump.backlog.spills.size() == len(LARGE)
        pump.remove(two)
        del two, member
        assert pump.backlog.spills.size() == 0
    finally:
        gc.enable()


def test_who_is_longest_in_the_middle_of_a_message_makes_room_for_others() -> None:
    """Each is in the middle of another message, of which the log keeps none any more."""
    worker = Worker(Layout(8 * PAGE, 64, 1), tuning=Tuning(spill_logs=1))
    limit = worker.log.reader.size
    members = []
    for _ in range(8):
        members.append(worker.member(b"", room=1)[0])
        worker.log.publish(BODY)
        worker.advance()
        worker.pump.backlog.jump(members[-1], worker.pump.front, worker.pump.front, Reason.LAG)
    assert worker.pump.backlog.spills.size() == 8 * len(LARGE) > limit

    worker.pump.enforce(0)

    lost = [effect for effect in worker.pump.effects if isinstance(effect, Lost)]
    assert [effect.member for effect in lost] == members[:2]
    assert {effect.reason for effect in lost} == {Reason.TORN}
    assert [member.state is LOST for member in members] == [True] * 2 + [False] * 6
    assert worker.pump.backlog.spills.size() == 6 * len(LARGE) <= limit
    worker.pump.effects.clear()
    worker.pump.enforce(0)
    assert worker.pump.effects == []


def test_who_has_left_keeps_no_copy_though_somebody_refers_to_it() -> None:
    worker = Worker()
    member, _ = worker.member(b"", room=1)
    worker.log.publish(BODY)
    worker.advance()
    worker.pump.backlog.jump(member, worker.pump.front, worker.pump.front, Reason.LAG)
    assert worker.pump.backlog.spills.size() == len(LARGE)

    worker.pump.remove(member)

    assert worker.pump.backlog.spills.size() == 0


def test_who_has_just_made_progress_is_still_longest_in_the_middle_of_its_message() -> None:
    worker = Worker(Layout(8 * PAGE, 64, 1), tuning=Tuning(spill_logs=1))
    members = []
    for _ in range(8):
        members.append(worker.member(b"", room=1)[0])
        worker.log.publish(BODY)
        worker.advance()
        worker.pump.backlog.jump(members[-1], worker.pump.front, worker.pump.front, Reason.LAG)
    worker.pump.excuse(members[0], now=1)

    worker.pump.enforce(1)

    assert [member.state is LOST for member in members] == [True] * 2 + [False] * 6


def test_as_much_as_the_limit_harms_nobody() -> None:
    worker = Worker(SMALL)
    member, _ = worker.member(b"", room=1)
    worker.log.publish(BODY)
    worker.advance()
    worker.pump.backlog.jump(member, worker.pump.front, worker.pump.front, Reason.LAG)

    worker.pump.enforce(0)

    assert worker.pump.effects == []
