"""What is left of a worker that is gone: its last words count, and it holds nobody up.

Some of the workers here are real processes that play a part: they say what the test wants said.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import psutil
import pytest

from fanout import Event, EventKind, Publisher, Reason
from fanout.control.channel import RECEIVE_MESSAGES
from fanout.coordinator import spawn
from fanout.coordinator.supervision import FAILURES_MAX
from tests.helpers.filling import ROOM_S, fill
from tests.helpers.happenings import Happenings
from tests.helpers.programs import is_alive, pause
from tests.helpers.raw import RawPeer, frame
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.shm.worker_slot import WorkerSlot

ENDPOINT = "tcp://127.0.0.1:*"
KIB = 1024

# It begins as a worker does; `hear` and `say` are what is left of it.
PART = """
import os, select, signal, socket
from fanout.control.channel import Channel
from fanout.control.messages import Adopt, Closed, Connected, Slow, Started
channel = Channel(socket.socket(fileno=int(control)))
def hear():
    select.select([channel.socket], [], [])
    return [message for message, _ in channel.receive()]
def say(*messages):
    for message in messages:
        channel.post(message)
    while not channel.flush():
        select.select([], [channel.socket], [])
hear()
say(Started(os.getpid()))
"""
HANGS_UP = """
channel.close()
signal.pause()
"""
TALKS_AND_ENDS = """
who = next(message.subscriber for message in hear() if isinstance(message, Adopt))
say(Connected(who, "3.1"))
os.kill(os.getpid(), signal.SIGSTOP)  # until the coordinator is busy with something else
for _ in range(2):
    say(*(Slow(who, False, number, "behind") for number in range({count})))
say(Closed(who, False, 2, "closed by the subscriber", 0, 0, 0, 0, 0))
os._exit(0)
"""


def played(part: str) -> str:
    """The boot of a process that plays this part in the place of a worker."""
    before, _, _ = spawn._BOOT.rpartition("from fanout.workers.main import main")
    return before + PART + part


@contextmanager
def busy(publisher: Publisher) -> Iterator[None]:
    """The coordinator's thread has no turn meanwhile."""
    begun, done = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        done.wait(DEADLINE_S)

    call = publisher._engine._coordinator.call
    with ThreadPoolExecutor(1) as other:
        working = other.submit(lambda: call(work, 2 * DEADLINE_S))
        assert begun.wait(DEADLINE_S)
        try:
            yield
        finally:
            done.set()
            working.result(DEADLINE_S)


