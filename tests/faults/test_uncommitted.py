"""A publisher that is killed at the store which would commit a message: no byte of it is sent."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from fanout.workers.worker import ORPHAN_DRAIN
from tests.helpers.programs import Program, is_alive
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

MESSAGES = 300
SLACK = 2.0  # seconds for two processes that end on a busy machine; the rest is `ORPHAN_DRAIN`
PROGRAM = f"""
import os, signal, sys
from fanout import Publisher
from fanout.shm.layout import H_HEAD, H_POISON
publisher = Publisher(["tcp://127.0.0.1:*", "ipc://feed"], workers=2, log_bytes=1 << 20)
print(publisher.endpoints[0])
print(*(worker.pid for worker in publisher.statistics().workers))
sys.stdin.readline()
publisher.wait_for_subscribers(2, timeout={DEADLINE_S})
log = publisher._engine.path.log
words = log._words
class Deadly:
    def __getitem__(self, index):
        return words[index]
    def __setitem__(self, index, value):
        if index == H_HEAD and value > {MESSAGES}:
            assert words[H_POISON] == value
            os.kill(os.getpid(), signal.SIGKILL)
        words[index] = value
log._words = Deadly()
for number in range({MESSAGES} + 1):
    publisher.publish(b"n", b"%d" % number)
"""


def test_no_byte_is_sent_of_a_message_whose_publisher_is_killed_before_it_is_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FANOUT_PURE", "1")  # else the store is made where nobody can come between
    with Program(["-c", PROGRAM], tmp_path) as program, ExitStack() as stack:
        endpoints = program.line(), f"ipc://{tmp_path}/feed"
        pids = list(map(int, program.line().split()))
        peers = [stack.enter_context(RawPeer.version_3(one, b"")) for one in endpoints]
        program.say("begin")
        assert program.process.wait(DEADLINE_S) == -signal.SIGKILL
        begun = time.monotonic()
        wait_until(lambda: not any(map(is_alive, pids)), "the end of the workers")
        passed = time.monotonic() - begun

        for peer in peers:
            for number in range(MESSAGES):
                assert peer.read_message() == [b"n", b"%d" % number]
            assert peer.socket.recv(1) == b"", "the stream has an end, and nothing before it"
    assert passed < ORPHAN_DRAIN + SLACK
