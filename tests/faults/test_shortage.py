"""Channels that are full, and nothing left for who comes or is to go on: told, and survived."""

from __future__ import annotations

import errno
import os
import resource
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

from fanout import EventKind, Publisher, Reason, SlowPolicy, Subscriber, auth
from fanout.observe.attach import attach
from fanout.shm.worker_slot import WorkerSlot
from tests.helpers.collecting import Collector
from tests.helpers.curve import new_keys
from tests.helpers.happenings import Happenings
from tests.helpers.programs import ROOT, Program, paused
from tests.helpers.raw import RawPeer, command
from tests.helpers.waiting import DEADLINE_S, wait_until

NEVER_S = 600.0


def publisher_with(happenings: Happenings, workers: int) -> Publisher:
    return Publisher(
        *("tcp://127.0.0.1:*",),
        workers=workers,
        log_bytes=1 << 20,
        worker_timeout=NEVER_S,
        on_event=happenings,
    )


def test_a_worker_that_is_stopped_and_reads_no_orders_is_told_of_and_counted() -> None:
    happenings = Happenings()
    with publisher_with(happenings, 1) as publisher:
        with Collector(publisher.endpoints[0], b"") as collector:
            publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            (row,) = publisher.subscribers()

            def has_been_told() -> bool:
                for index in range(50):
                    publisher.set_slow_policy(row.id, SlowPolicy(limit_messages=1_000 + index))
                return bool(happenings.of(EventKind.CHANNEL_FULL))

            with paused(publisher.statistics().workers[0].pid):
                wait_until(has_been_told, "the channel is full")
            (event, *_) = happenings.of(EventKind.CHANNEL_FULL)
            assert (event.worker, event.cause) == (0, Reason.CHANNEL_FULL)
            assert "worker 0 does not read what it is told" in event.reason
            publisher.publish(b"A", b"still served")
            collector.expect([[b"A", b"still served"]])
            assert publisher.statistics().channel_full >= 1
        assert happenings.of(EventKind.WORKER_LOST) == []


PROGRAM = """
import sys, fanout
with fanout.Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20) as publisher:
    with publisher.events() as events:
        print(publisher.endpoints[0], flush=True)
        sys.stdin.readline()
        for event in events:
            if event.kind is fanout.EventKind.CHANNEL_FULL:
                break
        print(publisher.statistics().channel_full, event.cause.label, event.worker, flush=True)
        sys.stdin.readline()
"""


def test_a_publisher_that_is_stopped_and_reads_no_reports_is_told_of_and_counted() -> None:
    with ExitStack() as ends:
        program = ends.enter_context(Program(["-W", "error", "-c", PROGRAM], ROOT))
        endpoint = program.line()
        peers = [ends.enter_context(RawPeer.version_3(endpoint, b"A")) for _ in range(8)]
        reader = attach(program.process.pid)
        wait_until(lambda: reader.totals().subscribers == len(peers), "all are there")
        slot = WorkerSlot(reader._segment, 0)
        number = 0

        def is_full() -> bool:
            nonlocal number
            for peer in peers:
                number += 1
                peer.send(command(b"SUBSCRIBE", b"%d" % number))
            return bool(slot.channel_full)

        with paused(program.process.pid):
            wait_until(is_full, "the channel is full")
        program.say()
        count, cause, worker = program.line().split()
        assert int(count) >= 1
        assert (cause, worker) == ("channel_full", "0")


EMFILE = """
import os, resource, signal, threading, fanout
from tests.helpers.collecting import Collector
from tests.helpers.happenings import Happenings
from tests.helpers.waiting import DEADLINE_S, wait_until
happenings = Happenings()
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
with fanout.Publisher(
    "tcp://127.0.0.1:*", workers=2, log_bytes=1 << 20, on_event=happenings
) as publisher, Collector(publisher.endpoints[0], b"") as one, \\
    Collector(publisher.endpoints[0], b"") as two:
    publisher.wait_for_subscribers(2, timeout=DEADLINE_S)
    publisher.publish(b"A", b"before")
    one.wait_for(1), two.wait_for(1)
    row = publisher.subscribers()[0]
    victim = publisher.statistics().workers[row.worker].pid
    resource.setrlimit(resource.RLIMIT_NOFILE, (4, hard))  # above 0 to 2: all are taken
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: happenings.of(fanout.EventKind.TAKEOVER_PAUSED), "it is told")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    publisher.publish(b"A", b"after")
    one.expect([[b"A", b"before"], [b"A", b"after"]])
    two.expect([[b"A", b"before"], [b"A", b"after"]])
    event = happenings.of(fanout.EventKind.TAKEOVER_PAUSED)[0]
    figures = publisher.statistics()
    assert event.cause is fanout.Reason.NO_RESOURCES, event
    assert "raise the limit (`ulimit -n`)" in event.reason, event
    assert figures.takeover_pauses >= 1, figures
    assert (figures.resumed, figures.not_resumed) == (1, 0), figures
"""


