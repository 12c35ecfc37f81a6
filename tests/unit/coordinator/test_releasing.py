"""The end of a coordinator: each step is done, whatever another one raises."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from fanout.coordinator.supervision import KILL_GRACE
from fanout.events import EventKind
from fanout.shm.worker_slot import NO_TAIL
from tests.unit.coordinator.bench import KILLED, Bench
from tests.unit.coordinator.test_pool import has_ended, is_open
from tests.unit.coordinator.test_supervision import only

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.transport.listener import Listener


def is_free(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0


def first_listener(bench: Bench) -> Listener:
    return next(iter(bench.coordinator.reception._listeners.values()))


class Failure(Exception):
    """Meant."""


# What is broken, on which object.
STEPS: dict[str, Callable[[Bench], tuple[Any, str]]] = {
    "on_broken": lambda bench: (bench.coordinator, "_on_broken"),
    "calls end": lambda bench: (bench.coordinator._calls, "end"),
    "calls that wait": lambda bench: (bench.coordinator._calls, "take"),
    "a listener": lambda bench: (first_listener(bench), "close"),
    "watching a listener": lambda bench: (bench.coordinator.reception._listening, "end"),
    "killing a process": lambda bench: (bench.processes[0], "kill"),
    "waiting for a process": lambda bench: (bench.processes[0], "join"),
    "releasing a process": lambda bench: (bench.processes[0], "close"),
    "a channel": lambda bench: (bench.coordinator.links[0].channel, "close"),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_raises_keeps_no_other_from_being_done(step: str) -> None:
    with Bench(2) as bench, ExitStack() as later:
        first, _subscriber = bench.connect(b"")
        coordinator = bench.coordinator
        coordinator.reception.bind("tcp://127.0.0.1:*")
        ports = [int(one.rpartition(":")[2]) for one in coordinator.reception.endpoints]
        calls = coordinator._calls.fd
        duplicates = list(bench.state.duplicates.values())
        bench.state.duplicates[-1] = -1  # one that cannot be closed either
        ended = later.enter_context(mock.patch.object(coordinator, "_on_ended"))
        told = later.enter_context(mock.patch.object(coordinator._announcer, "complain"))
        broken, name = STEPS[step](bench)
        with mock.patch.object(broken, name, side_effect=Failure(step)):
            coordinator._release()

        assert told.call_count >= 2, "nobody is told"
        ended.assert_called_once_with()
        killed = [process.exitcode for process in bench.processes]
        assert killed == [None if step == "killing a process" else KILLED, KILLED]
        released = [process.closed for process in bench.processes]
        assert released == [step != "releasing a process", True]
        assert [link.slot.tail for link in coordinator.links] == [NO_TAIL] * 2
        assert not any(map(is_open, [*duplicates, calls]))
        assert [is_free(port) for port in ports] == [step != "a listener", True]
        assert has_ended(first) or step == "a channel"
        if step in ("a listener", "a channel", "releasing a process"):
            broken.close()


def test_one_that_may_not_be_killed_is_left_and_its_end_still_noticed() -> None:
    with Bench(2) as bench:
        sock, _subscriber = bench.connect(b"")
        worker = bench.state.roster.connections[1].worker
        process = bench.processes[worker]
        process.may_be_killed = process.beats = False
        process.slot.tail = 3
        process.slot.past = 1
        bench.pass_time(bench.coordinator.options.worker_timeout + 5)

        lost = only(bench.of(EventKind.WORKER_LOST))
        assert lost.worker == worker
        assert "cannot be killed (Operation not permitted)" in lost.reason
        evicted = only(bench.of(EventKind.SUBSCRIBER_EVICTED))
        assert evicted.reason.endswith("; its worker may still send")
        assert bench.state.ledger.not_resumed == 1
        assert has_ended(sock)
        assert process.slot.tail == NO_TAIL
        assert process.channel.receive() == [] or process.channel.closed
        assert len(bench.processes) == 2, "two processes share one slot"
        assert bench.state.ledger.past_inexact == 1
        process.slot.past = 1  # it runs, and goes on to write
        process.exit(0)
        bench.pass_time(1)
        assert bench.state.ledger.past_inexact == 1, "one worker was lost once"
        assert len(bench.processes) == 3
        assert len(bench.of(EventKind.WORKER_LOST)) == 1
        assert process.closed


def test_the_end_does_not_wait_for_one_that_may_not_be_killed() -> None:
    with Bench() as bench:
        bench.worker.may_be_killed = False
        bench.coordinator._finish(0.0)
        bench.pass_time(KILL_GRACE + 1)

        assert bench.state.supervision.over
        bench.coordinator._release()
        assert bench.worker.closed


def test_what_cannot_be_watched_is_a_worker_that_did_not_start() -> None:
    with Bench() as bench:
        selector = bench.coordinator._selector
        with mock.patch.object(selector, "register", side_effect=OSError(28, "No space left")):
            bench.worker.exit(1)
            bench.pass_time(1.2)
        assert all(process.closed for process in bench.processes)
        why = bench.of(EventKind.WORKER_LOST)[1].reason
        assert "could not be started: this user may watch no more sockets" in why
        bench.pass_time(5)
        assert bench.worker.exitcode is None


def test_what_cannot_be_started_for_want_of_space_is_told_as_it_is() -> None:
    """As in too deep a namespace of processes: that has nothing to do with what is watched."""
    with Bench() as bench:
        link = bench.coordinator.links[0]
        with mock.patch.object(link, "start", side_effect=OSError(28, "No space left on device")):
            bench.worker.exit(1)
            bench.pass_time(1.2)
        why = bench.of(EventKind.WORKER_LOST)[1].reason
        assert "could not be started: No space left on device" in why
