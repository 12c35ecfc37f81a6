"""Succession: workers are replaced, or become more or fewer, in a coordinator turned by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.control.messages import Connected, Evict, Finish, Started
from fanout.control.takeover import Release, Released, Resume, Resumed
from fanout.coordinator import succession
from fanout.coordinator.succession import GRACE, HANDSHAKE_PATIENCE
from fanout.coordinator.watching import FINISH_GRACE
from fanout.events import EventKind
from fanout.observe.reader import Reader
from fanout.reasons import Reason
from fanout.shm.header import Header
from fanout.shm.spill_area import SpillArea
from fanout.shm.stream_record import StreamSlot
from fanout.shm.subscriber_slot import SubscriberSlot
from fanout.shm.worker_slot import NO_TAIL, WorkerState
from tests.unit.coordinator.bench import KILLED, Bench, closed
from tests.unit.coordinator.test_handing_on import RECORD

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

PLENTY = 600  # turns


class Played:
    """What all processes do: they serve, give up, go on and end as they are told to.

    Args:
        stuck: subscribers that are not given up.
    """

    def __init__(self, bench: Bench, stuck: set[int] | None = None) -> None:
        self.bench = bench
        self.stuck = stuck or set()
        self.started = set(bench.processes)
        self.most = 0  # of moves at once
        self.least = 99  # workers that served
        self.refuses = False  # new processes end at once
        self.deaf: set[int] = set()  # these do not end when they are told to
        self.given_up: dict[int, set[int]] = {}  # by worker
        self.full: set[int] = set()  # these have no room for anybody
        self.unanswered: set[int] = set()  # of these nothing is said when they are to be given up

    def turn(self) -> None:
        bench = self.bench
        for process in bench.processes:
            if process.exitcode is not None:
                continue
            if process not in self.started:
                self.started.add(process)
                if self.refuses:
                    process.exit(3)
                    continue
                process.say(Started(1))
            process.slot.heartbeat += 1
            for message in process.hear():
                if isinstance(message, Release) and message.subscriber in self.unanswered:
                    continue
                if isinstance(message, Release):
                    ok = message.subscriber not in self.stuck
                    process.say(Released(message.subscriber, ok, "" if ok else "it is stuck"))
                    self.given_up.setdefault(process.index, set()).add(message.subscriber)
                elif isinstance(message, Resume):
                    ok = process.index not in self.full or not message.quiet
                    ok = ok or message.subscriber in self.given_up.get(process.index, ())
                    process.say(Resumed(message.subscriber, ok, "", again=not ok))
                elif isinstance(message, Evict):
                    process.say(closed(message.subscriber, Reason.of(message.cause)))
                elif isinstance(message, Finish) and process.index not in self.deaf:
                    process.exit(0)
        takeovers = bench.state.takeovers
        self.most = max(self.most, len(takeovers.leaving))
        bench.now += 0.02
        bench.turn()
        self.least = min(self.least, len(bench.state.supervision.ready))

    def until(self, is_so: Callable[[], bool]) -> None:
        for _ in range(PLENTY):
            if is_so():
                return
            self.turn()
        raise AssertionError("it does not come to that")

    def settle(self) -> None:
        staffing, supervision = self.bench.state.staffing, self.bench.state.supervision
        self.until(lambda: not staffing.pending and len(supervision.ready) == staffing.size)


def connect(bench: Bench, count: int) -> list[int]:
    """So many subscribers with whom others can go on."""
    found = []
    for _ in range(count):
        _sock, subscriber = bench.connect(b"A")
        connection = bench.state.roster.connections[subscriber]
        StreamSlot(bench.segment, connection.slot).write(RECORD)
        found.append(subscriber)
    for process in bench.processes:
        process.hear()
    return found


def counts(bench: Bench) -> list[int]:
    roster = bench.state.roster
    return [roster.count(link.index) for link in bench.coordinator.links]


def states(bench: Bench) -> list[WorkerState]:
    return [life.state for life in bench.state.supervision.lives]


def test_all_workers_are_replaced_and_as_many_serve_all_the_time() -> None:
    with Bench(2) as bench:
        subscribers = connect(bench, 4)
        bench.enlarge(3)
        played = Played(bench)
        assert bench.coordinator.restart_workers() == 2
        played.settle()

        assert [process.index for process in bench.processes] == [0, 1, 2, 0, 1]
        assert [process.exitcode for process in bench.processes] == [0, 0, 0, None, None]
        assert states(bench) == [WorkerState.READY, WorkerState.READY, WorkerState.RETIRED]
        assert played.least == 2
        assert list(bench.state.roster.connections) == subscribers
        assert sum(counts(bench)[:2]) == 4
        assert bench.of(EventKind.WORKER_LOST) == []
        assert bench.of(EventKind.SUBSCRIBER_EVICTED) == []
        assert [event.worker for event in bench.of(EventKind.WORKER_RETIRED)] == [0, 1, 2]
        assert Header(bench.segment).hold == NO_TAIL
        assert [link.slot.restarts for link in bench.coordinator.links] == [1, 1, 0]


def test_what_a_worker_that_retires_has_stored_is_given_back() -> None:
    with Bench(2) as bench:
        connect(bench, 2)
        area = bench.coordinator.links[1].slot.area
        stored = SpillArea(bench.segment, area).store(b"something")
        assert stored is not None
        played = Played(bench)
        bench.coordinator.resize(1)
        played.settle()
        bench.turn()
        assert SpillArea(bench.segment, 0).read(stored.offset, 9) == bytes(9)


def test_not_all_of_a_worker_are_moved_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(succession, "MOVES_AT_ONCE", 2)
    with Bench(1) as bench:
        connect(bench, 4)
        bench.enlarge(2)
        played = Played(bench)
        bench.coordinator.restart_workers()
        played.settle()
        assert played.most == 2
        assert counts(bench) == [4, 0]


def test_there_are_more_workers_and_fewer_again() -> None:
    with Bench(1) as bench:
        subscribers = connect(bench, 4)
        bench.enlarge(3)
        Header(bench.segment).workers = 3
        played = Played(bench)
        bench.coordinator.resize(3)
        played.settle()
        assert bench.state.supervision.ready == [0, 1, 2]
        assert counts(bench) == [4, 0, 0]
        for subscriber, worker in zip(subscribers, (1, 1, 2), strict=False):
            bench.coordinator._pool.moving.begin(subscriber, worker, "")
        played.until(lambda: counts(bench) == [1, 2, 1])

        bench.coordinator.links[2].slot.sent = 77
        bench.coordinator.resize(2)
        played.settle()
        assert bench.state.supervision.ready == [0, 1]
        assert sorted(counts(bench)) == [0, 2, 2]
        bench.coordinator.resize(1)
        played.settle()
        assert counts(bench) == [4, 0, 0]
        rows = Reader(bench.segment).workers()
        assert [row.is_retired for row in rows] == [False, True, True]
        assert rows[2].sent == 77, "what it has sent is not forgotten"
        bench.coordinator.resize(3)
        played.settle()
        assert bench.of_worker(2).slot.sent == 77


def test_who_cannot_be_moved_is_closed_after_a_while_and_counted() -> None:
    with Bench(2) as bench:
        subscribers = connect(bench, 4)
        stuck = {one for one in subscribers if bench.state.roster.connections[one].worker == 1}
        assert len(stuck) == 2
        bench.enlarge(3)
        played = Played(bench, stuck)
        bench.coordinator.resize(1)
        before = bench.now
        played.settle()

        assert bench.now - before >= GRACE
        evicted = bench.of(EventKind.SUBSCRIBER_EVICTED)
        assert {event.subscriber for event in evicted} == stuck
        assert {event.cause for event in evicted} == {Reason.WORKER_RETIRED}
        assert not bench.state.takeovers.evicts
        assert bench.state.ledger.not_resumed == 2
        assert counts(bench) == [2, 0, 0]


def test_nobody_is_closed_for_a_machine_that_stood_still_meanwhile() -> None:
    with Bench(2) as bench:
        subscribers = connect(bench, 4)
        played = Played(bench)
        bench.coordinator.resize(1)
        for _ in range(3):
            played.until(lambda: bool(bench.state.takeovers.leaving))
            bench.now += 3 * GRACE
            bench.turn()  # we run again first, and then the workers
        played.settle()
        assert bench.of(EventKind.SUBSCRIBER_EVICTED) == []
        assert counts(bench) == [len(subscribers), 0]


def test_who_is_by_tls_is_closed_at_once() -> None:
    with Bench(2) as bench:
        sealed, other = connect(bench, 2)
        connections = bench.state.roster.connections
        connections[sealed].protocol = "zmtp+tls#1"
        began = bench.now
        played = Played(bench)
        bench.coordinator.restart_workers()
        played.settle()

        assert bench.now - began < succession.GRACE
        assert list(connections) == [other]
        [event] = bench.of(EventKind.SUBSCRIBER_EVICTED)
        assert (event.subscriber, event.cause) == (sealed, Reason.WORKER_RETIRED)
        assert bench.state.ledger.not_resumed == 1


def test_who_is_on_the_way_has_twice_that_time_to_get_there() -> None:
    """Its worker lives, and says nothing of it: then it is closed with the others."""
    with Bench(2) as bench:
        subscribers = connect(bench, 4)
        played = Played(bench, set(subscribers))
        one = next(iter(bench.state.roster.served_by(1))).subscriber
        played.unanswered = {one}
        bench.coordinator.resize(1)
        before = bench.now
        played.until(lambda: bool(bench.state.takeovers.evicts))
        assert bench.now - before >= 2 * GRACE
        played.settle()

        assert bench.now - before < 2 * GRACE + 1
        evicted = {event.subscriber for event in bench.of(EventKind.SUBSCRIBER_EVICTED)}
        assert len(evicted) == 2
        assert one in evicted
        assert counts(bench) == [2, 0]
        assert Header(bench.segment).hold == NO_TAIL


def test_who_gets_away_when_it_was_to_be_closed_already_goes_on() -> None:
    """What its worker was told comes too late, and is nothing that the next one is to be told."""
    with Bench(2) as bench:
        subscribers = connect(bench, 2)
        played = Played(bench)
        one = next(iter(bench.state.roster.served_by(1))).subscriber
        played.unanswered = {one}
        bench.coordinator.resize(1)
        played.until(lambda: bool(bench.state.takeovers.leaving))
        played.turn()
        bench.processes[1].say(Released(one, True, ""))
        bench.state.takeovers.note_evict(Evict(one, Reason.WORKER_RETIRED.number, "too late"))
        played.settle()

        assert list(bench.state.roster.connections) == subscribers
        assert bench.of(EventKind.SUBSCRIBER_EVICTED) == []
        assert not bench.state.takeovers.evicts


def test_who_was_handed_on_to_one_that_is_to_end_is_not_closed_before_that_goes_on() -> None:
    """It could not be asked for yet. A worker that hangs is killed for that, and it goes on."""
    with Bench(3) as bench:
        connect(bench, 3)
        played = Played(bench)
        bench.processes[2].exit(KILLED)
        played.until(lambda: bool(bench.state.takeovers.handed))
        (one,) = bench.state.takeovers.handed
        its_worker = bench.state.roster.connections[one].worker
        process = next(p for p in bench.processes if p.index == its_worker and p.exitcode is None)
        heard = process.hear()
        bench.state.staffing.replace_all()
        played.until(lambda: bench.state.staffing.emptied == its_worker)
        before = bench.now
        played.until(lambda: bench.now - before > GRACE + 1)
        assert bench.of(EventKind.SUBSCRIBER_EVICTED) == []
        assert any(isinstance(message, Resume) for message in heard)
        process.say(Resumed(one, True, ""))
        played.settle()

        assert bench.of(EventKind.SUBSCRIBER_EVICTED) == []
        assert len(bench.state.roster.connections) == 3


def test_who_comes_back_since_others_have_no_room_is_closed_after_that_time_too() -> None:
    """It is with nobody again and again; nor does its worker end while it may come back."""
    with Bench(2) as bench:
        connect(bench, 2)
        played = Played(bench)
        played.full = {0}
        bench.coordinator.resize(1)
        before = bench.now
        played.settle()

        assert GRACE <= bench.now - before < GRACE + 1
        (evicted,) = bench.of(EventKind.SUBSCRIBER_EVICTED)
        assert evicted.cause is Reason.WORKER_RETIRED
        assert evicted.worker == 1
        assert counts(bench) == [1, 0]


def test_who_was_to_be_closed_goes_on_if_the_worker_that_was_to_end_is_lost_first() -> None:
    """There is nothing in its way any more."""
    with Bench(2) as bench:
        subscribers = connect(bench, 4)
        played = Played(bench, set(subscribers))
        bench.coordinator.resize(1)
        played.until(lambda: bool(bench.state.takeovers.evicts))
        bench.processes[1].exit(KILLED)
        played.settle()
        played.until(lambda: bench.state.ledger.resumed == 2)

        assert bench.of(EventKind.SUBSCRIBER_EVICTED) == []
        assert counts(bench) == [4, 0]
        assert bench.state.ledger.not_resumed == 0
        assert not bench.state.takeovers.evicts


def test_newcomers_are_waited_for_and_the_others_are_closed() -> None:
    with Bench(2) as bench:
        (stuck,) = connect(bench, 1)
        bench.state.roster.move(stuck, [1])
        newcomers = [bench.accept() for _ in range(2)]
        for one in newcomers:
            bench.state.roster.move(one, [1])
        played = Played(bench, {stuck})
        bench.coordinator.resize(1)
        before = bench.now
        played.until(lambda: bool(bench.of(EventKind.SUBSCRIBER_EVICTED)))
        played.until(lambda: bench.now - before > 2 * GRACE)
        assert bench.of(EventKind.HANDSHAKE_FAILED) == []

        ready, _silent = newcomers
        slot = bench.state.roster.connections[ready].slot
        SubscriberSlot(bench.segment, slot).take(ready)
        StreamSlot(bench.segment, slot).write(RECORD)
        bench.of_worker(1).say(Connected(ready, "3.1"))
        played.until(lambda: bool(bench.of(EventKind.SUBSCRIBER_MOVED)))
        played.settle()
        # The options have a handshake take 10 s; the worker, which is played, does not see to that.
        assert 10 + GRACE <= bench.now - before < 10 + 2 * GRACE + 1
        (failed,) = bench.of(EventKind.HANDSHAKE_FAILED)
        assert failed.cause is Reason.WORKER_RETIRED
        assert list(bench.state.roster.connections) == [ready]


def test_who_has_just_become_a_subscriber_is_asked_for_before_it_is_closed() -> None:
    with Bench(2) as bench:
        newcomer = bench.accept()
        connection = bench.state.roster.connections[newcomer]
        bench.state.roster.move(newcomer, [1])
        played = Played(bench)
        bench.coordinator.resize(1)
        before = bench.now
        played.until(lambda: bench.now - before > GRACE - 0.05)
        SubscriberSlot(bench.segment, connection.slot).take(newcomer)
        StreamSlot(bench.segment, connection.slot).write(RECORD)
        bench.of_worker(1).say(Connected(newcomer, "3.1"))
        bench.now += 0.06
        played.settle()
        assert bench.of(EventKind.SUBSCRIBER_EVICTED) == []
        assert list(bench.state.roster.connections) == [newcomer]


def test_newcomers_are_not_waited_for_as_long_as_an_option_may_say() -> None:
    with Bench(2, {"handshake_timeout": 86_400.0}) as bench:
        bench.state.roster.move(bench.accept(), [1])
        played = Played(bench)
        bench.coordinator.resize(1)
        before = bench.now
        for _ in range(3):
            bench.now += 0.3 * HANDSHAKE_PATIENCE
            played.turn()
        assert bench.of(EventKind.HANDSHAKE_FAILED) == []
        played.settle()
        assert HANDSHAKE_PATIENCE <= bench.now - before < HANDSHAKE_PATIENCE + 2 * GRACE
        assert len(bench.of(EventKind.HANDSHAKE_FAILED)) == 1


def test_nobody_is_closed_while_no_other_worker_serves_to_whom_he_could_go() -> None:
    with Bench(1) as bench:
        subscribers = connect(bench, 2)
        bench.enlarge(2)
        played = Played(bench, set(subscribers))
        bench.coordinator.restart_workers()
        played.until(lambda: bench.state.staffing.emptied == 0)
        played.refuses = True
        bench.of_worker(1).exit(KILLED)
        began = bench.now
        played.until(lambda: bench.now - began > 1.5 * GRACE)
        assert bench.of(EventKind.SUBSCRIBER_EVICTED) == []

        played.refuses = False
        played.stuck.clear()
        played.settle()
        assert list(bench.state.roster.connections) == subscribers
        assert bench.of(EventKind.SUBSCRIBER_EVICTED) == []


def test_who_comes_to_one_that_is_emptied_after_others_were_closed_is_closed_in_his_turn() -> None:
    with Bench(2) as bench:
        subscribers = connect(bench, 2)
        played = Played(bench, set(subscribers))
        bench.coordinator.resize(1)
        before = bench.now
        played.until(lambda: bool(bench.state.takeovers.evicts))
        _sock, late = bench.connect(b"A")
        bench.state.roster.move(late, [1])
        played.stuck.add(late)
        played.settle()
        assert bench.now - before >= 2 * GRACE
        assert late in {event.subscriber for event in bench.of(EventKind.SUBSCRIBER_EVICTED)}
        assert bench.of(EventKind.WORKER_LOST) == []
        assert bench.state.ledger.not_resumed == 2


def test_none_is_started_of_which_the_send_path_does_not_know_yet() -> None:
    with Bench(1) as bench:
        subscribers = connect(bench, 2)
        bench.enlarge(2)
        played = Played(bench, set(subscribers))
        bench.coordinator.restart_workers()
        played.until(lambda: bench.state.staffing.emptied == 0)
        bench.coordinator.resize(2)
        bench.enlarge(3)
        for _ in range(5):
            played.turn()
        assert [process.index for process in bench.processes] == [0, 1]
        bench.coordinator.resize(2)
        played.until(lambda: len(bench.processes) == 3)


def test_who_is_not_wanted_before_it_serves_is_said_to_be_killed_by_us() -> None:
    with Bench(1) as bench:
        bench.enlarge(2)
        bench.coordinator.resize(2)
        bench.turn()
        bench.turn()
        bench.coordinator.resize(1)
        for _ in range(5):
            bench.turn()
        (event,) = bench.of(EventKind.WORKER_RETIRED)
        assert event.reason == "killed by us: it is not wanted any more"
        assert bench.state.supervision.lives[1].condemned == ""


def test_who_is_wanted_again_gets_no_process_before_the_one_that_was_killed_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Bench(1) as bench:
        bench.enlarge(2)
        bench.coordinator.resize(2)
        bench.turn()
        bench.turn()
        old = bench.of_worker(1)
        monkeypatch.setattr(old, "kill", lambda: None)  # it ends later
        bench.coordinator.resize(1)
        for _ in range(5):
            bench.turn()
        assert bench.state.supervision.lives[1].condemned != ""

        bench.coordinator.resize(2)
        for _ in range(5):
            bench.turn()
        assert [process.index for process in bench.processes] == [0, 1]
        old.exit(KILLED)
        Played(bench).settle()

        assert [process.index for process in bench.processes] == [0, 1, 1]
        assert states(bench) == [WorkerState.READY, WorkerState.READY]
        assert not bench.state.supervision.lives[1].is_dismissed


def test_one_that_does_not_end_though_it_was_told_to_is_killed() -> None:
    with Bench(2) as bench:
        subscribers = connect(bench, 4)
        bench.enlarge(3)
        played = Played(bench)
        played.deaf = {1}
        bench.coordinator.restart_workers()
        played.until(lambda: bench.state.supervision.lives[1].is_dismissed)
        told_at = bench.now
        bench.now += FINISH_GRACE - 2  # but not witnessed: the machine slept
        played.until(lambda: bench.state.supervision.lives[1].dismissed_for > FINISH_GRACE / 2)
        played.settle()

        assert bench.now - told_at >= FINISH_GRACE
        assert list(bench.state.roster.connections) == subscribers
        (old, new) = [one for one in bench.processes if one.index == 1]
        bench.pass_time(1)
        assert (old.exitcode, new.exitcode) == (KILLED, None)
        told = [event.reason for event in bench.of(EventKind.WORKER_RETIRED)]
        assert sum("did not within 10 s" in text for text in told) == 1
        assert [text.count("told to end") for text in told if "killed" not in text] == [1, 1]
        assert bench.of(EventKind.WORKER_LOST) == []


def test_of_one_that_cannot_even_be_killed_nobody_waits_for_the_end() -> None:
    """Nor do others rest for ever, which do nothing while workers are replaced."""
    with Bench(2) as bench:
        connect(bench, 4)
        played = Played(bench)
        played.deaf = {1}
        bench.processes[1].may_be_killed = False
        bench.coordinator.resize(1)
        staffing, supervision = bench.state.staffing, bench.state.supervision
        played.until(lambda: supervision.lives[1].is_left)
        played.until(lambda: not staffing.pending)
        assert staffing.emptied is None

        bench.coordinator.resize(2)
        played.turn()
        assert len(bench.processes) == 2, "two processes would write into one slot"
        bench.coordinator.resize(1)
        bench.processes[1].exit(0)
        played.turn()
        played.settle()
        assert states(bench) == [WorkerState.READY, WorkerState.RETIRED]


def test_if_one_that_is_replaced_cannot_be_killed_the_others_are_left_alone() -> None:
    with Bench(2) as bench:
        connect(bench, 4)
        bench.enlarge(3)
        played = Played(bench)
        played.deaf = {0}
        bench.processes[0].may_be_killed = False
        bench.coordinator.restart_workers()
        staffing, supervision = bench.state.staffing, bench.state.supervision
        played.until(lambda: supervision.lives[0].is_left)
        played.until(lambda: not staffing.pending)
        assert supervision.ready == [1]
        assert "worker 0 cannot be ended" in bench.coordinator.staffed().problem
        assert bench.processes[1].exitcode is None

        bench.processes[0].exit(0)
        played.settle()
        assert supervision.ready == [0, 1]


def test_if_a_new_process_does_not_serve_the_others_are_left_alone() -> None:
    with Bench(2) as bench:
        connect(bench, 4)
        bench.enlarge(3)
        played = Played(bench)
        played.refuses = True
        bench.coordinator.restart_workers()
        played.settle()
        assert bench.state.supervision.ready == [0, 1]
        assert [process.index for process in bench.processes] == [0, 1, 2]
        assert states(bench)[2] is WorkerState.RETIRED
        assert [event.worker for event in bench.of(EventKind.WORKER_LOST)] == [2]
        assert counts(bench) == [2, 2, 0]
        staffed = bench.coordinator.staffed()
        assert (staffed.serving, staffed.size, staffed.is_changing) == (2, 2, False)
        assert "a new process of worker 2 did not serve: exit status 3" in staffed.problem
        played.refuses = False
        bench.coordinator.restart_workers()
        assert bench.coordinator.staffed().is_changing
        played.settle()
        staffed = bench.coordinator.staffed()
        assert (staffed.serving, staffed.problem, staffed.lost) == (2, "", ())


def test_if_one_is_killed_while_it_is_emptied_others_take_over_and_it_goes_on() -> None:
    with Bench(2) as bench:
        subscribers = connect(bench, 4)
        bench.enlarge(3)
        played = Played(bench, set(subscribers))
        bench.coordinator.restart_workers()
        played.until(lambda: bench.state.staffing.emptied == 0)
        played.turn()
        bench.processes[0].exit(KILLED)
        played.stuck.clear()
        played.settle()
        assert bench.state.supervision.ready == [0, 1]
        assert sum(counts(bench)[:2]) == 4
        assert bench.of(EventKind.SUBSCRIBER_EVICTED) == []
        assert [event.worker for event in bench.of(EventKind.WORKER_RETIRED)] == [1, 2]


def test_new_connections_go_to_those_that_stay() -> None:
    with Bench(2) as bench:
        subscribers = connect(bench, 2)
        played = Played(bench, set(subscribers))
        bench.coordinator.resize(1)
        played.until(lambda: bench.state.staffing.emptied == 1)
        for _ in range(2):
            _sock, subscriber = bench.connect(b"A")
            assert bench.state.roster.connections[subscriber].worker == 0


def test_who_was_told_to_end_gets_nobody_even_if_it_alone_serves() -> None:
    with Bench(2) as bench:
        subscribers = connect(bench, 1)
        played = Played(bench)
        bench.coordinator.resize(1)
        played.until(lambda: bench.state.supervision.lives[1].is_dismissed)
        bench.of_worker(0).exit(KILLED)
        bench.turn()
        assert not [one for one in bench.of_worker(1).hear() if isinstance(one, Resume)]
        assert bench.of_worker(1).exitcode is None
        bench.of_worker(1).exit(0)
        played.settle()
        assert list(bench.state.roster.connections) == subscribers
        assert counts(bench) == [1, 0]


def test_the_end_waits_for_no_replacement() -> None:
    with Bench(2) as bench:
        subscribers = connect(bench, 4)
        bench.enlarge(3)
        played = Played(bench, set(subscribers))
        bench.coordinator.restart_workers()
        played.until(lambda: bench.state.staffing.emptied == 0)
        bench.coordinator._finish(5.0)
        before = bench.now
        played.until(lambda: bench.state.supervision.over)
        assert bench.now - before < 4.0
