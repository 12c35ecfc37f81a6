"""The pool in a coordinator that the test turns by hand: real channels, workers that it plays."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from fanout.control import channel as channels
from fanout.control.channel import RECEIVE_MESSAGES, Channel
from fanout.control.messages import (
    Finish,
    SlotsWritten,
    Slow,
    Started,
    Subscriptions,
    WriteSlots,
)
from fanout.coordinator import links
from fanout.coordinator.reports import ask
from fanout.coordinator.supervision import BACKOFF_FIRST, BACKOFF_MAX, GIVE_UP_AFTER
from fanout.coordinator.watching import HANG_UP_GRACE, TICK
from fanout.events import EventKind
from fanout.reasons import Reason
from fanout.shm.header import Header
from fanout.shm.worker_slot import NO_TAIL, WorkerState
from tests.helpers.waiting import DEADLINE_S
from tests.simulation.processes import Flag
from tests.unit.coordinator.bench import KILLED, Bench, closed
from tests.unit.coordinator.test_supervision import only

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from fanout.control.messages import Message


def is_open(descriptor: int) -> bool:
    with suppress(OSError):
        os.fstat(descriptor)
        return True
    return False


def has_ended(sock: socket.socket) -> bool:
    """Whether the other side has ended this connection."""
    sock.settimeout(DEADLINE_S)
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def test_all_that_a_worker_reported_before_its_end_counts() -> None:
    """More than one turn takes; it ends before the coordinator has another."""
    with Bench() as bench:
        _sock, subscriber = bench.connect(b"A")
        slow = [Slow(subscriber, False, number, "behind") for number in range(RECEIVE_MESSAGES)]
        for messages in (slow, slow, [closed(subscriber)]):  # each in a packet, as turns make them
            bench.worker.say(*messages)
        bench.worker.exit(0)
        bench.turn()

        assert len(bench.of(EventKind.SUBSCRIBER_SLOW)) == 2 * RECEIVE_MESSAGES
        left = only(bench.of(EventKind.SUBSCRIBER_DISCONNECTED))
        assert left.cause is Reason.LEFT
        assert bench.of(EventKind.SUBSCRIBER_EVICTED) == []


def test_a_worker_sees_when_all_that_it_has_said_was_acted_on() -> None:
    with Bench() as bench:
        _sock, subscriber = bench.connect(b"A")
        one = bench.worker
        assert one.slot.heard == one.channel.posted
        one.say(Subscriptions(subscriber, 0, [b"B"], []))
        assert one.slot.heard == one.channel.posted - 1
        bench.turn()
        assert one.slot.heard == one.channel.posted
        assert list(bench.state.interest.workers_for(b"B")) == [0]
        one.exit(0)
        bench.turn()
        bench.pass_time(BACKOFF_MAX)
        bench.turn()
        assert bench.worker is not one
        assert bench.worker.slot.heard == bench.worker.channel.posted, "it counts anew"


def test_a_lost_worker_holds_no_message_back() -> None:
    with Bench() as bench:
        slot = bench.worker.slot
        slot.tail, slot.flushed = 3, 3
        bench.worker.exit(1)
        bench.turn()

        assert (slot.tail, slot.flushed) == (NO_TAIL, NO_TAIL)


def test_one_that_hangs_up_and_does_not_end_is_killed() -> None:
    with Bench(2) as bench:
        bench.processes[1].hang_up()
        bench.pass_time(HANG_UP_GRACE + 2 * TICK)

        assert bench.processes[1].exitcode == KILLED
        assert bench.processes[0].exitcode is None
        bench.turn()
        lost = only(bench.of(EventKind.WORKER_LOST))
        assert (lost.worker, "closed its control channel" in lost.reason) == (1, True)


def test_one_that_hangs_is_killed_and_replaced() -> None:
    with Bench(options={"worker_timeout": 2.0}) as bench:
        bench.worker.beats = False
        bench.pass_time(2.0 + 1.0 + TICK)
        bench.turn()
        lost = only(bench.of(EventKind.WORKER_LOST))
        bench.pass_time(BACKOFF_MAX)
        bench.worker.say(Started(2))
        bench.turn()

        assert "worker_timeout" in lost.reason
        assert [one.exitcode for one in bench.processes] == [KILLED, None]
        assert bench.state.supervision.ready == [0]
        assert (bench.worker.slot.restarts, bench.worker.slot.state) == (1, WorkerState.READY)


def test_a_coordinator_that_was_stopped_kills_nobody() -> None:
    with Bench(2) as bench:
        bench.now += 3_600
        bench.turn()
        bench.pass_time(60)

        assert [one.exitcode for one in bench.processes] == [None, None]
        assert [one.aborts for one in bench.processes] == [0, 0]


def test_the_connections_of_a_lost_worker_are_ended() -> None:
    with Bench() as bench:
        sock, subscriber = bench.connect(b"A")
        duplicate = bench.state.duplicates[subscriber]
        bench.worker.exit(1)
        bench.turn()

        assert not is_open(duplicate)
        assert has_ended(sock)
        assert bench.state.ledger.evicted == 1
        assert bench.interest.count(None) == 0


def test_what_a_subscription_missed_is_made_up_for() -> None:
    """The worker fell asleep before its report was read."""
    with Bench() as bench:
        slot, doorbell = bench.worker.slot, bench.doorbells[0]
        bench.connect()
        doorbell.clear()
        slot.fall_asleep(5)
        bench.connect(b"A")  # from message 0 on
        assert not doorbell.wait(0), "nothing was published: there is nothing to be missed"
        Header(bench.segment).head = 1
        bench.connect(b"B")

        assert doorbell.wait(0)


def test_one_that_does_not_read_is_killed_and_the_others_live() -> None:
    with Bench() as bench, mock.patch.object(channels, "QUEUE_MESSAGES_MAX", 1):
        pool = bench.coordinator._pool
        while not bench.state.supervision.lives[0].condemned:
            bench.coordinator._carry_out(pool.say(0, WriteSlots(1)))
            pool.flush()
        connect = bench.listen()
        connect()
        bench.turn()
        bench.turn()

        lost = only(bench.of(EventKind.WORKER_LOST))
        assert "does not read" in lost.reason


def is_killed_for(said: Message) -> None:
    with Bench() as bench:
        complaints: list[str] = []
        with mock.patch.object(
            bench.coordinator._announcer, "complain", lambda text, _error: complaints.append(text)
        ):
            bench.worker.say(said)
            bench.turn()
        bench.turn()

        assert complaints == ["worker 0 sent what it cannot send"]
        lost = only(bench.of(EventKind.WORKER_LOST))
        assert lost.reason == "killed by us: it sent what it cannot send"


def test_one_that_says_what_it_cannot_say_is_killed() -> None:
    is_killed_for(Finish(1.0))


@pytest.mark.parametrize("number", [-1, 1 << 60])
def test_one_that_reports_a_number_that_cannot_be_is_killed(number: int) -> None:
    is_killed_for(Slow(1, False, number, ""))


def test_one_that_cannot_be_started_is_tried_again() -> None:
    with Bench() as bench:
        bench.refused = 2
        bench.worker.exit(1)
        bench.turn()
        bench.pass_time(BACKOFF_MAX)

        assert len(bench.of(EventKind.WORKER_LOST)) == 3
        assert len(bench.processes) == 2


def fail_for_minutes(bench: Bench, *workers: int) -> None:
    """They end, and the system gives no process in their place until they are given up."""
    bench.refused = 10_000
    for worker in workers:
        bench.processes[worker].exit(1)
    bench.pass_time(GIVE_UP_AFTER + 2 * BACKOFF_MAX)
    bench.refused = 0


def test_one_that_is_given_up_leaves_its_work_to_the_others() -> None:
    with Bench(2) as bench:
        bench.connect(b"A")
        lost = bench.state.roster.connections[1].worker
        fail_for_minutes(bench, lost)
        told = only(bench.of(EventKind.WORKER_GIVEN_UP))
        for _ in range(2):
            _sock, subscriber = bench.connect(b"A")
            assert bench.state.roster.connections[subscriber].worker == 1 - lost
        answered = Flag()
        bench.coordinator._carry_out(ask(bench.state, answered))
        bench.turn()
        token = bench.processes[1 - lost].hear()[-1]
        assert isinstance(token, WriteSlots)
        bench.processes[1 - lost].say(SlotsWritten(token.token))
        bench.turn()

        assert (told.worker, bench.broken, answered.times) == (lost, False, 1)
        assert bench.coordinator.links[lost].slot.state == WorkerState.GONE
        assert bench.coordinator.links[lost].slot.tail == NO_TAIL


def test_a_broken_pool_is_mended_by_the_first_that_serves_again() -> None:
    with Bench(2) as bench:
        fail_for_minutes(bench, 0, 1)
        broken = [bench.broken]
        started = bench.coordinator.restart_workers()
        bench.turn()
        broken.append(bench.broken)
        bench.processes[2].say(Started(1))
        bench.turn()
        broken.append(bench.broken)
        _sock, subscriber = bench.connect(b"A")

        assert (broken, started) == ([True, True, False], 2)
        assert [one.index for one in bench.processes] == [0, 1, 0, 1]
        assert bench.state.roster.connections[subscriber].worker == 0


def test_the_end_waits_for_the_workers_and_leaves_nothing() -> None:
    with Bench(2) as bench:
        _sock, subscriber = bench.connect(b"A")
        duplicate = bench.state.duplicates[subscriber]
        bench.coordinator._finish(5.0)
        bench.turn()
        heard = [process.hear()[-1] for process in bench.processes]
        bench.processes[0].exit(0)
        bench.turn()
        over = [bench.state.supervision.over]
        bench.processes[1].exit(0)
        bench.turn()
        over.append(bench.state.supervision.over)

        assert heard == [Finish(5.0), Finish(5.0)]
        assert over == [False, True]
        assert bench.of(EventKind.WORKER_LOST) == []
        assert not is_open(duplicate)
        assert bench.state.ledger.disconnected == 1


def test_a_storm_is_accepted_in_slices() -> None:
    with Bench(options={"max_half_open": 2}) as bench:
        connect = bench.listen()
        for _ in range(4):
            connect()
        bench.turn()

        assert (bench.state.ledger.accepted, bench.state.ledger.refused) == (4, 2)
        assert {event.cause for event in bench.of(EventKind.CONNECTION_REFUSED)} == {
            Reason.HALF_OPEN
        }


class Failing:
    """A call of which the one with this number fails, and no other."""

    def __init__(self, real: Callable[..., Any], number: int, error: int) -> None:
        self._real = real
        self._left = number
        self._error = error

    def __call__(self, *arguments: Any) -> Any:
        self._left -= 1
        if self._left == 0:
            raise OSError(self._error, "none")
        return self._real(*arguments)


# By name: what is replaced on which object, the number of the call that fails, and by what.
STEPS: dict[str, tuple[Callable[[Bench], Any], str, int, int]] = {
    "a descriptor for the log": (lambda _bench: links, "duplicate", 1, errno.EMFILE),
    "a descriptor for its bell": (lambda _bench: links, "duplicate", 2, errno.EMFILE),
    "a descriptor for the other": (lambda _bench: links, "duplicate", 3, errno.EMFILE),
    "a channel": (lambda _bench: Channel, "pair", 1, errno.ENFILE),
    "a process": (lambda bench: bench.coordinator._pool, "_start_process", 1, errno.EAGAIN),
    "its end is watched": (lambda bench: bench.coordinator._selector, "register", 1, errno.ENOSPC),
    "it is listened to": (lambda bench: bench.coordinator._selector, "register", 2, errno.ENOMEM),
}


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("step", STEPS)
def test_each_step_of_the_start_of_a_replacement_may_fail(step: str) -> None:
    owner_of, name, number, error = STEPS[step]
    with Bench(2) as bench:
        before = open_descriptors()
        owner = owner_of(bench)
        failing = Failing(getattr(owner, name), number, error)
        with mock.patch.object(owner, name, failing):
            bench.processes[1].exit(KILLED)
            bench.turn()
            bench.turn()
        killed, failed = bench.of(EventKind.WORKER_LOST)
        assert (killed.worker, failed.worker) == (1, 1)
        assert "could not be started: " in failed.reason
        assert bench.state.supervision.ready == [0]
        assert open_descriptors() < before, "something of it is left"

        started = len(bench.processes)
        bench.pass_time(BACKOFF_FIRST)
        bench.turn()
        assert len(bench.processes) == started + 1
        bench.worker.say(Started(2))
        bench.turn()
        assert bench.state.supervision.ready == [0, 1]
        assert bench.worker.slot.state == WorkerState.READY
        assert open_descriptors() <= before
