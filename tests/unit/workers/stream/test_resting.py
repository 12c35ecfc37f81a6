"""Resting: members that are sent nothing for a while, and what has them go on before its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.stream.effects import Recovered
from fanout.zmtp.frames import encode_message
from tests.helpers.log import Worker

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member
    from tests.helpers.log import Sink

NS = 1_000_000_000
MESSAGE = encode_message((b"A", b"0"))


class Bench:
    """A worker with one member that is sent something once a second at most."""

    def __init__(self, policy: SlowPolicy | None = None) -> None:
        self.worker = Worker()
        self.pump = self.worker.pump
        self.member: Member
        self.sink: Sink
        self.member, self.sink = self.worker.member(b"")
        self.worker.obey(self.member, policy or SlowPolicy("conflate", min_interval=1))

    def publish(self) -> None:
        self.worker.log.publish(b"A", b"0")

    def turn(self, now: int) -> int:
        """All that is due then; returns how many messages it has got."""
        self.worker.advance(now)
        self.pump.wake(now)
        self.worker.enforce(now)
        self.worker.serve(self.member, now)
        return self.sink.taken.count(MESSAGE)

    def sent_one(self) -> None:
        self.publish()
        assert self.turn(0) == 1
        assert self.member in self.pump.rests


def test_after_what_it_was_sent_it_rests_and_then_gets_the_newest() -> None:
    bench = Bench()
    bench.sent_one()
    bench.publish()

    assert bench.pump.waits(bench.member)
    assert bench.pump.next_wake == NS
    assert bench.turn(NS - 1) == 1
    assert bench.turn(NS) == 2
    assert bench.pump.next_wake == 2 * NS


def test_who_has_rested_and_for_whom_nothing_came_asks_for_no_further_wake() -> None:
    bench = Bench()
    bench.sent_one()
    bench.turn(NS)

    assert bench.pump.next_wake is None
    assert bench.pump.waits(bench.member)
    bench.publish()
    assert bench.turn(5 * NS) == 2, "at once: it had rested"


def test_room_in_its_socket_is_of_no_use_to_who_rests_between_two_messages() -> None:
    bench = Bench()
    bench.sent_one()
    bench.pump.have_room([bench.member])

    assert bench.member not in bench.pump.runnable


def test_room_is_used_by_who_has_something_to_say_or_is_in_the_middle_of_a_message() -> None:
    for attribute in ("control", "spill"):
        bench = Bench()
        bench.sent_one()
        setattr(bench.member, attribute, b"bytes")
        bench.pump.have_room([bench.member])

        assert bench.member in bench.pump.runnable


def test_room_is_for_who_is_behind() -> None:
    bench = Bench(SlowPolicy())
    bench.pump.have_room([bench.member])
    assert bench.member not in bench.pump.runnable, "it has everything"
    bench.sink.room = 0
    bench.publish()
    bench.turn(0)
    bench.pump.runnable.clear()
    bench.pump.have_room([bench.member])
    assert bench.member in bench.pump.runnable


def test_who_rests_is_no_more_slow_and_its_time_does_not_run() -> None:
    bench = Bench()
    bench.publish()
    bench.sink.room = 0
    bench.turn(1)
    bench.member.slow = True
    bench.sink.room = 1 << 30
    bench.turn(2)

    assert bench.member in bench.pump.rests
    assert not bench.member.slow
    assert [one for one in bench.pump.effects if isinstance(one, Recovered)]
    assert bench.pump.blocked[bench.member] == 0


def test_who_is_roused_goes_on_and_its_time_begins_if_it_had_rested() -> None:
    bench = Bench()
    bench.sent_one()
    bench.pump.rouse(bench.member, 7)
    assert bench.member in bench.pump.runnable
    assert bench.pump.blocked[bench.member] == 0, "it rests on"
    bench.turn(NS)
    bench.pump.rouse(bench.member, 2 * NS)
    assert bench.pump.blocked[bench.member] == 2 * NS


def test_in_a_hurry_it_gets_what_there_is_and_rests_no_more() -> None:
    bench = Bench()
    bench.sent_one()
    bench.publish()
    bench.pump.runnable.clear()
    bench.pump.hurry(2)

    assert bench.member in bench.pump.runnable
    assert bench.turn(2) == 2
    bench.publish()
    assert bench.turn(3) == 3
    assert not bench.pump.rests


def test_who_is_removed_is_not_woken() -> None:
    bench = Bench()
    bench.sent_one()
    bench.pump.remove(bench.member)

    assert bench.pump.next_wake is None
    bench.publish()
    bench.pump.wake(5 * NS)
    assert bench.member not in bench.pump.runnable


def test_a_rate_is_a_time_to_wake_too_and_the_first_of_both_counts() -> None:
    bench = Bench(SlowPolicy("drop_oldest", max_rate=100))
    bench.sink.room = 1 << 30
    for _ in range(5):
        bench.publish()
    got = bench.turn(0)
    assert 0 < got < 5
    due = bench.pump.next_wake
    assert due is not None
    assert bench.pump.waits(bench.member)
    resting, _sink = bench.worker.member(b"")
    bench.worker.obey(resting, SlowPolicy("conflate", min_interval=1), 0)
    bench.pump.serve(resting, 0)
    bench.pump.rests.add(resting, due - 1)
    first = [bench.pump.next_wake]
    bench.pump.rests.add(resting, due + 1)
    assert [*first, bench.pump.next_wake] == [due - 1, due]
    bench.pump.runnable.clear()
    bench.pump.wake(due)
    assert bench.member in bench.pump.runnable
