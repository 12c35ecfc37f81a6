"""Many connections at once, more than the workers can take at that moment."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

from fanout import Event, EventKind, Publisher
from tests.helpers.command import ROOT
from tests.helpers.happenings import Happenings
from tests.helpers.raw import READY_SUB, RawPeer, command, greeting_3
from tests.helpers.waiting import DEADLINE_S, wait_until

STORM = 900  # below max_half_open


def test_connections_that_came_while_a_worker_was_stopped_are_all_served() -> None:
    with (
        Publisher(
            "tcp://127.0.0.1:*",
            workers=1,
            log_bytes=1 << 20,
            worker_timeout=600,  # it is stopped for as long as the storm lasts
            handshake_timeout=600,
        ) as publisher,
        ExitStack() as stack,
    ):
        (worker,) = publisher.statistics().workers
        channel = publisher._engine._coordinator.links[0].channel
        assert channel is not None
        channel.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # as little as it can
        os.kill(worker.pid, signal.SIGSTOP)
        try:
            for _ in range(STORM):
                peer = stack.enter_context(RawPeer(publisher.endpoints[0]))
                peer.send(greeting_3(1) + READY_SUB + command(b"SUBSCRIBE", b"A"))
            wait_until(lambda: publisher.statistics().accepted == STORM, "all are accepted")
            assert channel.pending, "the socket to the worker holds them all: no storm"
        finally:
            os.kill(worker.pid, signal.SIGCONT)
        publisher.wait_for_subscribers(STORM, timeout=DEADLINE_S)
        publisher.publish(b"A", b"")
        assert publisher.drain(timeout=DEADLINE_S) == ()
        assert publisher.statistics().sent == STORM


def test_out_of_descriptors_pauses_accepting_and_nothing_else() -> None:
    happenings = Happenings()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with (
        Publisher(
            "tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20, on_event=happenings
        ) as publisher,
        ExitStack() as stack,
        RawPeer.version_3(publisher.endpoints[0], b"A") as before,
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        peers = [stack.enter_context(socket.socket()) for _ in range(60)]
        in_use = {int(name) for name in os.listdir("/proc/self/fd")}
        free = (number for number in itertools.count() if number not in in_use)
        resource.setrlimit(resource.RLIMIT_NOFILE, (next(itertools.islice(free, 20, None)), hard))
        try:
            for peer in peers:
                peer.connect(before.socket.getpeername())
                peer.sendall(greeting_3(1) + READY_SUB + command(b"SUBSCRIBE", b"A"))
            paused = happenings.wait_for(EventKind.ACCEPT_PAUSED)[0]
            assert "raise the limit of open files" in paused.reason
            publisher.publish(b"A", b"1")
            assert before.read_message() == [b"A", b"1"]
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        wait_until(lambda: publisher.statistics().accepted == 61, "all are accepted")
        refused = publisher.statistics().refused
        assert refused < 5  # one for each pause, the others waited
        assert publisher.statistics().accept_pauses >= 1
        publisher.wait_for_subscribers(61 - refused, timeout=DEADLINE_S)
        assert publisher.statistics().evicted == 0


def test_a_storm_of_refused_connections_does_not_fill_the_log() -> None:
    happenings = Happenings()
    with (
        Publisher(
            "tcp://127.0.0.1:*",
            workers=1,
            log_bytes=1 << 20,
            max_subscribers=1,
            on_event=happenings,
        ) as publisher,
        RawPeer.version_3(publisher.endpoints[0], b"A"),
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        for _ in range(200):
            with RawPeer(publisher.endpoints[0]) as refused:
                assert refused.read_to_end() == b""
        happenings.wait_for(EventKind.CONNECTION_REFUSED)
        wait_until(lambda: publisher.statistics().refused == 200, "all are counted")

    def told() -> list[Event]:
        return happenings.of(EventKind.CONNECTION_REFUSED)

    wait_until(lambda: sum(event.count for event in told()) == 200, "all are told")
    assert len(told()) < 10


# It has few descriptors, and opens some files when it is asked whether it still can.
POOR = """
import os, resource, sys
from fanout import EventKind, Publisher
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
paused = lambda event: event.kind is EventKind.ACCEPT_PAUSED and print("paused", flush=True)
with Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20, on_event=paused) as publisher:
    print(publisher.endpoints[0], flush=True)
    sys.stdin.readline()
    figures = publisher.statistics()  # before others are opened here while one is let in
    files = [os.open("/dev/null", os.O_RDONLY) for _ in range(24)]
    print(figures.accept_pauses, figures.refused, flush=True)
    sys.stdin.readline()
"""


@pytest.mark.unmeasured
def test_subscribers_leave_the_program_some_descriptors() -> None:
    with (
        subprocess.Popen(
            [sys.executable, "-c", POOR],
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as poor,
        ExitStack() as stack,
    ):
        assert poor.stdin is not None
        assert poor.stdout is not None
        endpoint = poor.stdout.readline().strip()
        for _ in range(300):
            stack.enter_context(RawPeer(endpoint))
        assert poor.stdout.readline() == "paused\n"
        print("open", file=poor.stdin, flush=True)
        pauses, refused = next(line for line in poor.stdout if line != "paused\n").split()
        print("end", file=poor.stdin, flush=True)

        assert int(pauses) > 0
        assert int(refused) == 0, "who waits for a descriptor is not closed for that"
    assert poor.returncode == 0


@pytest.mark.unmeasured
def test_the_kernel_has_room_for_all_descriptors_before_they_come() -> None:
    program = (
        "import fanout, pathlib\n"
        "with fanout.Publisher('tcp://127.0.0.1:*', workers=1, log_bytes=1 << 20,\n"
        "                      max_subscribers=500):\n"
        "    print(pathlib.Path('/proc/self/status').read_text('utf-8'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    (size,) = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("FDSize")]
    assert int(size) >= 500
