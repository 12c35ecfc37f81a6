"""A look at a worker: what stands in its slot, what waits for it, and what the kernel says."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING
from unittest import mock

from fanout.control.channel import ChannelFull
from fanout.control.judging import Forget, Secure
from fanout.control.leftovers import LeftFile
from fanout.control.messages import Adopt, WriteSlots
from fanout.coordinator.conditions import read_condition
from fanout.coordinator.lives import Condition, Sight
from fanout.shm.worker_slot import NO_TAIL
from tests.helpers.programs import pause
from tests.helpers.waiting import wait_until
from tests.unit.coordinator.bench import KILLED, Bench

if TYPE_CHECKING:
    from pathlib import Path

    from fanout.coordinator.links import WorkerLink

RUNS = Condition("R", 1.5)


class Kernel:
    """Says always the same; keeps of which processes it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, pid: int) -> Condition:
        self.asked.append(pid)
        return RUNS

    def look(self, link: WorkerLink, head: int = 0) -> Sight:
        return link.look(head, self)


def test_the_kernel_is_asked_about_one_that_stands_still() -> None:
    with Bench() as bench:
        link, slot, kernel = bench.coordinator.links[0], bench.worker.slot, Kernel()
        seen = []
        for heartbeat, progress in ((5, 5), (5, 5), (6, 5), (7, 6), (7, 7)):
            slot.heartbeat, slot.progress = heartbeat, progress
            seen.append(kernel.look(link).condition)

        assert seen == [None, RUNS, RUNS, None, RUNS]
        assert set(kernel.asked) == {bench.worker.pid}


def test_messages_wait_for_one_that_needs_the_log() -> None:
    with Bench() as bench:
        link, slot, kernel = bench.coordinator.links[0], bench.worker.slot, Kernel()
        bench.worker.hear()
        seen = []
        for tail, front in ((NO_TAIL, 3), (3, 3), (3, 5), (5, 5)):
            slot.tail, slot.front = tail, front
            seen.append(kernel.look(link, head=5).is_waited_for)

        assert seen == [False, True, False, False]


def test_what_was_said_to_it_waits_until_it_has_read_it() -> None:
    with Bench() as bench:
        link, kernel = bench.coordinator.links[0], Kernel()
        before = kernel.look(link).is_waited_for  # nobody has read Hello
        bench.worker.hear()
        read = kernel.look(link).is_waited_for
        link.say(WriteSlots(1))
        waiting = kernel.look(link).is_waited_for
        bench.coordinator._pool.flush()
        sent = kernel.look(link).is_waited_for
        bench.worker.hear()

        assert (before, read, waiting, sent) == (True, False, True, True)
        assert not kernel.look(link).is_waited_for


def test_keys_go_to_a_process_before_anybody_comes_by_them() -> None:
    """What they take is loaded then: at the first connection all others would wait for it."""
    with Bench() as bench:
        one, other = (Secure(f"zmtp+curve#{number}", [b"s" * 32]) for number in range(2))
        bench.worker.hear()
        for secure in (one, other):
            bench.state.secure[secure.protocol] = secure
            bench.turn()
            assert bench.worker.hear() == [secure]
        bench.turn()
        assert bench.worker.hear() == []


def test_a_process_that_has_keys_is_told_when_their_endpoint_is_gone() -> None:
    with Bench() as bench:
        secure = Secure("zmtp+curve#1", [b"s" * 32])
        bench.state.secure[secure.protocol] = secure
        bench.coordinator._pool.flush()
        adopt = Adopt(1, 0, secure.protocol)
        bench.coordinator.links[0].say(adopt)
        del bench.state.secure[secure.protocol]
        bench.coordinator._pool.flush()
        # Behind the last connection: who is handed over then can still begin.
        assert bench.worker.hear()[-3:] == [secure, adopt, Forget(secure.protocol)]
        bench.turn()
        assert bench.worker.hear() == []


