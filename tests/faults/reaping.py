"""Publishers in programs that reap children, or may not kill them; run by test_reaping.py.

The first argument says how the program behaves. It asks who has started it for the signals that it
sends, since it may not send them itself: it prints a line, and goes on when it reads one.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import struct
import sys
import threading
import time

from fanout import EventKind, Publisher
from tests.helpers.collecting import Collector
from tests.helpers.happenings import Happenings
from tests.helpers.nursery import loaded_workers
from tests.helpers.programs import holdings, is_alive
from tests.helpers.waiting import DEADLINE_S, wait_until

ENDPOINT = "tcp://127.0.0.1:*"
NOBODY = 65_534
ROUNDS = 3

# A filter of system calls (seccomp(2)): those that send signals are refused with EPERM, as they are
# for who has given up rights.
SENDERS = {"x86_64": (62, 424), "aarch64": (129, 424)}  # kill, pidfd_send_signal
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050001


def ask(*what: object) -> None:
    """Have who started us do something."""
    print(*what, flush=True)
    sys.stdin.readline()


def prepare(how: str) -> None:
    """Be such a program."""
    if how == "sigchld ignored":
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    elif how == "a thread reaps":
        threading.Thread(target=_reap, daemon=True).start()
    elif how == "double fork":
        if os.fork():
            os._exit(0)
        os.setsid()
        if os.fork():
            os._exit(0)
    elif how.startswith("kills refused"):
        refuse_kills()


def _reap() -> None:
    pause = threading.Event()
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            pause.wait(0.001)


def refuse_kills() -> None:
    """Let this program send no signals any more."""
    rules = [(LOAD, 0, 0, 0)]
    for number in SENDERS[os.uname().machine]:
        rules += [(EQUAL, 0, 1, number), (RETURN, 0, 0, REFUSE)]
    rules.append((RETURN, 0, 0, ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
    program = struct.pack("HxxxxxxP", len(rules), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, FILTER, program, 0, 0)):
        assert libc.prctl(*arguments) == 0, os.strerror(ctypes.get_errno())


def delivers(publisher: Publisher, payload: bytes) -> int:
    """A new subscriber gets a message; returns the worker that served it."""
    wait_until(lambda: not publisher.has_subscribers(), "the end of the one before")
    with Collector(publisher.endpoints[0], b"") as collector:
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        publisher.publish(b"t", payload)
        collector.expect([[b"t", payload]])
        return publisher.subscribers()[0].worker


def is_closed(endpoint: str) -> bool:
    port = int(endpoint.rpartition(":")[2])
    try:
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S).close()
    except ConnectionRefusedError:
        return True
    return False


def one_life() -> None:
    """Start, lose each worker once, deliver, and close."""
    happenings = Happenings()
    publisher = Publisher(ENDPOINT, workers=2, log_bytes=1 << 22, on_event=happenings)
    (endpoint,) = publisher.endpoints
    pids = {worker.pid for worker in publisher.statistics().workers}
    delivers(publisher, b"first")
    victim = publisher.statistics().workers[0].pid
    ask("kill", victim)
    happenings.wait_for(EventKind.WORKER_STARTED, 3)
    for number in range(4):
        delivers(publisher, b"%d" % number)
    workers = publisher.statistics().workers
    assert [worker.restarts for worker in workers] == [1, 0], "the healthy one has gone too"
    pids |= {worker.pid for worker in workers}
    assert publisher.close(DEADLINE_S) == ()
    assert is_closed(endpoint)
    wait_until(lambda: not any(map(is_alive, pids)), "the end of the workers")


def one_that_hangs(how: str) -> None:
    """A worker that may not be killed hangs: it is left to itself, and the rest works on."""
    happenings = Happenings()
    publisher = Publisher(
        ENDPOINT, workers=2, log_bytes=1 << 22, worker_timeout=3.0, on_event=happenings
    )
    if how.startswith("rights given up"):
        os.setresuid(NOBODY, NOBODY, NOBODY)
    (endpoint,) = publisher.endpoints
    hung = publisher.statistics().workers[0].pid
    if how.endswith("while it runs"):
        ask("stop", hung)
        (lost,) = happenings.wait_for(EventKind.WORKER_LOST)
        assert lost.worker == 0
        assert "cannot be killed (Operation not permitted)" in lost.reason, lost
        for number in range(4):
            assert delivers(publisher, b"%d" % number) == 1
        ask("continue", hung)
        wait_until(lambda: not is_alive(hung), "its end")
        happenings.wait_for(EventKind.WORKER_STARTED, 3)
        assert len(happenings.of(EventKind.WORKER_LOST)) == 1
        hung = publisher.statistics().workers[0].pid
        publisher.close()
    else:
        ask("stop", hung)
        begun = time.monotonic()
        publisher.close(0.5)
        assert time.monotonic() - begun < DEADLINE_S, "it has waited for who hangs"
        (lost,) = happenings.wait_for(EventKind.WORKER_LOST)
        assert "cannot be killed" in lost.reason, lost
        ask("continue", hung)
    assert is_closed(endpoint)
    wait_until(lambda: not is_alive(hung), "its end")


def main(how: str) -> None:
    prepare(how)
    with loaded_workers():
        first = Publisher(ENDPOINT, workers=1, log_bytes=1 << 22)
        first.close()  # what is imported late is imported now
        before = holdings()[0]
        if "one hangs" in how:
            one_that_hangs(how)
        else:
            for _ in range(ROUNDS):
                one_life()
        wait_until(lambda: holdings()[0] == before, f"{before}, not {holdings()[0]}")
    print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
