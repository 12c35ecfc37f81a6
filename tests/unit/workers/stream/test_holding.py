"""Holding: for whom the publisher is to wait, and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.reasons import Reason
from fanout.shm.layout import PAGE, Layout
from fanout.terms.slow_policy import SlowPolicy
from fanout.zmtp.frames import encode_message
from tests.helpers.log import Worker

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member
    from tests.helpers.log import Sink

SECOND = 1_000_000_000
LARGE = Layout(16 * PAGE, 1_024, 4)
MESSAGE = encode_message((b"A", bytes(10)))


def _publish(worker: Worker, count: int, topic: bytes = b"A", now: int = 0) -> None:
    for _ in range(count):
        worker.log.publish(topic, bytes(10))
    worker.advance(now)
    worker.enforce(now)


@pytest.mark.parametrize(
    "policy",
    [
        SlowPolicy("block", limit_messages=32),
        SlowPolicy("block", limit_bytes=32 * len(MESSAGE)),
        SlowPolicy("block", limit_messages=32, limit_bytes=10_000, limit_age=100),
    ],
)
def test_who_is_over_a_limit_is_waited_for_until_it_is_a_sixteenth_below(
    policy: SlowPolicy,
) -> None:
    worker = Worker(LARGE)
    member, sink = worker.member(b"A", room=0)
    worker.obey(member, policy)
    _publish(worker, 32)
    _publish(worker, 100, b"B")  # that it does not want
    assert not worker.pump.held_by(0)
    _publish(worker, 1)
    assert worker.pump.held_by(0)
    assert worker.pump.is_in_the_way(member, 0)
    for taken in range(3):  # 33 wait, until 30 do
        assert worker.pump.held_by(0), taken
        sink.room = len(MESSAGE)
        worker.serve(member)
    assert member.queued == 30
    assert not worker.pump.held_by(0)
    assert not worker.pump.is_in_the_way(member, 0)
    assert (member.dropped, member.conflated) == (0, 0)


def test_whose_oldest_message_is_too_old_is_waited_for_as_well() -> None:
    worker = Worker(LARGE)
    member, sink = worker.member(b"A", room=0)
    worker.obey(member, SlowPolicy("block", limit_age=2))
    _publish(worker, 1)
    worker.enforce(2 * SECOND)
    assert not worker.pump.held_by(2 * SECOND)
    worker.enforce(2 * SECOND + 1)
    assert worker.pump.held_by(2 * SECOND + 1)
    sink.room = 1_000
    worker.serve(member)
    assert not worker.pump.held_by(2 * SECOND + 1)


def _held(count: int = 1) -> tuple[Worker, list[tuple[Member, Sink]]]:
    worker = Worker(LARGE)
    members = [worker.member(b"A", room=0) for _ in range(count)]
    for member, _sink in members:
        worker.obey(member, SlowPolicy("block", limit_messages=4))
    _publish(worker, 5)
    assert worker.pump.held_by(0)
    return worker, members


@pytest.mark.parametrize("policy", [SlowPolicy(), SlowPolicy("block"), SlowPolicy("conflate")])
def test_with_another_policy_nobody_waits_for_it(policy: SlowPolicy) -> None:
    worker, [(member, _sink)] = _held()
    worker.obey(member, policy)

    assert not worker.pump.held_by(0)


def test_nobody_waits_for_who_is_gone_or_given_up() -> None:
    worker, [(first, _), (second, _), (third, _)] = _held(3)
    worker.pump.remove(second)
    assert second not in worker.pump.holding
    worker.pump.give_up(third, Reason.SEND_TIMEOUT, "")
    assert worker.pump.held_by(0)
    worker.pump.remove(first)

    assert not worker.pump.held_by(0)
    assert third not in worker.pump.holding


def test_of_several_all_are_waited_for() -> None:
    worker, members = _held(3)
    for member, sink in members:
        assert worker.pump.held_by(0) == member.id
        sink.room = 1 << 20
        worker.serve(member)

    assert not worker.pump.held_by(0)


def test_who_is_sent_what_it_has_missed_holds_nobody_up() -> None:
    worker, [(member, _sink)] = _held()
    assert member.cohort is not None
    worker.pump.replay(member, 0, 5, member.cohort, 0)
    worker.enforce()

    assert not worker.pump.held_by(0)


@pytest.mark.parametrize("policy", [SlowPolicy(limit_messages=600), SlowPolicy("block")])
def test_who_held_it_up_and_does_not_any_more_is_in_the_way_as_others_are(
    policy: SlowPolicy,
) -> None:
    """It is forgotten once it is the first of them: until then another one is looked at."""
    worker, [_, (member, _sink)] = _held(2)
    worker.obey(member, policy)
    assert not worker.pump.is_in_the_way(member, 0)
    _publish(worker, 550)  # more than half of the log, and of 7/8 of the limit

    assert member in worker.pump.holding
    assert worker.pump.is_in_the_way(member, 0)