def test_a_takeover_waits_for_descriptors_and_says_so() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", EMFILE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_a_worker_without_descriptors_is_told_of_and_somebody_goes_on() -> None:
    happenings = Happenings()
    with ExitStack() as ends:
        publisher = ends.enter_context(publisher_with(happenings, 2))
        endpoint = publisher.endpoints[0]
        collectors = [ends.enter_context(Collector(endpoint, b"")) for _ in range(2)]
        publisher.wait_for_subscribers(2, timeout=DEADLINE_S)
        publisher.publish(b"A", b"before")
        for one in collectors:
            one.wait_for(1)
        survivor, victim = (one.pid for one in publisher.statistics().workers)
        soft, hard = resource.prlimit(survivor, resource.RLIMIT_NOFILE)
        resource.prlimit(survivor, resource.RLIMIT_NOFILE, (3, hard))
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: happenings.of(EventKind.TAKEOVER_PAUSED), "it is told")
        resource.prlimit(survivor, resource.RLIMIT_NOFILE, (soft, hard))
        publisher.publish(b"A", b"after")
        for one in collectors:
            one.expect([[b"A", b"before"], [b"A", b"after"]])
        event = happenings.of(EventKind.TAKEOVER_PAUSED)[0]
        assert (event.worker, event.cause) == (0, Reason.NO_RESOURCES)
        figures = publisher.statistics()
        assert figures.takeover_pauses >= 1
        assert (figures.resumed, figures.not_resumed) == (1, 0)


def test_keys_that_come_to_a_worker_without_descriptors_do_not_end_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It cannot load what CURVE is made of then; it does when somebody comes by it later."""
    monkeypatch.setenv("FANOUT_NURSERY", "off")  # as users have it: it was not loaded before
    happenings = Happenings()
    with ExitStack() as ends:
        publisher = ends.enter_context(publisher_with(happenings, 1))
        plain = ends.enter_context(Collector(publisher.endpoints[0], b""))
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        [worker] = publisher.statistics().workers
        soft, hard = resource.prlimit(worker.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (3, hard))
        ours, theirs = new_keys(), new_keys()
        security = auth.Curve(ours.secret, lambda _request: auth.Allow())
        secured = publisher.bind("tcp://127.0.0.1:*", security=security)
        with RawPeer(secured) as stranger:  # its worker has no number for it
            stranger.read_to_end()
        [failed] = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
        assert failed.cause is Reason.NO_DESCRIPTOR, failed
        resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (soft, hard))
        client = auth.CurveClient(ours.public, theirs.secret)
        with Subscriber(secured, [b""], security=client) as subscriber:
            publisher.wait_for_subscribers(2, timeout=DEADLINE_S)
            publisher.publish(b"A", b"to both")
            assert subscriber.recv(DEADLINE_S).frames == (b"A", b"to both")
        plain.expect([[b"A", b"to both"]])
        assert happenings.of(EventKind.WORKER_LOST) == []


WATCHED = 40  # descriptors that can be watched, in each process
EACH = 16  # subscribers of each worker: not as many again, beside what it has for itself
NO_FILTER = 77
UNWATCHED = f"""
import sys, fanout
from fanout import EventKind
from tests.helpers.happenings import Happenings
from tests.helpers.seccomp import refuse_to_watch
from tests.helpers.waiting import DEADLINE_S, wait_until
try:
    refuse_to_watch({WATCHED}, int(sys.argv[1]))
except OSError:
    print("no filter", flush=True)
    sys.exit({NO_FILTER})
happenings = Happenings()
with fanout.Publisher(
    "tcp://127.0.0.1:*", workers=2, log_bytes=1 << 20, rebalance=False, on_event=happenings
) as publisher:
    print(publisher.endpoints[0], flush=True)
    sys.stdin.readline()
    publisher.wait_for_subscribers({2 * EACH}, timeout=DEADLINE_S)
    publisher.publish(b"A", b"before")
    print(publisher.statistics().workers[0].pid, flush=True)
    def known():
        figures = publisher.statistics()
        return figures.resumed + figures.not_resumed == {EACH}
    wait_until(known, "something has become of all")
    publisher.publish(b"A", b"after")
    figures = publisher.statistics()
    def all_told():
        return len(happenings.of(EventKind.SUBSCRIBER_EVICTED)) >= figures.not_resumed
    wait_until(all_told, "each is told")
    evicted = happenings.of(EventKind.SUBSCRIBER_EVICTED)
    assert figures.takeover_pauses > figures.not_resumed == len(evicted), (figures, evicted)
    assert all("its worker got nothing for it: " in event.reason for event in evicted), evicted
    paused = happenings.of(EventKind.TAKEOVER_PAUSED)[0]
    assert (paused.worker, paused.cause.label) == (1, "no_resources"), paused
    print(figures.resumed, figures.not_resumed, flush=True)
    sys.stdin.readline()
    wait_until(lambda: happenings.of(EventKind.HANDSHAKE_FAILED), "it is told")
    failed = happenings.of(EventKind.HANDSHAKE_FAILED)[-1]
    assert failed.cause.label == "unwatched", failed
    assert failed.reason.startswith("it cannot be watched: "), failed
    assert len(happenings.of(EventKind.WORKER_STARTED)) == 2
    print("go", flush=True)
    wait_until(lambda: len(happenings.of(EventKind.WORKER_STARTED)) > 2, "it is replaced")
    print("replaced", flush=True)
    publisher.wait_for_subscribers(1, b"B", timeout=DEADLINE_S)
    publisher.publish(b"B", b"again")
    sys.stdin.readline()
