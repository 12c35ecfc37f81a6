"""Moving: a connection goes to another worker, in a coordinator that the test turns by hand."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from fanout.control.messages import Evict, Finish, SlotsWritten, WriteSlots
from fanout.control.takeover import Release, Released, Resume, Resumed, Wants
from fanout.coordinator.moving import AGAIN, ASKED_MAX, PAUSE
from fanout.coordinator.reports import ask, disconnect
from fanout.errors import ConfigError, NotMovedError
from fanout.events import EventKind
from fanout.shm.header import Header
from fanout.shm.stream_record import StreamSlot
from fanout.shm.worker_slot import NO_TAIL
from tests.simulation.processes import Flag
from tests.unit.coordinator.bench import KILLED, Bench, Worker, closed
from tests.unit.coordinator.test_handing_on import RECORD, connect, kinds

if TYPE_CHECKING:
    from fanout.coordinator.moving import Move


PATIENCE = ASKED_MAX * AGAIN  # seconds for which it is asked, if it answers at once


def begin(bench: Bench, subscriber: int, worker: int, asks: int = ASKED_MAX) -> tuple[Move, Flag]:
    """Have it move, and turn."""
    flag = Flag()
    move = bench.coordinator._pool.moving.begin(subscriber, worker, "the test", flag, asks)
    bench.turn()
    return move, flag


def turns(bench: Bench, count: int) -> None:
    """In each of them somebody may be asked again."""
    for _ in range(count):
        bench.now += 1.01 * AGAIN  # times are floats: a little more than what is due
        bench.turn()


def test_a_connection_is_given_up_by_one_worker_and_resumed_by_another_one() -> None:
    with Bench(2) as bench:
        subscriber = connect(bench)
        first, second = bench.processes
        move, flag = begin(bench, subscriber, 1)
        assert (first.hear(), second.hear()) == ([Release(subscriber, 0)], [])

        first.say(Released(subscriber, True, "", 7))
        bench.turn()
        wants, resume = second.hear()
        assert isinstance(wants, Wants)
        assert isinstance(resume, Resume)
        assert (resume.quiet, resume.debt, flag.times) == (True, 7, 0)
        assert bench.interest.workers_for(b"A") == {1}

        second.say(Resumed(subscriber, True, ""))
        bench.turn()
        assert (flag.times, move.problem) == (1, None)
        (event,) = bench.of(EventKind.SUBSCRIBER_MOVED)
        assert (event.subscriber, event.worker) == (subscriber, 1)
        assert event.reason == "from worker 0 to worker 1: the test"
        ledger = bench.state.ledger
        assert (ledger.moved, ledger.resumed, ledger.takeovers) == (1, 0, 0)
        again, flag = begin(bench, subscriber, 1)
        assert (flag.times, again.problem, second.hear()) == (1, None, [])


def test_the_log_is_held_from_before_its_worker_is_asked_until_the_other_one_serves() -> None:
    with Bench(2) as bench:
        subscriber = connect(bench)
        slot = bench.state.roster.connections[subscriber].slot
        first, second = bench.processes
        header = Header(bench.segment)
        first.slot.tail, first.slot.resume = 30, 20
        header.head = 100
        StreamSlot(bench.segment, slot).write(RECORD._replace(needed=40, sequence=40))
        held = [header.hold]
        begin(bench, subscriber, 1)
        held.append(header.hold)
        assert first.hear() == [Release(subscriber, 20)], "its worker compares that"
        first.slot.tail = first.slot.resume = NO_TAIL
        first.say(Released(subscriber, True, ""))
        bench.turn()
        held.append(header.hold)
        second.say(Resumed(subscriber, True, ""))
        bench.turn()
        held.append(header.hold)
        # One that needs nothing may need what comes from now on by when it has read that.
        first.slot.tail = first.slot.resume = NO_TAIL
        second.slot.tail = second.slot.resume = NO_TAIL
        begin(bench, subscriber, 0)
        held.append(header.hold)
        assert held == [NO_TAIL, 20, 40, NO_TAIL, 100]
        second.say(Released(subscriber, False, "busy"))
        bench.turn()
        assert header.hold == NO_TAIL


def test_who_cannot_be_given_up_just_then_is_asked_for_again_for_a_while() -> None:
    with Bench(2) as bench:
        subscriber = connect(bench)
        first, second = bench.processes
        move, flag = begin(bench, subscriber, 1)
        asked = 0
        while not flag.times:
            for message in first.hear():
                assert message == Release(subscriber, 0)
                asked += 1
                first.say(Released(subscriber, False, "it talks"))
            bench.now += AGAIN
            bench.turn()
        assert move.problem == "it talks"
        assert asked == ASKED_MAX
        assert (second.hear(), bench.of(EventKind.SUBSCRIBER_MOVED)) == ([], [])
        assert Header(bench.segment).hold == NO_TAIL
        assert bench.state.roster.connections[subscriber].worker == 0


def test_a_machine_on_which_all_takes_long_ends_no_move() -> None:
    """Each answer takes as long as all of it does elsewhere; what passes by itself is over then."""
    with Bench(2) as bench:
        subscriber = connect(bench)
        first, second = bench.processes
        move, flag = begin(bench, subscriber, 1)
        for _ in range(ASKED_MAX - 1):
            assert first.hear() == [Release(subscriber, 0)]
            bench.pass_time(PATIENCE)
            first.say(Released(subscriber, False, "it talks"))
            bench.pass_time(PATIENCE)
        first.say(Released(subscriber, True, ""))
        bench.turn()
        second.say(Resumed(subscriber, True, ""))
        bench.turn()
        assert (flag.times, move.problem) == (1, None)


@pytest.mark.parametrize("when", ["before it has answered", "after it has"])
def test_if_its_worker_is_lost_meanwhile_the_other_one_takes_over(when: str) -> None:
    with Bench(3) as bench:
        subscriber = connect(bench)
        first, second, third = bench.processes
        move, flag = begin(bench, subscriber, 2)
        if when == "after it has":
            first.say(Released(subscriber, True, ""))
        first.exit(KILLED)
        bench.turn()
        assert (kinds(third.hear()), second.hear()) == ([Wants, Resume], [])
        third.say(Resumed(subscriber, True, ""))
        bench.turn()
        assert (flag.times, move.problem) == (1, None)
        assert bench.of(EventKind.SUBSCRIBER_EVICTED) == []
        assert Header(bench.segment).hold == NO_TAIL


def test_if_the_other_one_is_lost_meanwhile_somebody_else_goes_on() -> None:
    with Bench(3) as bench:
        subscriber = connect(bench)
        first, _second, third = bench.processes
        move, flag = begin(bench, subscriber, 2)
        first.say(Released(subscriber, True, ""))
        bench.turn()
        assert kinds(third.hear()) == [Wants, Resume]
        third.exit(KILLED)
        bench.turn()
        heir = bench.state.roster.connections[subscriber].worker
        process = bench.processes[heir]
        (_wants, resume) = [one for one in process.hear() if not isinstance(one, Release)]
        assert isinstance(resume, Resume)
        assert not resume.quiet, "the lost one may have sent something"
        process.say(Resumed(subscriber, True, ""))
        bench.turn()
        bench.turn()
        assert (flag.times, move.problem) == (1, "worker 2 did not go on with it")


def test_if_it_comes_back_after_long_it_is_said_that_the_other_one_did_not_go_on() -> None:
    with Bench(2) as bench:
        subscriber = connect(bench)
        first, second = bench.processes
        move, flag = begin(bench, subscriber, 1)
        first.say(Released(subscriber, True, ""))
        bench.turn()
        second.exit(KILLED)
        bench.turn()
        first.say(Resumed(subscriber, True, ""))
        bench.turn()
        bench.turn()
        assert (flag.times, move.problem) == (1, "worker 1 did not go on with it")


def test_if_the_other_one_has_no_room_for_it_who_had_it_serves_it_on() -> None:
    """Though there is another one that comes before it, with as few."""
    with Bench(3) as bench:
        _one, two, subscriber = connect(bench), bench.connect(b"A")[1], bench.connect(b"A")[1]
        slot = bench.state.roster.connections[subscriber].slot
        StreamSlot(bench.segment, slot).write(RECORD)
        target, other, source = bench.processes
        other.say(closed(two))
        bench.turn()
        for process in bench.processes:
            process.hear()
        move, flag = begin(bench, subscriber, 0)
        source.say(Released(subscriber, True, ""))
        bench.turn()
        source.hear()
        target.say(Resumed(subscriber, False, "no descriptor", again=True))
        bench.turn()
        assert (kinds(source.hear()), other.hear()) == ([Wants, Resume], [])
        assert Header(bench.segment).hold == 0
        source.say(Resumed(subscriber, True, ""))
        bench.turn()
        bench.turn()
        assert flag.times == 1
        assert move.problem == "worker 0 did not go on with it: no descriptor"
        assert source.hear() == []
        assert bench.of(EventKind.SUBSCRIBER_EVICTED) == []
        assert (bench.state.ledger.moved, bench.state.ledger.not_resumed) == (0, 0)
        assert Header(bench.segment).hold == NO_TAIL


def test_nobody_gives_it_up_while_there_is_no_descriptor_to_hand_it_on_with() -> None:
    with Bench(2) as bench:
        subscriber = connect(bench)
        first, _second = bench.processes
        handing_on = bench.coordinator._pool._handing_on
        with mock.patch.object(
            handing_on._copies, "_duplicate", side_effect=OSError(24, "too many")
        ):
            move, flag = begin(bench, subscriber, 1)
            turns(bench, ASKED_MAX - 1)
            assert (first.hear(), flag.times) == ([], 0)
            turns(bench, 2)
        assert (first.hear(), flag.times) == ([], 1)
        assert move.problem == "no descriptor was free"
        assert len(bench.of(EventKind.TAKEOVER_PAUSED)) == 1, "at once, though nobody waits"
        before = len(os.listdir("/proc/self/fd"))
        begin(bench, subscriber, 1)
        assert first.hear() == [Release(subscriber, 0)]
        assert len(os.listdir("/proc/self/fd")) == before, "it was only to see whether there is one"


def two_of_the_first(bench: Bench) -> tuple[int, int]:
    """Two subscribers of the first of two workers."""
    one, _other, two = connect(bench), bench.connect(b"A"), bench.connect(b"A")[1]
    slot = bench.state.roster.connections[two].slot
    StreamSlot(bench.segment, slot).write(RECORD)
    assert bench.state.roster.connections[two].worker == 0
    for process in bench.processes:
        process.hear()
    return one, two


def test_who_asks_for_figures_is_answered_though_one_is_moved_after_the_other() -> None:
    with Bench(2) as bench:
        one, two = two_of_the_first(bench)
        first, second = bench.processes
        begin(bench, one, 1)
        flag = Flag()
        bench.coordinator._carry_out(ask(bench.state, flag))
        bench.turn()
        begin(bench, two, 1)
        assert first.hear() == [Release(one, 0)], "the other one waits"
        assert 0 < bench.coordinator._pool.moving.may_wait <= PAUSE

        first.say(Released(one, True, ""))
        bench.turn()
        second.hear()
        second.say(Resumed(one, True, ""))
        bench.turn()
        bench.turn()
        asked, release = first.hear()
        assert (kinds([asked]), release) == ([WriteSlots], Release(two, 0))
        for process, message in ((first, asked), (second, second.hear()[0])):
            assert isinstance(message, WriteSlots)
            process.say(SlotsWritten(message.token))
        bench.turn()
        assert flag.times == 1


def test_others_are_moved_in_the_end_if_one_gets_nowhere() -> None:
    with Bench(2) as bench:
        one, two = two_of_the_first(bench)
        first, _second = bench.processes
        begin(bench, one, 1)
        bench.coordinator._carry_out(ask(bench.state, Flag()))
        move, _flag = begin(bench, two, 1)
        bench.now += PAUSE / 2
        bench.turn()
        assert first.hear() == [Release(one, 0)]
        bench.now += PAUSE
        bench.turn()
        assert first.hear() == [Release(two, 0)]
        assert move.problem is None


def test_the_time_in_which_nobody_is_asked_is_not_that_of_who_waits() -> None:
    """One could not be given up just then; it is asked again after that time, once at least."""
    with Bench(2) as bench:
        one, two = two_of_the_first(bench)
        first, _second = bench.processes
        moving = bench.coordinator._pool.moving
        move = moving.begin(one, 1, "the test", asks=2)
        bench.turn()
        first.say(Released(one, False, "it talks"))
        bench.turn()
        assert first.hear() == [Release(one, 0)]
        begin(bench, two, 1)
        assert first.hear() == [Release(two, 0)], "which gets nowhere"
        bench.coordinator._carry_out(ask(bench.state, Flag()))
        bench.turn()
        bench.now += moving.may_wait
        bench.turn()
        assert (first.hear(), move.problem) == ([Release(one, 0)], None)

        first.say(Released(one, False, "it talks on"))
        turns(bench, 2)
        assert move.problem == "it talks on"


def test_it_is_closed_if_nobody_goes_on() -> None:
    with Bench(2) as bench:
        subscriber = connect(bench)
        first, second = bench.processes
        move, flag = begin(bench, subscriber, 1)
        first.say(Released(subscriber, True, ""))
        bench.turn()
        second.say(Resumed(subscriber, False, "no"))
        bench.turn()
        bench.turn()
        assert (flag.times, move.problem) == (1, "it has left, or was closed, meanwhile")
        (evicted,) = bench.of(EventKind.SUBSCRIBER_EVICTED)
        assert evicted.reason.endswith("; no")
        assert bench.state.ledger.not_resumed == 1


def test_who_leaves_meanwhile_is_not_moved() -> None:
    with Bench(2) as bench:
        subscriber = connect(bench)
        first, second = bench.processes
        move, flag = begin(bench, subscriber, 1)
        first.say(closed(subscriber), Released(subscriber, False, "it is not served here"))
        bench.turn()
        assert (flag.times, move.problem) == (1, "it has left, or was closed, meanwhile")
        assert (second.hear(), Header(bench.segment).hold) == ([], NO_TAIL)


def test_who_is_sent_away_meanwhile_is_ended_by_whoever_has_it() -> None:
    with Bench(2) as bench:
        subscriber = connect(bench)
        first, second = bench.processes
        begin(bench, subscriber, 1)
        bench.coordinator._carry_out(disconnect(bench.state, subscriber, ""))
        bench.turn()
        assert kinds(first.hear()) == [Release, Evict]
        first.say(Released(subscriber, True, ""))
        bench.turn()
        assert kinds(second.hear()) == [Wants, Resume, Evict]


def test_what_cannot_be_is_refused() -> None:
    with Bench(2) as bench:
        subscriber = connect(bench)
        moving = bench.coordinator._pool.moving
        with pytest.raises(ConfigError, match="no subscriber 9 is connected"):
            moving.begin(9, 1, "")
        for worker in (-1, 2):
            with pytest.raises(ConfigError, match="there are 0 to 1"):
                moving.begin(subscriber, worker, "")
        moving.begin(subscriber, 1, "")
        with pytest.raises(NotMovedError, match="is being moved already"):
            moving.begin(subscriber, 1, "")
        bench.processes[1].exit(KILLED)
        bench.turn()
        with pytest.raises(NotMovedError, match="worker 1 does not serve"):
            moving.begin(subscriber, 1, "")


def test_who_is_by_tls_is_not_even_asked_for() -> None:
    with Bench(2) as bench:
        subscriber = connect(bench)
        bench.state.roster.connections[subscriber].protocol = "zmtp+tls#1"
        with pytest.raises(NotMovedError, match="it is by TLS"):
            bench.coordinator._pool.moving.begin(subscriber, 1, "")
        bench.turn()

        assert bench.processes[0].hear() == []


def test_the_workers_end_when_the_moves_are_done_and_who_waits_is_told() -> None:
    with Bench(2) as bench:
        subscriber = connect(bench)
        first, second = bench.processes
        move, flag = begin(bench, subscriber, 1)
        bench.coordinator._finish(5.0)
        bench.turn()
        assert kinds(first.hear()) == [Release]
        first.say(Released(subscriber, True, ""))
        bench.turn()
        second.say(Resumed(subscriber, True, ""))
        bench.turn()
        assert (flag.times, move.problem) == (1, None)
        assert kinds(second.hear()) == [Wants, Resume, Finish]

    with Bench(2) as bench:
        subscriber = connect(bench)
        move, flag = begin(bench, subscriber, 1)
    assert (flag.times, move.problem) == (1, "the publisher has ended")


BOXES = [b"k" * 32, b"where the counters stand"]


class TestInBoxes:
    """With CURVE: who gives it up says how its boxes go on, to one worker at a time."""

    @staticmethod
    def given_up(bench: Bench, boxes: list[bytes]) -> int:
        """The first worker has been asked for one, and has said this."""
        subscriber = connect(bench)
        bench.state.roster.connections[subscriber].protocol = "zmtp+curve#1"
        begin(bench, subscriber, 1)
        assert kinds(bench.processes[0].hear()) == [Release]
        bench.processes[0].say(Released(subscriber, True, "", 0, boxes))
        return subscriber

    @staticmethod
    def handed_to(process: Worker) -> list[bytes]:
        """How the boxes go on with this one."""
        (resume,) = [one for one in process.hear() if isinstance(one, Resume)]
        return resume.boxes

    @staticmethod
    def assert_closed(bench: Bench, subscriber: int) -> None:
        """It is closed, said why, and counted."""
        for _ in range(3):
            bench.turn()
        (event,) = bench.of(EventKind.SUBSCRIBER_EVICTED)
        assert event.subscriber == subscriber
        assert "encrypted: its worker had the key" in event.reason
        assert bench.state.ledger.not_resumed == 1
        assert bench.state.ledger.moved == 0
        assert Header(bench.segment).hold == NO_TAIL

    def test_it_goes_on_with_them(self) -> None:
        with Bench(2) as bench:
            subscriber = self.given_up(bench, BOXES)
            bench.turn()
            assert self.handed_to(bench.processes[1]) == BOXES
            (orphan,) = bench.state.takeovers.handed.values()
            assert repr(BOXES[0]) not in repr(orphan)
            bench.processes[1].say(Resumed(subscriber, True, ""))
            bench.turn()
            assert not bench.state.takeovers.pending
            assert bench.state.ledger.moved == 1

    def test_nobody_goes_on_without(self) -> None:
        """Though its record says that one could."""
        with Bench(2) as bench:
            subscriber = self.given_up(bench, [])
            self.assert_closed(bench, subscriber)

    @pytest.mark.parametrize("was_asked", [False, True])
    def test_if_its_worker_is_lost_nobody_does(self, *, was_asked: bool) -> None:
        with Bench(2) as bench:
            subscriber = connect(bench)
            bench.state.roster.connections[subscriber].protocol = "zmtp+curve#1"
            if was_asked:
                begin(bench, subscriber, 1)
            bench.processes[0].exit(KILLED)
            self.assert_closed(bench, subscriber)
            assert Resume not in kinds(bench.processes[1].hear())

    def test_if_it_is_lost_after_that_the_other_one_does(self) -> None:
        with Bench(2) as bench:
            self.given_up(bench, BOXES)
            bench.processes[0].exit(KILLED)
            bench.turn()
            assert self.handed_to(bench.processes[1]) == BOXES
            assert not bench.of(EventKind.SUBSCRIBER_EVICTED)

    def test_if_the_other_one_is_lost_nobody_does(self) -> None:
        """It may have made boxes already."""
        with Bench(3) as bench:
            subscriber = self.given_up(bench, BOXES)
            bench.turn()
            assert self.handed_to(bench.processes[1]) == BOXES
            bench.processes[1].exit(KILLED)
            self.assert_closed(bench, subscriber)
            for process in (bench.processes[0], bench.processes[2]):
                assert Resume not in kinds(process.hear())

    def test_if_the_other_one_has_not_touched_it_its_worker_does(self) -> None:
        with Bench(2) as bench:
            subscriber = self.given_up(bench, BOXES)
            bench.turn()
            bench.processes[1].say(Resumed(subscriber, False, "no descriptor", again=True))
            bench.turn()
            assert self.handed_to(bench.processes[0]) == BOXES
            assert not bench.of(EventKind.SUBSCRIBER_EVICTED)
