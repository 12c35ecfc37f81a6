"""Handing on: who waits until all go on, in a coordinator that the test turns by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

import pytest

from fanout.control.messages import (
    Evict,
    Finish,
    SlotsWritten,
    Slow,
    Started,
    Subscriptions,
    WriteSlots,
)
from fanout.control.takeover import Resume, Resumed, Wants
from fanout.coordinator.actions import Say
from fanout.coordinator.handing_on import HOPE
from fanout.coordinator.reports import ask
from fanout.coordinator.takeovers import MAY_HAVE_SENT, REFUSALS_MAX, REFUSED_PAUSE
from fanout.coordinator.watching import TICK
from fanout.events import EventKind
from fanout.reasons import Reason
from fanout.shm import layout as at
from fanout.shm.credit import FREE, USED_UP, Credit
from fanout.shm.header import Header
from fanout.shm.stream_record import Kind, StreamRecord, StreamSlot
from fanout.shm.worker_slot import NO_TAIL, WorkerSlot
from tests.simulation.processes import Flag
from tests.unit.coordinator.bench import KILLED, Bench

if TYPE_CHECKING:
    from fanout.control.messages import Message

NUMBERS = dict.fromkeys(StreamRecord._fields[:-1], 0)
RECORD = StreamRecord(**NUMBERS, speech=b"")._replace(kind=Kind.GOES_ON)


def connect(bench: Bench) -> int:
    """A subscriber with whom others can go on; its first worker has it."""
    _sock, subscriber = bench.connect(b"A")
    connection = bench.state.roster.connections[subscriber]
    StreamSlot(bench.segment, connection.slot).write(RECORD)
    assert connection.worker == 0
    for process in bench.processes:
        process.hear()
    return subscriber


def kinds(messages: list[Message]) -> list[type]:
    return [type(message) for message in messages]


def test_who_asked_before_it_was_known_that_a_worker_is_lost_waits_until_others_go_on() -> None:
    """Its figures would be those of its last checkpoint, to which nobody adds any more."""
    with Bench(2) as bench:
        subscriber = connect(bench)
        first, second = bench.processes
        flag = Flag()
        bench.coordinator._carry_out(ask(bench.state, flag))
        bench.turn()
        (asked,) = second.hear()
        assert isinstance(asked, WriteSlots)
        second.say(SlotsWritten(asked.token))
        first.exit(KILLED)
        bench.turn()

        assert kinds(second.hear()) == [Wants, Resume]
        assert flag.times == 0
        second.say(Resumed(subscriber, True, ""))
        bench.turn()
        (asked,) = second.hear()
        assert isinstance(asked, WriteSlots), "it is asked once more"
        second.say(SlotsWritten(asked.token))
        bench.turn()
        assert flag.times == 1


def test_all_others_are_asked_before_one_is_closed_for_which_a_worker_has_no_room() -> None:
    with Bench(3) as bench:
        subscriber = connect(bench)
        bench.processes[0].exit(KILLED)
        bench.turn()
        asked: list[tuple[int, float]] = []
        for _ in range(40):
            before = len(asked)
            for process in bench.processes[1:3]:
                if Resume in kinds(process.hear()):
                    asked.append((process.index, bench.now))
                    process.say(Resumed(subscriber, False, "no descriptor", again=True))
            bench.turn()
            if len(asked) == before:
                bench.pass_time(TICK)
        assert len(asked) == REFUSALS_MAX
        assert {worker for worker, _ in asked[:2]} == {worker for worker, _ in asked[2:4]} == {1, 2}
        assert asked[0][1] == asked[1][1]
        assert asked[2][1] - asked[1][1] >= REFUSED_PAUSE
        (evicted,) = bench.of(EventKind.SUBSCRIBER_EVICTED)
        assert evicted.reason.endswith("; no descriptor")
        assert bench.state.ledger.not_resumed == 1
        assert Header(bench.segment).hold == NO_TAIL


@pytest.mark.parametrize("is_ending", [False, True])
def test_workers_that_are_lost_with_what_they_counted_of_the_past_are_counted(
    is_ending: bool,
) -> None:
    with Bench(3) as bench:
        WorkerSlot(bench.segment, 1).past = 1
        bench.state.ledger.closing = is_ending
        for index in range(2):
            bench.processes[index].exit(KILLED)
            bench.turn()
            assert bench.state.ledger.past_inexact == index, "only of who had promised any"
        assert WorkerSlot(bench.segment, 1).past == 0


def test_who_finds_room_with_another_worker_goes_on() -> None:
    with Bench(3) as bench:
        subscriber = connect(bench)
        bench.processes[0].exit(KILLED)
        bench.turn()
        first = bench.processes[bench.state.roster.connections[subscriber].worker]
        first.hear()
        first.say(Resumed(subscriber, False, "no descriptor", again=True))
        bench.turn()
        second = bench.processes[bench.state.roster.connections[subscriber].worker]
        assert second is not first
        assert kinds(second.hear()) == [Wants, Resume]
        second.say(Resumed(subscriber, True, ""))
        bench.turn()
        assert bench.of(EventKind.SUBSCRIBER_EVICTED) == []
        assert (bench.state.ledger.resumed, bench.state.ledger.not_resumed) == (1, 0)


def test_only_a_worker_that_is_short_of_something_is_told_of_and_counted() -> None:
    """One that ends has no room either."""
    with Bench(2) as bench:
        subscriber = connect(bench)
        first, second = bench.processes
        first.exit(KILLED)
        bench.turn()
        for is_short in (False, True):
            assert Resume in kinds(second.hear())
            second.say(Resumed(subscriber, False, "none", again=True, short=is_short))
            bench.turn()
            assert bench.state.ledger.takeover_pauses == is_short
            bench.pass_time(REFUSED_PAUSE)
        (told,) = bench.of(EventKind.TAKEOVER_PAUSED)
        assert (told.worker, told.cause) == (1, Reason.NO_RESOURCES)
        assert told.reason == "none (worker 1)"


def test_no_descriptor_for_a_while_is_forgotten_with_those_who_waited_for_one() -> None:
    with Bench(2) as bench:
        connect(bench)
        copies = bench.coordinator._pool._handing_on._copies
        with mock.patch.object(copies, "_duplicate", side_effect=OSError(24, "too many")):
            bench.processes[0].exit(KILLED)
            bench.pass_time(HOPE + 4)
        assert len(bench.of(EventKind.SUBSCRIBER_EVICTED)) == 1
        assert not copies.are_short_for(0.0)


def test_who_waits_since_nobody_had_room_is_in_nobodys_way() -> None:
    """And nobody turns in circles meanwhile."""
    with Bench(2) as bench:
        subscriber = connect(bench)
        first, second = bench.processes
        first.exit(KILLED)
        bench.turn()
        second.hear()
        second.say(Resumed(subscriber, False, "no descriptor", again=True))
        bench.turn()
        assert second.hear() == []
        handing_on = bench.coordinator._pool._handing_on
        assert 0 < handing_on.may_wait <= REFUSED_PAUSE


def test_who_goes_on_with_one_is_told_that_it_was_reported_as_slow() -> None:
    """So that it is told of when it has recovered, and not once more that it is slow."""
    with Bench(2) as bench:
        subscriber = connect(bench)
        first, second = bench.processes
        first.say(Slow(subscriber, False, 3, "behind"))
        first.say(Slow(subscriber, False, 3, "takes nothing", stalled=True))
        first.exit(KILLED)
        bench.turn()
        _wants, resume = second.hear()
        assert isinstance(resume, Resume)
        assert (resume.slow, resume.stalled) == (True, True)
        second.say(Resumed(subscriber, True, ""), Slow(subscriber, True, 3, "has caught up"))
        second.exit(KILLED)
        bench.pass_time(1)
        third = bench.of_worker(0)
        third.say(Started(1))
        bench.turn()
        resume = third.hear()[-1]
        assert isinstance(resume, Resume)
        assert (resume.slow, resume.stalled) == (False, False)
        assert len(bench.of(EventKind.SUBSCRIBER_RECOVERED)) == 1


def test_how_its_wants_have_changed_since_its_record_is_handed_on() -> None:
    """What it was sent until then went by what it wanted before."""
    with Bench(2) as bench:
        subscriber = connect(bench)
        first, second = bench.processes
        first.say(Subscriptions(subscriber, 5, [b"B"], [b"A"]))
        bench.turn()
        first.exit(KILLED)
        bench.turn()

        wants = [one for one in second.hear() if isinstance(one, Wants)]
        told = [(one.sequence, one.added, one.cancelled) for one in wants]
        assert told == [(0, [b"A"], []), (5, [b"B"], [b"A"])]


def test_only_the_one_is_closed_that_its_worker_was_just_sending_to() -> None:
    """Of a Unix socket; nobody knows how much it was sent."""
    with Bench(2) as bench:
        ones = [connect(bench)]
        while len(ones) < 2:  # another one that the same worker has
            _sock, subscriber = bench.connect(b"A")
            connection = bench.state.roster.connections[subscriber]
            StreamSlot(bench.segment, connection.slot).write(RECORD)
            if connection.worker == 0:
                ones.append(subscriber)
        slots = [bench.state.roster.connections[one].slot for one in ones]
        for number, slot in enumerate(slots):
            StreamSlot(bench.segment, slot).words[at.S_HANDED] = 100 + number
        first, _second = bench.processes
        first.slot.sending = 101
        first.exit(KILLED)
        bench.turn()

        evicted = bench.of(EventKind.SUBSCRIBER_EVICTED)
        assert [one.subscriber for one in evicted] == [ones[1]]
        assert evicted[0].reason.endswith(MAY_HAVE_SENT)
        assert bench.state.ledger.not_resumed == 1


def test_the_workers_end_when_all_that_others_go_on_with_are_served() -> None:
    with Bench(2) as bench:
        subscriber = connect(bench)
        first, second = bench.processes
        first.exit(KILLED)
        bench.coordinator._finish(5.0)
        bench.turn()

        assert kinds(second.hear()) == [Wants, Resume]
        bench.pass_time(1.0)
        assert second.hear() == []
        second.say(Resumed(subscriber, True, ""))
        bench.turn()
        (finish,) = second.hear()
        assert isinstance(finish, Finish)
        assert 3.9 < finish.timeout <= 4.0


def test_they_end_when_the_time_is_up_and_a_second_call_brings_that_forward() -> None:
    with Bench(2) as bench:
        connect(bench)
        first, second = bench.processes
        first.exit(KILLED)
        bench.coordinator._finish(5.0)
        bench.turn()
        assert kinds(second.hear()) == [Wants, Resume]
        bench.coordinator._finish(1.0)
        bench.coordinator._finish(5.0, 60.0)
        bench.pass_time(0.5)
        assert second.hear() == []
        bench.pass_time(0.8)
        assert second.hear() == [Finish(0.0)], "the first one wanted no spread"


def test_the_log_is_not_held_for_ever_where_there_are_no_descriptors() -> None:
    with Bench(2) as bench:
        connect(bench)
        handing_on = bench.coordinator._pool._handing_on
        with mock.patch.object(
            handing_on._copies, "_duplicate", side_effect=OSError(24, "too many")
        ):
            bench.processes[0].exit(KILLED)
            bench.pass_time(HOPE - 1)
            assert Header(bench.segment).hold == 0
            bench.pass_time(4)

        (evicted,) = bench.of(EventKind.SUBSCRIBER_EVICTED)
        assert "no descriptor" in evicted.reason
        assert Header(bench.segment).hold == NO_TAIL


def test_as_long_as_nobody_serves_it_the_publisher_goes_by_what_its_worker_allowed_for() -> None:
    with Bench(2) as bench:
        connect(bench)
        header, credit = Header(bench.segment), Credit(100, 5_000)
        more = credit._replace(room=9_000)  # in sockets that nobody hands anything
        left = credit.left_at(7, 70)
        for said, held in ((credit, credit), (more, credit), (left, USED_UP), (FREE, FREE)):
            WorkerSlot(bench.segment, 0).credit = said
            handing_on = bench.coordinator._pool._handing_on
            handing_on._takeovers.waiting[0] = mock.Mock(needed=5)
            with mock.patch.object(handing_on, "_hold") as hold:
                handing_on._keep_log(WorkerSlot(bench.segment, 0))
            hold.assert_called_once_with()
            WorkerSlot(bench.segment, 0).credit = FREE
            handing_on._keep_log()
            assert header.credit == held, "until somebody goes on with it"
            del handing_on._takeovers.waiting[0]
            handing_on._keep_log()
            assert header.credit == FREE


def test_who_has_waited_for_a_worker_is_not_ended_if_there_is_no_descriptor_for_once() -> None:
    with Bench(1) as bench:
        connect(bench)
        handing_on = bench.coordinator._pool._handing_on
        bench.processes[0].exit(KILLED)
        bench.pass_time(HOPE - 1)
        bench.worker.hear()
        bench.worker.say(Started(1))
        with mock.patch.object(
            handing_on._copies, "_duplicate", side_effect=OSError(24, "too many")
        ):
            bench.pass_time(2)
        bench.pass_time(1)

        assert kinds(bench.worker.hear()) == [Wants, Resume]
        assert bench.of(EventKind.SUBSCRIBER_EVICTED) == []


def test_who_was_to_be_ended_is_ended_for_that_though_its_worker_is_lost() -> None:
    with Bench(2) as bench:
        subscriber = connect(bench)
        bench.state.roster.connections[subscriber].over_limit = True  # it wants nothing any more
        evict = Evict(subscriber, Reason.LIMIT.number, "wants too much")
        bench.coordinator._carry_out([Say(0, evict)])
        bench.processes[0].exit(KILLED)
        bench.turn()

        (evicted,) = bench.of(EventKind.SUBSCRIBER_EVICTED)
        assert (evicted.cause, evicted.reason) == (Reason.LIMIT, "wants too much")
        assert bench.state.ledger.not_resumed == 0


def test_who_is_to_be_ended_while_nobody_serves_it_is_ended_for_that() -> None:
    """Nobody can go on with it, for what it wanted is forgotten."""
    with Bench(1) as bench:
        subscriber = connect(bench)
        bench.processes[0].exit(KILLED)
        bench.turn()
        evict = Evict(subscriber, Reason.LIMIT.number, "wants too much")
        bench.coordinator._carry_out([Say(0, evict)])
        bench.pass_time(1)
        bench.worker.hear()
        bench.worker.say(Started(1))
        bench.turn()
        assert kinds(bench.worker.hear()) == [Wants, Resume, Evict]
        bench.worker.say(Resumed(subscriber, False, "its record does not fit what it wants"))
        bench.pass_time(1)

        (evicted,) = bench.of(EventKind.SUBSCRIBER_EVICTED)
        assert (evicted.cause, evicted.reason) == (Reason.LIMIT, "wants too much")
        assert bench.state.ledger.not_resumed == 0
