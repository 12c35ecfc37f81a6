"""All workers are replaced, become more and fewer, at full rate, and subscribers do not notice.

Each compares every byte of its stream with what it must get; PINGs are answered once and in order.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

import fanout.asyncio
from fanout import ConfigError, EventKind, Publisher, Reason
from fanout.coordinator import succession
from tests.faults.test_takeover import Faults
from tests.helpers.happenings import Happenings
from tests.helpers.raw import READY_SUB, RawPeer, command, greeting_3
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable


def serving(publisher: Publisher, workers: int) -> Callable[[], bool]:
    """Whether just so many workers have processes, and serve."""

    def serve() -> bool:
        state = publisher._engine._coordinator.state
        ready = state.supervision.ready
        return not state.staffing.pending and ready == list(range(workers))

    return serve


def test_streams_go_on_at_full_rate_when_all_workers_are_replaced_and_resized() -> None:
    faults = Faults(8, 1)
    with faults.publisher as publisher, faults.audience:
        faults.publish_for(0.1)
        before = {worker.pid for worker in publisher.statistics().workers}
        assert publisher.restart_workers() == 2
        faults.publish_until(serving(publisher, 2))
        after = publisher.statistics().workers
        assert [worker.index for worker in after] == [0, 1]
        assert not before & {worker.pid for worker in after}
        assert len(faults.happenings.wait_for(EventKind.WORKER_RETIRED, 3)) == 3

        publisher.resize(3)
        faults.publish_until(serving(publisher, 3))
        for one in publisher.subscribers()[:4]:
            publisher.move(one.id, 2)
        faults.publish_for(0.1)
        publisher.resize(1)
        faults.publish_until(serving(publisher, 1))
        assert {one.worker for one in publisher.subscribers()} == {0}
        faults.end()
        totals = publisher.statistics()
        assert faults.happenings.of(EventKind.WORKER_LOST) == []
        assert len(totals.workers) == 1
        assert totals.moved >= 8
        rows = publisher._engine._questions._reader.workers()
        assert sum(row.sent for row in rows) == totals.sent, "of those that are gone, too"
        assert sum(row.matched for row in rows) == totals.matched


def test_a_worker_is_killed_while_the_others_are_replaced() -> None:
    faults = Faults(6, 2)
    with faults.publisher as publisher, faults.audience:
        faults.publish_for(0.1)
        publisher.restart_workers()
        staffing = publisher._engine._coordinator.state.staffing
        faults.publish_until(lambda: staffing.emptied is not None, pings=False)
        faults.hit(faults.pids()[-1:], signal.SIGKILL)
        faults.publish_until(lambda: faults.has_lost(1))
        faults.publish_until(serving(publisher, 2))
        faults.end()


def test_who_is_in_its_handshake_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once that is done it is moved, and gets what comes; one that is in its way is closed."""
    monkeypatch.setattr(succession, "GRACE", 1.0)
    happenings = Happenings()
    with Publisher(
        "tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20, on_event=happenings
    ) as publisher:
        (endpoint,) = publisher.endpoints
        with RawPeer(endpoint) as late, RawPeer.version_3(endpoint, b"A") as stuck:
            stuck.say_half()
            publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            wait_until(lambda: publisher.statistics().accepted == 2, "both")
            publisher.restart_workers()
            (closed,) = happenings.wait_for(EventKind.SUBSCRIBER_EVICTED)
            assert closed.cause is Reason.WORKER_RETIRED

            late.send(greeting_3(1) + READY_SUB + command(b"SUBSCRIBE", b"A"))
            publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            publisher.wait_for_workers(timeout=DEADLINE_S)
            happenings.wait_for(EventKind.SUBSCRIBER_MOVED)
            late.expect(greeting_3(1))
            late.expect_ready()
            publisher.publish(b"A", b"1")
            assert late.read_message() == [b"A", b"1"]
            assert publisher.statistics().failed_handshakes == 0


def test_who_says_nothing_is_closed_by_its_worker_though_that_is_to_end() -> None:
    happenings = Happenings()
    with Publisher(
        "tcp://127.0.0.1:*",
        workers=1,
        log_bytes=1 << 20,
        handshake_timeout=0.5,
        on_event=happenings,
    ) as publisher:
        (endpoint,) = publisher.endpoints
        with RawPeer(endpoint):
            wait_until(lambda: publisher.statistics().accepted == 1, "it")
            publisher.restart_workers()
            publisher.wait_for_workers(timeout=DEADLINE_S)
            (failed,) = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
            assert failed.cause is Reason.HANDSHAKE_TIMEOUT


def test_who_cannot_be_moved_is_closed_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in its handshake. One that has said something of itself goes on, with its name."""
    monkeypatch.setattr(succession, "GRACE", 2.0)
    monkeypatch.setattr(succession, "HANDSHAKE_PATIENCE", 0.5)
    happenings = Happenings()
    with Publisher(
        "tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20, on_event=happenings
    ) as publisher:
        (endpoint,) = publisher.endpoints
        with (
            RawPeer.version_3(endpoint, b"A", b"\0fanout.name=desk7") as named,
            RawPeer(endpoint) as half_open,
        ):
            publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            happenings.wait_for(EventKind.SUBSCRIBER_NAMED)
            wait_until(lambda: publisher.statistics().accepted == 2, "the second")
            assert publisher.restart_workers() == 1
            publisher.wait_for_workers(timeout=DEADLINE_S)
            (failed,) = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
            happenings.wait_for(EventKind.WORKER_RETIRED, 2)
            publisher.publish(b"A", b"1")

            assert named.read_message() == [b"A", b"1"]
            assert half_open.read_to_end()[:10] != b""
            assert failed.cause is Reason.WORKER_RETIRED
            assert failed.reason.endswith("; it is in its handshake")
            assert [one.name for one in publisher.subscribers()] == ["desk7"]
            totals = publisher.statistics()
            assert (totals.not_resumed, totals.evicted, totals.takeovers) == (0, 0, 0)


def test_for_asyncio_too_and_what_cannot_be_is_refused() -> None:
    async def main() -> None:
        async with fanout.asyncio.Publisher(
            "tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20
        ) as publisher:
            for wrong in (0, 257):
                with pytest.raises(ConfigError, match="from 1 to 256"):
                    await publisher.resize(wrong)
            with pytest.raises(TypeError):
                await publisher.resize(1.5)  # type: ignore[arg-type]
            await publisher.resize(2)
            with pytest.raises(TimeoutError, match="1 of 2 workers serve"):
                await publisher.wait_for_workers(timeout=0)
            await publisher.wait_for_workers(timeout=DEADLINE_S)
            assert len((await publisher.statistics()).workers) == 2

    asyncio.run(main())


def test_a_publisher_that_is_replacing_is_closed_at_once() -> None:
    with Publisher("tcp://127.0.0.1:*", workers=2, log_bytes=1 << 20) as publisher:
        publisher.restart_workers()
        staffing = publisher._engine._coordinator.state.staffing
        wait_until(lambda: staffing.emptied is not None, "that one is emptied")
        assert publisher.close() == ()
