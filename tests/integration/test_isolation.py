"""Subscribers that never read, one or a thousand, next to some that do."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack

import psutil
import pytest

from fanout import EventKind, Publisher, SubscriberStatistics
from tests.helpers.audience import (
    DEADLINE_S,
    TOPICS,
    payload_of,
    prefix_of,
    raise_descriptor_limit,
    topic_of,
)
from tests.helpers.command import ROOT
from tests.helpers.happenings import Happenings
from tests.helpers.raw import READY_SUB, RawPeer, command, greeting_3
from tests.helpers.waiting import wait_until

HEALTHY = 100
MESSAGES = 20_000  # 4.2 MB: four times the log
SLICE = 400  # published at once: well below what a healthy subscriber may be behind
WARM = 8_000  # messages after which every buffer has been used, and the log has gone round
GROWTH_BYTES = 1024 * 1024  # some ten KiB, measured; the stalled one misses 2.5 MB after WARM


def own_memory(publisher: Publisher) -> list[int]:
    """Bytes that the publisher's process and each worker have for themselves: not the log."""
    pids = [worker.pid for worker in publisher.statistics().workers]
    processes = [psutil.Process(), *map(psutil.Process, pids)]
    return [process.memory_full_info().uss for process in processes]


def is_served(figures: tuple[SubscriberStatistics, ...], stalled: str) -> bool:
    """Whether nothing is queued for anybody but the stalled one."""
    return not any(one.queued for one in figures if one.peer != stalled)


def publish_all(publisher: Publisher, stalled: str) -> tuple[list[int], list[int]]:
    """Publish in slices, each when all but the stalled one have the last.

    Returns:
        The memory of all processes when they were warm, and in the end.
    """
    before: list[int] = []
    for start in range(0, MESSAGES, SLICE):
        if start == WARM:
            before = own_memory(publisher)
        for number in range(start, start + SLICE):
            publisher.publish(topic_of(number), payload_of(number))
        wait_until(lambda: is_served(publisher.subscribers(), stalled), "all are served")
    return before, own_memory(publisher)


@pytest.mark.unmeasured
def test_a_hundred_lose_nothing_beside_one_that_never_reads() -> None:
    happenings = Happenings()
    with (
        Publisher(
            "tcp://127.0.0.1:*",
            workers=2,
            log_bytes=1 << 20,
            kernel_queue_bytes=64 * 1024,
            send_timeout=600,
            stall_timeout=600,
            tcp_user_timeout=600,
            heartbeat_interval=0,
            on_event=happenings,
        ) as publisher,
        RawPeer.version_3(publisher.endpoints[0], b"", receive_buffer=4096) as stalled,
    ):
        name = f"127.0.0.1:{stalled.socket.getsockname()[1]}"
        port = publisher.endpoints[0].rpartition(":")[2]
        arguments = ["127.0.0.1", port, str(HEALTHY), str(MESSAGES)]
        audience = subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.audience", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        with audience:
            try:
                publisher.wait_for_subscribers(1 + HEALTHY, timeout=DEADLINE_S)
                before, after = publish_all(publisher, name)
                output, _ = audience.communicate(timeout=DEADLINE_S)
            finally:
                audience.kill()
        happenings.wait_for(EventKind.SUBSCRIBER_DISCONNECTED, HEALTHY)
        (slow,) = publisher.subscribers()
        total = publisher.statistics()
    assert slow.peer == name
    assert json.loads(output) == {"complete": HEALTHY, "wrong": []}
    growth = [later - earlier for earlier, later in zip(before, after, strict=True)]
    assert max(growth) < GROWTH_BYTES, f"coordinator and workers took {growth} more"
    # It is named, and what it lost is counted.
    assert slow.blocked_s > 0
    assert slow.matched == MESSAGES
    assert slow.dropped > MESSAGES // 2
    assert slow.lag_bytes <= publisher.options.lag_limit_bytes
    assert {(e.peer, e.subscriber) for e in happenings.of(EventKind.SUBSCRIBER_SLOW)} == {
        (name, slow.id)
    }
    # The others, who leave when they have everything, lost nothing.
    wanted = sum(MESSAGES if prefix_of(n) == b"" else MESSAGES // TOPICS for n in range(HEALTHY))
    assert (total.sent - slow.sent, total.discarded) == (wanted, 0)
    assert (total.dropped, total.evicted) == (slow.dropped, 0)


STRANGERS = 1_500  # each of them has wants of its own
FLOOD = 30_000  # messages at once, on 5,000 topics: appended for each of them, they took seconds


@pytest.mark.unmeasured
def test_a_thousand_that_never_read_neither_harm_who_does_nor_have_the_worker_killed() -> None:
    raise_descriptor_limit()
    happenings = Happenings()
    with (
        Publisher(
            "tcp://127.0.0.1:*",
            workers=1,
            kernel_queue_bytes=4096,
            worker_timeout=3.0,
            tcp_user_timeout=600,  # on a slow machine this takes longer than by default
            on_event=happenings,
        ) as publisher,
        ExitStack() as stack,
        RawPeer.version_3(publisher.endpoints[0], b"T", read_ahead=65536) as healthy,
    ):
        for number in range(STRANGERS):
            stranger = stack.enter_context(RawPeer(publisher.endpoints[0], receive_buffer=4096))
            wants = command(b"SUBSCRIBE", b"T") + command(b"SUBSCRIBE", b"Z%d" % number)
            stranger.send(greeting_3(1) + READY_SUB + wants)
        publisher.wait_for_subscribers(1 + STRANGERS, timeout=DEADLINE_S)
        for number in range(FLOOD):
            publisher.publish(b"T%d" % (number % 5_000), number.to_bytes(8, "big"))

        for number in range(FLOOD):
            frames = [b"T%d" % (number % 5_000), number.to_bytes(8, "big")]
            assert healthy.read_message() == frames
        figures = publisher.subscribers()

    assert happenings.of(EventKind.WORKER_LOST) == []
    assert happenings.of(EventKind.SUBSCRIBER_EVICTED) == []
    assert {one.matched for one in figures} == {FLOOD}
    assert len(figures) == 1 + STRANGERS
