"""Turns: a nap is for new messages only, and progress is what becomes of them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from fanout.basics.units import NS
from fanout.control.conduct import Throttled
from fanout.options import Options
from fanout.shm.layout import PAGE, Layout
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.naps import Naps
from fanout.workers.policy.choice import policy_of
from fanout.workers.stream.member import BLOCKED, HELD, Member
from fanout.workers.tuning import TUNING
from fanout.workers.worker import Worker
from tests.helpers.around import Around
from tests.helpers.log import SMALL, Sink
from tests.helpers.log import Worker as Members
from tests.helpers.taking_over import TakingOver, messages_in

if TYPE_CHECKING:
    from collections.abc import Iterator


class Sleepy(Naps):
    """Naps whenever it may."""

    def learn(self, *_what: int) -> bool:
        return True

    def pause(self, *_what: object) -> float:
        return 0.005


class Napping(Around):
    """Surroundings in which every nap is interrupted at once."""

    def naps(self) -> Naps:
        return Sleepy(self.log.size)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Turns:
    """A worker with one member, and its turns."""

    def __init__(self, around: Around) -> None:
        self.around = around
        self.worker = Worker(Options(), around)
        self.sink = Sink()
        self.member = Member(1, self.sink, Members().policy)
        self.worker.tail.protect_front()
        self.worker.pump.subscribe(self.member, [b""])

    def publish(self) -> None:
        self.around.written.publish(b"A", b"one")

    @property
    def progress(self) -> int:
        return self.worker.figures.progress


class Held:
    """What is asked of the peer of one that is held."""

    is_going_back = False

    def __init__(self, member: Member, wants: list[bytes]) -> None:
        self.member = member
        self.wants = wants


@pytest.fixture
def napping() -> Iterator[Turns]:
    turns = Turns(Napping(SMALL))
    turns.publish()
    turns.worker.sending_turn()
    assert turns.worker.idling.is_napping(NS), "after its turn"
    yield turns
    turns.around.close()


@pytest.fixture
def turns() -> Iterator[Turns]:
    turns = Turns(Around(SMALL))
    yield turns
    turns.around.close()


def test_who_was_held_goes_on_before_messages_are_seen_that_came_since(turns: Turns) -> None:
    """Others know already that they are wanted: who loses them has them counted."""
    pump, log = turns.worker.pump, turns.around.log
    policy = policy_of(SlowPolicy(limit_messages=2), log.size, log.entries)
    member = Member(2, Sink(room=0), policy)
    pump.subscribe(member, [b"old"])
    for _ in range(2):
        turns.around.written.publish(b"old", b"")
    turns.worker.sending_turn()
    peer: Any = Held(member, [b"old", b"new"])
    turns.worker.tail.promise(peer)
    pump.hold(member)
    for _ in range(8):
        turns.around.written.publish(b"new", b"")
        turns.around.written.publish(b"old", b"")
    turns.worker.sending_turn()

    assert member.dropped > 0
    assert (member.state, member.matched) == (BLOCKED, 2 + 16)
    assert member.matched == member.sent + member.queued + member.dropped


def test_who_is_held_waits_until_the_reports_are_out(turns: Turns) -> None:
    pump, channel = turns.worker.pump, turns.around.channel
    peer: Any = Held(turns.member, [b""])
    turns.worker.tail.promise(peer)
    pump.hold(turns.member)
    channel.stuck = True
    channel.post(Throttled(1))

    turns.worker.sending_turn()

    assert turns.member.state is HELD


@pytest.mark.parametrize(("hurry", "sent"), [(False, 1), (True, 2)])
def test_in_a_nap_new_messages_wait_unless_somebody_hurries(
    napping: Turns, hurry: bool, sent: int
) -> None:
    napping.publish()

    napping.worker.sending_turn(hurry=hurry)

    napping.worker.pump.settle(napping.member)
    assert napping.member.sent == sent


def test_in_a_nap_who_is_behind_is_served(napping: Turns) -> None:
    napping.sink.room = 0
    napping.publish()
    napping.worker.sending_turn(hurry=True)
    behind = napping.member.blocked
    napping.worker.sending_turn()  # naps again
    napping.sink.room = 1 << 40
    napping.worker.pump.writable(napping.member)

    napping.worker.sending_turn()

    assert behind
    assert not napping.member.blocked


def test_turns_that_ask_for_a_turn_get_one(napping: Turns) -> None:
    for _ in range(3):
        napping.worker.sending_turn()

    assert len(napping.around.loop.soon) == 1


def test_a_turn_that_sends_or_has_nothing_to_do_is_progress(turns: Turns) -> None:
    turns.worker.sending_turn()
    idle = turns.progress
    turns.publish()
    turns.worker.sending_turn()

    assert (idle, turns.progress) == (1, 2)


def test_a_turn_in_a_nap_with_messages_waiting_is_none(napping: Turns) -> None:
    before = napping.progress
    napping.publish()
    napping.worker.sending_turn()

    assert napping.progress == before


def test_the_last_figures_are_written_at_the_end_of_a_tick(turns: Turns) -> None:
    turns.publish()
    turns.worker.sending_turn()
    turns.worker.tick()

    slot = turns.around.slot
    assert (slot.matched, slot.sent, slot.front, slot.heartbeat) == (1, 1, 1, NS)


def test_a_long_list_that_nobody_wants_any_more_is_taken_out_a_piece_a_turn(turns: Turns) -> None:
    """It was one step, of up to 0.2 s, for which everybody waited."""
    worker, cohorts = turns.worker, turns.worker.pump.cohorts
    worker.pump.subscribe(turns.member, [b"%d" % index for index in range(10_000, 12_500)])
    worker.pump.subscribe(turns.member, [b"A"])
    left = [cohorts.left]
    while left[-1]:
        worker.turn()
        left.append(cohorts.left)
        assert len(turns.around.loop.soon) == 1, "nobody else asks for the next turn"
    assert left == [1_500, 500, 0]
    assert list(cohorts.direct) == [turns.member.cohort]


def test_who_comes_goes_before_what_is_left_of_who_is_gone(turns: Turns) -> None:
    worker, cohorts = turns.worker, turns.worker.pump.cohorts
    worker.pump.subscribe(turns.member, [b"%d" % index for index in range(10_000, 14_500)])
    worker.pump.subscribe(turns.member, [b"A"])
    left = []
    for _turn in range(16):
        worker.reads.has_changed = True
        worker._take_out()
        left.append(cohorts.left)
    assert [left.index(each) for each in (3_500, 2_500, 1_500)] == [0, 7, 15]


@pytest.mark.parametrize("policy", ["drop_oldest", "block"])
def test_who_subscribes_to_more_gets_nothing_that_was_published_before(policy: Any) -> None:
    """Its worker has slept meanwhile, since nobody wanted that, and looks when it is spoken to."""
    layout = Layout(64 * PAGE, 1024, 64)
    with closing(TakingOver(layout, TUNING, 1, 1 << 20)) as taking:
        (worker,) = taking.workers
        taking.connect([b"A"], worker, 1 << 20)
        one = taking.connect([b"B"], worker, 1 << 20)
        taking.set_policy(one, SlowPolicy(policy, limit_messages=1_000))
        taking.settle(worker)
        for _ in range(500):
            assert taking.publish(b"C", b"before")
        one.session.subscribe(b"C")
        one.say()
        taking.turn(worker)
        taking.publish(b"C", b"after")
        taking.settle(worker)

        assert [*messages_in(bytes(one.received))] == [(b"C", b"after")]
