"""Holding: for whom the publisher is to wait, and until when."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fanout.reasons import Reason
from fanout.shm.credit import FREE, NO_ROOM, USED_UP
from fanout.shm.layout import PAGE, Layout
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.stream.holding import NEAR_PART, QUIET_TURNS, ROOM_PART, ROOMS_MAX
from fanout.zmtp.frames import encode_message
from tests.helpers.log import Worker, always_late

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member
    from tests.helpers.log import Sink

SECOND = 1_000_000_000
POLICY = SlowPolicy("block", limit_messages=8)
LARGE = Layout(16 * PAGE, 1_024, 4)
MESSAGE = encode_message((b"A", bytes(10)))


class Doubled:
    """An encoding."""

    shared = True

    def encode(self, piece: bytes, _number: int) -> bytes:
        return piece * 2


def held_by(worker: Worker, now: int = 0) -> int:
    """For whom the publisher is to wait."""
    return worker.pump.allowed(now).subscriber


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
def test_who_is_at_a_limit_is_waited_for_until_it_is_a_sixteenth_below(
    policy: SlowPolicy,
) -> None:
    worker = Worker(LARGE)
    member, sink = worker.member(b"A", room=0)
    worker.obey(member, policy)
    _publish(worker, 31)
    _publish(worker, 100, b"B")  # that it does not want
    assert not held_by(worker)
    _publish(worker, 1)
    assert held_by(worker)
    assert worker.pump.is_in_the_way(member, 0)
    for taken in range(2):  # 32 wait, until 30 do
        assert held_by(worker), taken
        sink.room = len(MESSAGE)
        worker.serve(member)
    assert member.queued == 30
    assert not held_by(worker)
    assert not worker.pump.is_in_the_way(member, 0)
    assert (member.dropped, member.conflated) == (0, 0)


def test_whose_oldest_message_is_too_old_is_waited_for_as_well() -> None:
    worker = Worker(LARGE)
    member, sink = worker.member(b"A", room=0)
    worker.obey(member, SlowPolicy("block", limit_age=2))
    _publish(worker, 1)
    worker.enforce(2 * SECOND)
    assert not held_by(worker, 2 * SECOND)
    worker.enforce(2 * SECOND + 1)
    assert held_by(worker, 2 * SECOND + 1)
    sink.room = 1_000
    worker.serve(member)
    assert not held_by(worker, 2 * SECOND + 1)


def _held(count: int = 1) -> tuple[Worker, list[tuple[Member, Sink]]]:
    worker = Worker(LARGE)
    members = [worker.member(b"A", room=0) for _ in range(count)]
    for member, _sink in members:
        worker.obey(member, SlowPolicy("block", limit_messages=4))
    _publish(worker, 4)
    assert held_by(worker)
    return worker, members


@pytest.mark.parametrize("policy", [SlowPolicy(), SlowPolicy("block"), SlowPolicy("conflate")])
def test_with_another_policy_nobody_waits_for_it(policy: SlowPolicy) -> None:
    worker, [(member, _sink)] = _held()
    worker.obey(member, policy)

    assert not held_by(worker)


def test_nobody_waits_for_who_is_gone_or_given_up() -> None:
    worker, [(first, _), (second, _), (third, _)] = _held(3)
    worker.pump.remove(second)
    assert second not in worker.pump.holding
    worker.pump.give_up(third, Reason.SEND_TIMEOUT, "")
    assert held_by(worker)
    worker.pump.remove(first)

    assert not held_by(worker)
    assert third not in worker.pump.holding


def test_of_several_all_are_waited_for() -> None:
    worker, members = _held(3)
    for member, sink in members:
        assert held_by(worker) == member.id
        sink.room = 1 << 20
        worker.serve(member)

    assert not held_by(worker)


def test_who_is_sent_what_it_has_missed_holds_nobody_up() -> None:
    worker, [(member, _sink)] = _held()
    assert member.cohort is not None
    worker.pump.replay(member, 0, 4, member.cohort, 0)
    worker.enforce()

    assert not held_by(worker)


def left(worker: Worker) -> tuple[int, int]:
    """How many messages and bytes may come before it looks again; more than there can be = any."""
    log = worker.log.reader
    credit = worker.pump.allowed(0).credit
    return credit.sequence - worker.pump.front, credit.position - log.start_of(worker.pump.front)


def test_a_whole_limit_is_left_to_who_has_everything_and_the_least_counts() -> None:
    worker = Worker(LARGE)
    assert worker.pump.allowed(0).credit == FREE
    first, _sink = worker.member(b"A")
    worker.obey(first, SlowPolicy("block", limit_messages=32))
    assert left(worker)[0] == 32
    second, _sink = worker.member(b"A")
    worker.obey(second, SlowPolicy("block", limit_messages=8, limit_bytes=5_000))
    _publish(worker, 3)
    assert left(worker) == (8, 5_000)
    worker.obey(second, SlowPolicy("drop_oldest", limit_messages=2))
    assert left(worker)[0] == 32
    worker.pump.remove(first)
    assert worker.pump.allowed(0).credit == FREE


def test_what_waits_is_missing_and_what_it_does_not_want_is_given_back() -> None:
    worker = Worker(LARGE)
    member, sink = worker.member(b"A", room=0)
    worker.obey(member, SlowPolicy("block", limit_messages=32, limit_bytes=40 * len(MESSAGE)))
    _publish(worker, 20)
    assert left(worker) == (12, 20 * len(MESSAGE))
    _publish(worker, 5, b"B")
    assert left(worker)[0] == 7, "as if it wanted that, as long as nobody has looked"
    _publish(worker, 7, b"B")
    assert left(worker) == (12, 20 * len(MESSAGE))
    sink.room = 1 << 20
    worker.serve(member)
    assert left(worker) == (32, 40 * len(MESSAGE)), "it has everything"


def test_who_has_taken_some_leaves_that_when_it_is_looked_at_and_who_held_at_once() -> None:
    worker, [(member, sink)] = _held()
    assert worker.pump.allowed(0) == (member.id, USED_UP, True)
    sink.room = 2 * len(MESSAGE)
    worker.serve(member)
    assert left(worker)[0] == 2


def test_of_who_is_held_all_that_comes_is_taken_for_wanted() -> None:
    """What it wants now is being reported: nobody knows yet what of that is due to it."""
    worker = Worker(LARGE)
    member, _sink = worker.member(b"A")
    worker.obey(member, SlowPolicy("block", limit_messages=8))
    worker.pump.hold(member)
    for some in (5, 3):
        _publish(worker, some, b"B")
    assert left(worker)[0] == 0
    worker.pump.release(member, (b"A", b"C"), worker.pump.front, 0)
    worker.enforce()
    assert left(worker)[0] == 8


def test_an_age_bounds_no_messages() -> None:
    worker = Worker(LARGE)
    member, _sink = worker.member(b"A", room=0)
    worker.obey(member, SlowPolicy("block", limit_age=2))
    _publish(worker, 20)
    assert worker.pump.allowed(0).credit == FREE


def publish_only(worker: Worker, count: int) -> None:
    """Nobody is judged."""
    for _ in range(count):
        worker.log.publish(b"A", bytes(10))
    worker.advance()


def test_it_is_not_final_before_who_waits_was_looked_at() -> None:
    worker = Worker(LARGE)
    member, _sink = worker.member(b"A", room=0)
    other, _sink = worker.member(b"A", room=0)
    worker.obey(member, POLICY)
    publish_only(worker, 5)
    assert not worker.pump.allowed(0).is_final
    worker.enforce()
    assert worker.pump.allowed(0).is_final
    assert worker.pump.allowed(0).credit.sequence == worker.pump.front + 3
    publish_only(worker, 3)
    worker.enforce()
    assert worker.pump.allowed(0) == (member.id, USED_UP, True)
    worker.obey(other, SlowPolicy())
    assert worker.pump.allowed(0).is_final, "others do not matter"


def test_where_there_was_no_time_to_look_it_is_not_final_either() -> None:
    worker = Worker(LARGE, part=always_late())
    members = [worker.member(b"A", room=0)[0] for _ in range(3)]
    for member in members:
        worker.obey(member, POLICY)
    publish_only(worker, 5)
    assert worker.pump.enforce(0)
    assert not worker.pump.allowed(0).is_final
    worker.enforce()
    assert worker.pump.allowed(0).is_final


def test_who_is_given_up_leaves_as_much_as_there_is() -> None:
    worker = Worker(LARGE)
    member, _sink = worker.member(b"A", room=0)
    worker.obey(member, POLICY)
    worker.pump.remove(member)
    assert worker.pump.allowed(0).credit == FREE


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


def room(worker: Worker) -> int:
    """How many bytes its sockets are said to take from the front on; 0 = nothing is said."""
    log = worker.log.reader
    room = worker.pump.allowed(0).credit.room
    return max(0, room - log.start_of(worker.pump.front)) if room > NO_ROOM else 0


def free_of(member: Member, size: int) -> None:
    member.free = lambda: size


def test_what_all_sockets_have_room_for_is_said_but_for_a_part() -> None:
    worker = Worker(LARGE)
    first, second = (worker.member(b"A")[0] for _ in range(2))
    for member in (first, second):
        worker.obey(member, POLICY)
    free_of(first, 4_000)
    _publish(worker, 1)
    assert room(worker) == 0, "of the other one it is not known"
    free_of(second, 3_000)
    assert room(worker) == 3_000 * ROOM_PART
    worker.pump.remove(second)
    assert room(worker) == 4_000 * ROOM_PART


@pytest.mark.parametrize("free", [2_000, 0])
def test_what_was_said_before_is_taken_back_only_if_it_is_not_so(free: int) -> None:
    worker = Worker(LARGE)
    member, _sink = worker.member(b"A")
    worker.obey(member, POLICY)
    free_of(member, 4_000)
    _publish(worker, 1)
    assert room(worker) == 3_000
    free_of(member, 3_600)  # something has less room there than it has bytes
    assert room(worker) == 3_000
    free_of(member, free)
    assert room(worker) == free * ROOM_PART


def test_nothing_is_said_of_sockets_while_one_of_them_is_full() -> None:
    worker = Worker(LARGE)
    members = [worker.member(b"A"), worker.member(b"A", room=len(MESSAGE))]
    for member, _sink in members:
        worker.obey(member, POLICY)
        free_of(member, 4_000)
    _publish(worker, 1)
    assert room(worker) == 3_000
    _publish(worker, 1)
    assert members[1][0].queued == 1
    assert room(worker) == 0
    members[1][1].room = 1 << 20
    worker.serve(members[1][0])
    assert room(worker) == 3_000


def test_nothing_is_said_of_who_is_sent_other_bytes_or_no_more_than_a_rate() -> None:
    worker = Worker(LARGE)
    member, _sink = worker.member(b"A")
    free_of(member, 4_000)
    for policy in (replace(POLICY, max_rate=1 << 20), POLICY):
        worker.obey(member, policy)
        assert (room(worker) > 0) is (policy is POLICY)
    other, _sink = worker.member(b"B", encoding=Doubled())
    free_of(other, 4_000)
    worker.obey(other, POLICY)
    assert room(worker) == 0


def test_sockets_are_not_asked_while_what_comes_in_a_turn_is_little_beside_a_limit() -> None:
    """That is a system call for each of them, in each turn; it was half as much as to send."""
    worker, asked = Worker(LARGE), [0]
    member, _sink = worker.member(b"A")

    def free() -> int:
        asked[0] += 1
        return 4_000

    worker.obey(member, replace(POLICY, limit_messages=NEAR_PART + 1))
    member.free = free
    for _ in range(QUIET_TURNS - 1):
        _publish(worker, 1)
        assert room(worker) == 3_000
    before = asked[0]
    for _ in range(3):
        _publish(worker, 1)
        assert room(worker) == 0
    assert asked[0] == before
    _publish(worker, 2)  # more than an eighth
    assert room(worker) == 3_000


def test_more_sockets_than_some_are_not_asked() -> None:
    worker = Worker(LARGE)
    members = [worker.member(b"A")[0] for _ in range(ROOMS_MAX + 1)]
    for member in members:
        worker.obey(member, POLICY)
        free_of(member, 4_000)
    assert room(worker) == 0
    worker.pump.remove(members[0])
    assert room(worker) == 3_000
