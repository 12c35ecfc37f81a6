"""Silence: who takes nothing is looked at several times, and lost only if that is reason to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.reasons import Reason
from fanout.workers.policy.block import Block
from fanout.workers.policy.limits import Limits
from fanout.workers.stream.effects import Effect, Lost, Recovered, Stalled
from fanout.workers.stream.silence import GAP_NS, TRIES_PER_LOOK, USUAL_NS, Silence, Witness
from fanout.workers.stream.turn_part import TurnPart
from tests.helpers.log import Sink, Worker

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member

SECOND = 1_000_000_000
TICK = SECOND // 10
BEGIN = 1_000 * SECOND
PATIENCE = 1_000  # bytes


class Watched:
    """A pump with one blocked member, and who watches it.

    Attributes:
        unsent: what the kernel holds for it.
        asked: how often that was asked for.
        now: monotonic ns.
    """

    def __init__(self, behind: int = 0) -> None:
        self.worker = Worker()
        self.pump = self.worker.pump
        self.worker.policy = Block(patience=Limits(log_bytes=PATIENCE, log_messages=1_000))
        self.member, self.sink = self.add(behind)
        self.unsent = 1_000_000
        self.asked = 0
        self.now = BEGIN
        self.silence = Silence(self.pump, 5 * SECOND, 30 * SECOND, self._unsent)

    def add(self, behind: int = 0) -> tuple[Member, Sink]:
        """A member that takes nothing, and is at least so many bytes behind."""
        member, sink = self.worker.member(b"", room=0)
        self.worker.log.publish(b"A", b"x" * (behind + 1))
        self.worker.advance(BEGIN)
        return member, sink

    def _unsent(self, _member: Member) -> int:
        self.asked += 1
        return self.unsent

    def look_until(self, seconds: float) -> list[Effect]:
        """A look each tick up to so many seconds after the begin; what was found out."""
        while self.now < BEGIN + round(seconds * SECOND):
            self.now += TICK
            self.silence.look(self.now)
        effects, self.pump.effects = self.pump.effects, []
        return effects


def test_who_is_in_the_way_is_reported_after_half_of_send_timeout_and_lost_after_it() -> None:
    watched = Watched(behind=PATIENCE)

    assert watched.look_until(2.4) == []
    (stalled,) = watched.look_until(4.9)
    assert stalled == Stalled(watched.member, "has taken nothing for 2.5 s")
    (lost,) = watched.look_until(5.0)

    assert isinstance(lost, Lost)
    assert (lost.member, lost.reason) == (watched.member, Reason.SEND_TIMEOUT)
    assert lost.text.startswith("took nothing for 5 s (send_timeout) and is 1,0")
    assert watched.asked == 4, "at each quarter"


def test_who_is_not_in_the_way_has_time_until_stall_timeout() -> None:
    watched = Watched()

    assert [type(effect) for effect in watched.look_until(29.9)] == [Stalled]
    (lost,) = watched.look_until(30.0)

    assert isinstance(lost, Lost)
    assert (lost.reason, lost.text) == (
        Reason.STALL_TIMEOUT,
        "took nothing for 30 s (stall_timeout)",
    )


def test_who_gets_into_the_way_later_is_lost_soon() -> None:
    watched = Watched()
    watched.look_until(12)

    watched.worker.log.publish(b"A", b"x" * PATIENCE)
    watched.worker.advance(watched.now)
    (lost,) = watched.look_until(13.3)  # a quarter of send_timeout later at most

    assert isinstance(lost, Lost)
    assert lost.reason is Reason.SEND_TIMEOUT


def test_one_that_recovers_is_reported_once_more() -> None:
    watched = Watched()
    assert [type(effect) for effect in watched.look_until(10)] == [Stalled]

    watched.sink.room = 1 << 20
    watched.worker.serve(watched.member, watched.now)

    assert watched.pump.effects == [Recovered(watched.member)]
    assert not watched.member.stalled


def test_who_drains_without_saying_so_is_not_lost() -> None:
    """A socket is reported when a third of its buffer is free; a trickle frees less in time."""
    watched = Watched(behind=PATIENCE)
    for second in range(1, 60):
        watched.sink.room = 1
        assert not [e for e in watched.look_until(second) if isinstance(e, Lost)]


def test_a_lost_event_costs_a_quarter_of_send_timeout() -> None:
    """The socket has room, and nobody was told."""
    watched = Watched(behind=PATIENCE)
    watched.sink.room = 1 << 20

    watched.look_until(1.3)

    assert not watched.member.blocked


def test_a_late_event_that_got_lost_costs_a_quarter_of_send_timeout_too() -> None:
    """Who has been silent for long has room, and nobody was told."""
    for seconds in (3.0, 20.0):
        watched = Watched()
        watched.look_until(seconds)
        assert list(watched.pump.blocked) == [watched.member]
        watched.sink.room = 1 << 20

        effects = watched.look_until(seconds + 1.4)

        assert not watched.pump.blocked
        assert effects == [Recovered(watched.member)]


def test_who_is_only_tried_again_keeps_nobody_from_being_looked_at() -> None:
    watched = Watched()
    for _ in range(3 * TRIES_PER_LOOK):
        watched.add()
    watched.look_until(10)
    late, _ = watched.worker.member(b"", room=0)
    watched.worker.log.publish(b"A", b"x")
    watched.worker.advance(watched.now)

    effects = watched.look_until(12.6)  # half of send_timeout later, and a tick

    assert [effect.member for effect in effects if isinstance(effect, Stalled)] == [late]


def test_who_is_only_tried_again_has_his_turn_though_there_is_no_time() -> None:
    """One in each look, whoever else is due."""
    watched = Watched()
    others = [watched.add() for _ in range(3)]
    watched.look_until(3)
    watched.silence._part = TurnPart(lambda: 1)
    for _, sink in ((watched.member, watched.sink), *others):
        sink.room = 1 << 20

    watched.look_until(8)

    assert not watched.pump.blocked


def test_who_waited_for_his_turn_when_the_worker_was_stopped_is_looked_at() -> None:
    """His time begins when he is given a cursor, not with the round."""
    watched = Watched()
    late, _ = watched.worker.member(b"", room=0)
    watched.look_until(10)
    watched.pump.waiting.add(late)
    watched.pump.change(late, [b"A"], [b"A"], [b""], watched.now)
    watched.worker.serve(late, watched.now)

    effects = watched.look_until(12.6)

    assert [effect.member for effect in effects if isinstance(effect, Stalled)] == [late]


def test_what_the_peer_acknowledges_is_a_sign_of_life() -> None:
    """Its socket takes nothing yet: the kernel holds more than its buffer may."""
    watched = Watched(behind=PATIENCE)
    for second in range(1, 60):
        watched.unsent -= 1
        assert watched.look_until(second) == []


def test_silence_that_nobody_was_there_to_see_does_not_count() -> None:
    """The worker was stopped, with all others: nobody could read meanwhile."""
    watched = Watched(behind=PATIENCE)
    watched.look_until(1.0)

    watched.now += 3_600 * SECOND
    assert watched.look_until(3_601.0) == []
    assert [type(effect) for effect in watched.look_until(3_602.5)] == [Stalled]
    assert [type(effect) for effect in watched.look_until(3_605.0)] == [Lost]


def test_who_has_room_but_wants_nothing_of_much_is_not_silent() -> None:
    """It walks through messages for others, a few steps in each turn, and sends nothing by that."""
    watched = Watched(behind=PATIENCE)
    watched.look_until(4.9)
    watched.pump.runnable[watched.member] = None
    watched.pump._serve_steps = 0  # as if the steps were not enough

    assert watched.look_until(5.5) == []


def test_held_members_and_lost_ones_are_left_alone() -> None:
    watched = Watched(behind=PATIENCE)
    watched.pump.hold(watched.member)
    gone, _ = watched.add()
    watched.pump._lose(gone, Reason.BROKEN, "")
    watched.pump.effects.clear()

    assert watched.look_until(60) == []
    assert watched.asked == 0


def test_a_release_does_not_hide_who_is_blocked_for_longer() -> None:
    watched = Watched(behind=PATIENCE)
    watched.pump.hold(watched.member)
    silent, _ = watched.add(PATIENCE)
    watched.look_until(4.5)
    watched.pump.release(watched.member, [b""], watched.pump.front, watched.now)

    lost = [effect.member for effect in watched.look_until(5) if isinstance(effect, Lost)]

    assert lost == [silent]


def test_members_are_looked_at_in_slices() -> None:
    watched = Watched()
    for _ in range(TRIES_PER_LOOK):
        watched.add()
    watched.look_until(1.2)

    watched.look_until(1.3)
    assert watched.asked == TRIES_PER_LOOK
    watched.look_until(1.4)
    assert watched.asked == TRIES_PER_LOOK + 1


def test_nobody_who_has_gone_is_remembered() -> None:
    watched = Watched()
    watched.look_until(3)
    assert watched.silence._due

    watched.pump.remove(watched.member)
    watched.look_until(5.1)

    assert not watched.silence._due


@pytest.mark.parametrize(("gap", "seen"), [(GAP_NS, GAP_NS), (GAP_NS + 1, USUAL_NS)])
def test_of_a_gap_between_looks_little_was_seen(gap: int, seen: int) -> None:
    witness = Witness()
    witness.look(BEGIN)
    witness.look(BEGIN + gap)

    assert witness.seen(BEGIN, BEGIN + gap) == seen
    assert witness.seen(BEGIN - 5, BEGIN + gap + 5) == seen + 10
    assert witness.seen(BEGIN + gap, BEGIN + gap + 7) == 7


@pytest.mark.parametrize("since", [BEGIN, BEGIN + 1, BEGIN + 59 * SECOND, BEGIN + 60 * SECOND - 1])
def test_who_is_blocked_right_after_a_stop_and_before_the_look_is_seen_from_then_on(
    since: int,
) -> None:
    """A turn comes before the tick: the time of the stop is not taken off what follows it."""
    ended = BEGIN + 60 * SECOND
    witness = Witness()
    witness.look(BEGIN)
    witness.look(ended)

    assert witness.seen(since, ended) == min(ended - since, USUAL_NS)
    assert witness.seen(since, ended + 7) == min(ended - since, USUAL_NS) + 7