def test_what_a_worker_said_before_its_end_counts_however_much_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says more than the coordinator takes in one turn, and ends before there is one."""
    happenings = Happenings()
    monkeypatch.setattr(spawn, "_BOOT", played(TALKS_AND_ENDS.format(count=RECEIVE_MESSAGES)))
    with Publisher(ENDPOINT, workers=1, log_bytes=1 << 22, on_event=happenings) as publisher:
        (started,) = happenings.wait_for(EventKind.WORKER_STARTED)
        worker = psutil.Process(int(started.reason.removeprefix("pid ")))
        with RawPeer(publisher.endpoints[0]):
            wait_until(lambda: worker.status() == psutil.STATUS_STOPPED, "its pause")
            with busy(publisher):
                worker.send_signal(signal.SIGCONT)
                wait_until(lambda: worker.status() == psutil.STATUS_ZOMBIE, "its end")
            happenings.wait_for(EventKind.WORKER_LOST)
        publisher.stop()

    left = happenings.wait_for(EventKind.SUBSCRIBER_DISCONNECTED)
    assert [event.cause for event in left] == [Reason.LEFT]
    slow = happenings.wait_for(EventKind.SUBSCRIBER_SLOW, 2 * RECEIVE_MESSAGES)
    assert len(slow) == 2 * RECEIVE_MESSAGES
    assert happenings.of(EventKind.SUBSCRIBER_EVICTED) == []


def test_one_that_hangs_up_and_does_not_end_is_killed_and_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    happenings = Happenings()
    real = spawn._BOOT
    monkeypatch.setattr(spawn, "_BOOT", played(HANGS_UP))
    with Publisher(ENDPOINT, workers=1, log_bytes=1 << 22, on_event=happenings) as publisher:
        monkeypatch.setattr(spawn, "_BOOT", real)
        (lost,) = happenings.wait_for(EventKind.WORKER_LOST)
        happenings.wait_for(EventKind.WORKER_STARTED, 2)

        assert "closed its control channel" in lost.reason
        pid = int(happenings.of(EventKind.WORKER_STARTED)[0].reason.removeprefix("pid "))
        assert not is_alive(pid)
        assert publisher.statistics().workers[0].restarts == 1


@pytest.mark.parametrize("prefix", [b"", b"T"])
@pytest.mark.parametrize("asks", ["drain", "close"])
def test_what_a_killed_worker_had_not_delivered_is_counted_and_told(
    prefix: bytes, asks: str
) -> None:
    """It is stopped first, so that it can deliver nothing of what is published then."""
    happenings = Happenings()
    publisher = Publisher(ENDPOINT, workers=1, log_bytes=1 << 22, on_event=happenings)
    try:
        with RawPeer.version_3(publisher.endpoints[0], prefix) as peer:
            publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            peer.say_half()
            for _ in range(10):
                publisher.publish(b"T1", b"read")
            assert publisher.drain(DEADLINE_S) == ()
            pid = publisher.statistics().workers[0].pid  # and the slots are up to date
            pause(pid)
            for number in range(2_000):
                publisher.publish(b"T%d" % (number % 7) if number % 2 else b"Z", b"lost")
            wanted = 2_000 if not prefix else 1_000

            hanging = publisher.drain(0.0)
            assert [one.messages for one in hanging] == [wanted]
            os.kill(pid, signal.SIGKILL)
            happenings.wait_for(EventKind.SUBSCRIBER_EVICTED)
            totals = publisher.statistics()
            assert (totals.sent, totals.dropped, totals.discarded) == (10, 0, wanted)
            told = publisher.drain(DEADLINE_S) if asks == "drain" else publisher.close()
            again = publisher.drain(DEADLINE_S) if asks == "drain" else ()
    finally:
        rest = publisher.close()

    assert [one.messages for one in told] == [wanted]
    assert again == ()
    assert asks == "close" or rest == ()


def test_a_worker_that_is_killed_in_the_middle_of_its_work_loses_nothing_uncounted() -> None:
    """It may have sent more than its last checkpoint says: then that is discarded, too."""
    count, peers_each = 20_000, (b"", b"", b"T1", b"T")
    happenings = Happenings()
    with (
        ExitStack() as stack,
        Publisher(ENDPOINT, workers=1, on_event=happenings, slow_policy="block") as publisher,
    ):
        peers = [
            stack.enter_context(RawPeer.version_3(publisher.endpoints[0], topic))
            for topic in peers_each
        ]
        publisher.wait_for_subscribers(len(peers), topic=b"T1", timeout=DEADLINE_S)
        for peer in peers:
            peer.say_half()
        pid = publisher.statistics().workers[0].pid
        for number in range(count // 2):
            publisher.publish(b"T%d" % (number % 2), bytes(100))
        os.kill(pid, signal.SIGKILL)
        for number in range(count // 2):
            publisher.publish(b"T%d" % (number % 2), bytes(100))
        happenings.wait_for(EventKind.SUBSCRIBER_EVICTED, len(peers))
        totals = publisher.statistics()
        told = {one.peer: one for one in happenings.of(EventKind.SUBSCRIBER_EVICTED)}
        matched = 0
        for peer, topic in zip(peers, peers_each, strict=True):
            # Up to when the loss was noticed, which only the figures themselves say.
            event = told[f"127.0.0.1:{peer.socket.getsockname()[1]}"]
            assert event.exact
            received = peer.read_to_end().count(bytes(100))
            wanted = received + event.discarded
            assert wanted >= count // 2 // (2 if topic == b"T1" else 1), "some are booked nowhere"
            matched += event.discarded
        assert (totals.dropped, totals.discarded) == (0, matched)
        undelivered = publisher.drain(DEADLINE_S)
        assert sum(one.messages for one in undelivered) == matched
        assert all(one.exact for one in undelivered)


def test_subscriptions_that_changed_just_before_a_loss_count_from_then_on() -> None:
    happenings = Happenings()
    with (
        Publisher(ENDPOINT, workers=1, log_bytes=1 << 22, on_event=happenings) as publisher,
        RawPeer.version_3(publisher.endpoints[0], b"A") as peer,
    ):
        publisher.wait_for_subscribers(1, topic=b"A", timeout=DEADLINE_S)
        pid = publisher.statistics().workers[0].pid
        for _ in range(10):
            publisher.publish(b"A", b"1")
            publisher.publish(b"B", b"not wanted")
        assert publisher.drain(DEADLINE_S) == ()  # else the worker may read the change before these
        peer.send(frame(b"\x01B"))
        publisher.wait_for_subscribers(1, topic=b"B", timeout=DEADLINE_S)
        peer.send(frame(b"\x00A"))
        wait_until(lambda: not publisher.has_subscribers(b"A"), "the cancellation")
        for _ in range(10):
            assert peer.read_message() == [b"A", b"1"]
        peer.say_half()
        publisher.statistics()  # by then its worker has taken that
        pause(pid)
        for _ in range(10):
            publisher.publish(b"A", b"not wanted")
            publisher.publish(b"B", b"2")
        os.kill(pid, signal.SIGKILL)
        happenings.wait_for(EventKind.SUBSCRIBER_EVICTED)

        totals = publisher.statistics()
        assert totals.sent + totals.discarded == 20
        assert [one.exact for one in publisher.drain(DEADLINE_S)] == [True]


@pytest.mark.slow
def test_workers_that_are_killed_each_100_ms_for_4_s_do_not_end_the_publisher() -> None:
    happenings = Happenings()
    lost: list[Event] = []
    pause = threading.Event()
    with Publisher(ENDPOINT, workers=2, log_bytes=1 << 22, on_event=happenings) as publisher:
        until = time.monotonic() + 4.0
        deadline = until + DEADLINE_S
        while time.monotonic() < until or len(lost) < FAILURES_MAX:
            assert time.monotonic() < deadline, "they are hardly killed"
            for link in publisher._engine._coordinator.links:
                with suppress(ProcessLookupError):
                    if link.pid:
                        os.kill(link.pid, signal.SIGKILL)
            pause.wait(0.1)
            lost = happenings.of(EventKind.WORKER_LOST)
        with RawPeer.version_3(reconnected(publisher), b"a") as peer:
            publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            publisher.publish(b"a", b"still there")
            assert peer.read_message() == [b"a", b"still there"]


def reconnected(publisher: Publisher) -> str:
    """The endpoint, once a worker serves again."""
    supervision = publisher._engine._coordinator.state.supervision
    wait_until(lambda: supervision.ready, "a worker that serves")
    return publisher.endpoints[0]


def test_a_close_tells_what_a_stopped_worker_had_not_delivered() -> None:
    with (
        Publisher(ENDPOINT, workers=1, log_bytes=1 << 22) as publisher,
        RawPeer.version_3(publisher.endpoints[0], b"T"),
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        pause(publisher.statistics().workers[0].pid)
        for _ in range(1_000):
            publisher.publish(b"T", b"lost")

        assert [one.messages for one in publisher.close(0.5)] == [1_000]


def test_a_killed_worker_holds_no_message_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """None takes its place here, whose first act would be to let go of the log."""
    happenings = Happenings()
    with Publisher(
        ENDPOINT,
        workers=2,
        slow_policy="block",
        on_event=happenings,
        log_bytes=64 * KIB,
        kernel_queue_bytes=4 * KIB,
        send_timeout=3_600,
    ) as publisher:
        endpoint = publisher.endpoints[0]
        with RawPeer.version_3(endpoint, b"", receive_buffer=4 * KIB) as peer:
            publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            peer.say_half()
            (one,) = publisher.subscribers()
            slot: WorkerSlot = publisher._engine._coordinator.links[one.worker].slot
            fill(publisher, lambda _: publisher.publish(b"n", bytes(8 * KIB), timeout=ROOM_S))
            held = slot.tail
            monkeypatch.setattr("multiprocess.spawn.get_executable", lambda: b"/bin/false")
            os.kill(publisher.statistics().workers[one.worker].pid, signal.SIGKILL)
            wait_until(lambda: slot.tail > held, "that it lets go")

            for _ in range(32):  # four times what the log holds
                publisher.publish(b"n", bytes(8 * KIB), timeout=DEADLINE_S)
        (evicted,) = happenings.wait_for(EventKind.SUBSCRIBER_EVICTED)
        assert evicted.cause is Reason.WORKER_LOST