def test_keys_go_to_a_process_once() -> None:
    with Bench() as bench:
        link, secure = bench.coordinator.links[0], Secure("zmtp+curve#1", [b"s" * 32])
        bench.state.secure[secure.protocol] = secure
        bench.worker.hear()
        adopts = [
            Adopt(1, 0, "zmtp"),
            Adopt(2, 1, secure.protocol),
            Adopt(3, 2, secure.protocol),
        ]
        for adopt in adopts:
            link.say(adopt)
        bench.coordinator._pool.flush()

        assert bench.worker.hear() == [adopts[0], secure, *adopts[1:]]
        assert "s" * 32 not in repr(secure)


def test_a_new_process_is_given_them_anew() -> None:
    with Bench() as bench:
        secure = Secure("zmtp+curve#1", [b"s" * 32])
        bench.state.secure[secure.protocol] = secure
        link, adopt = bench.coordinator.links[0], Adopt(1, 0, secure.protocol)
        link.say(adopt)
        bench.worker.exit(KILLED)
        bench.turn()
        bench.pass_time(5.0)
        assert len(bench.processes) == 2
        link.say(adopt)
        bench.coordinator._pool.flush()

        assert [one for one in bench.worker.hear() if isinstance(one, Secure)] == [secure]


def test_for_one_that_has_hung_up_nothing_waits() -> None:
    with Bench() as bench:
        link, kernel = bench.coordinator.links[0], Kernel()
        bench.worker.hang_up()
        bench.turn()

        assert kernel.look(link) == Sight(0, True, 0, False, RUNS)


def test_the_kernel_says_what_a_process_does_and_how_long_it_has_worked() -> None:
    before = read_condition(os.getpid())
    assert before is not None
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    after = read_condition(os.getpid())

    assert after is not None
    assert (before.state, after.state) == ("R", "R")
    assert 0.03 <= after.cpu_s - before.cpu_s <= 1.0


def test_one_that_is_stopped_and_one_that_is_gone_are_told_apart() -> None:
    name = "import ctypes; ctypes.CDLL(None).prctl(15, b'a) T 1 (b'); input()"
    process = subprocess.Popen([sys.executable, "-c", name], stdin=subprocess.PIPE)
    try:
        waits = wait_until(lambda: is_asleep(process.pid), "that it waits")
        pause(process.pid)
        stopped = read_condition(process.pid)
    finally:
        process.kill()
        process.communicate()

    assert waits
    assert stopped is not None
    assert stopped.state == "T"
    assert read_condition(process.pid) is None


def is_asleep(pid: int) -> bool:
    with open(f"/proc/{pid}/comm") as file:
        has_name = file.read() == "a) T 1 (b\n"
    condition = read_condition(pid)
    return has_name and condition is not None and condition.state == "S"


def test_a_process_is_told_of_socket_files_as_they_come_and_go(tmp_path: Path) -> None:
    with Bench() as bench:
        reception = bench.coordinator.reception
        bench.worker.hear()
        first = reception.bind(f"ipc://{tmp_path}/first")
        bench.turn()
        (made,) = bench.worker.hear()
        reception.unbind(first)
        second = reception.bind(f"ipc://{tmp_path}/second")
        bench.turn()
        gone, other = bench.worker.hear()

        assert isinstance(made, LeftFile)
        assert made.file[0] == os.fsencode(tmp_path / "first")
        assert gone == LeftFile(made.file, False)
        assert isinstance(other, LeftFile)
        assert (other.file[0], other.is_there) == (os.fsencode(tmp_path / "second"), True)

        bench.worker.exit(KILLED)
        bench.turn()
        bench.pass_time(5.0)
        assert [one for one in bench.worker.hear() if isinstance(one, LeftFile)] == [other]
        reception.unbind(second)


def test_one_that_does_not_read_is_told_of_socket_files_later(tmp_path: Path) -> None:
    with Bench() as bench:
        link, files = bench.coordinator.links[0], bench.state.socket_files
        channel = link.channel
        assert channel is not None
        bench.worker.hear()
        files.known = {b"path": [b"path", b"1 2 3", b""]}
        with mock.patch.object(channel, "post", side_effect=ChannelFull):
            link.flush(channel)
        assert bench.worker.hear() == []
        link.flush(channel)

        assert bench.worker.hear() == [LeftFile([b"path", b"1 2 3", b""], True)]