"""


def test_who_cannot_be_watched_is_asked_for_elsewhere_and_nobody_else_feels_it() -> None:
    """The system gives memory for no watch more: neither to workers, nor to the publisher."""
    with ExitStack() as ends:
        arguments = ["-W", "error", "-c", UNWATCHED, str(errno.ENOSPC)]
        program = ends.enter_context(Program(arguments, ROOT))
        endpoint = program.line()
        if endpoint == "no filter":
            pytest.skip("no filter of system calls is permitted here")
        peers = [ends.enter_context(RawPeer.version_3(endpoint, b"A")) for _ in range(2 * EACH)]
        program.say()
        os.kill(int(program.line()), signal.SIGKILL)
        resumed, not_resumed = map(int, program.line().split())
        assert min(resumed, not_resumed) > 0
        got = [[peer.read_message()[1]] for peer in peers]
        for peer, messages in zip(peers, got, strict=True):
            if peer.has_more():
                messages.append(peer.read_message()[1])
        served = [peer for peer, messages in zip(peers, got, strict=True) if len(messages) > 1]
        assert len(served) == EACH + resumed
        assert all(messages == [b"before", b"after"][: len(messages)] for messages in got)

        host, port = endpoint.removeprefix("tcp://").split(":")
        with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as newcomer:
            while newcomer.recv(4096):  # there is no place for it
                pass
        program.say()
        assert program.line() == "go"
        for peer in peers[2:]:
            peer.close()
        assert program.line() == "replaced"
        newcomer_again = ends.enter_context(RawPeer.version_3(endpoint, b"B"))
        assert newcomer_again.read_message() == [b"B", b"again"]
        program.say()
        program.finish()


UNWATCHED_ASYNCIO = f"""
import asyncio, os, sys, fanout.asyncio
from fanout.sockets.asyncio import Pull, Push
from tests.helpers.seccomp import refuse_to_watch
from tests.helpers.waiting import DEADLINE_S
try:
    refuse_to_watch({WATCHED}, int(sys.argv[2]))
except OSError:
    print("no filter", flush=True)
    sys.exit({NO_FILTER})
failed = []
def refused(socket):
    return any("cannot be watched" in one.text for one in socket.errors())
async def until(is_so):
    while not is_so():
        await asyncio.sleep(0.01)
async def main():
    taken = []
    subscriber = fanout.asyncio.Subscriber(sys.argv[1], on_event=failed.append)
    async with asyncio.timeout(DEADLINE_S), Pull() as pull, Push() as push:
        endpoint = await pull.bind("ipc://*")
        while not taken or taken[-1] < {WATCHED}:
            taken.append(os.dup(0))
        push.connect(endpoint)
        await subscriber.__aenter__()
        await until(lambda: len(failed) > 1)
        await until(lambda: refused(push))
        await until(lambda: refused(pull))
        assert all("cannot be watched" in event.text for event in failed), failed
        for descriptor in taken:
            os.close(descriptor)
        print((await subscriber.recv()).payload.decode(), flush=True)
        await push.send(b"pushed")
        print((await pull.recv())[0].decode(), flush=True)
        await subscriber.close()
asyncio.run(main())
"""


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.ENOMEM])
def test_an_event_loop_that_can_watch_no_more_ends_no_subscriber_and_no_socket(
    number: int,
) -> None:
    """It is a failed attempt: told, and made again."""
    with ExitStack() as ends:
        publisher = ends.enter_context(Publisher("ipc://*", workers=1, log_bytes=1 << 20))
        arguments = ["-W", "error", "-c", UNWATCHED_ASYNCIO, publisher.endpoints[0], str(number)]
        program = ends.enter_context(Program(arguments, ROOT))
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        publisher.publish(b"A", b"published")
        line = program.line()
        if line == "no filter":
            pytest.skip("no filter of system calls is permitted here")
        assert (line, program.line()) == ("published", "pushed")
        program.finish()
