"""Two thousand subscribers at once: all served, in order, complete."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from fanout import Publisher
from tests.helpers.audience import (
    DEADLINE_S,
    TOPICS,
    payload_of,
    prefix_of,
    raise_descriptor_limit,
    topic_of,
)
from tests.helpers.command import ROOT
from tests.helpers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

WANTED = 2000
MESSAGES = 1000
SPARE_DESCRIPTORS = 200  # of this process, for everything else


@pytest.fixture
def count() -> Iterator[int]:
    """As many subscribers as the limit of open files allows, up to 2,000."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield min(WANTED, raise_descriptor_limit() - SPARE_DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.slow
def test_two_thousand_subscribers_at_once(count: int) -> None:
    with Publisher(
        "tcp://127.0.0.1:*",
        workers=2,
        slow_policy="block",
        heartbeat_interval=0,
        send_timeout=600,  # all are read by one process, which a busy machine may hold up
        handshake_timeout=600,
        max_half_open=WANTED,
    ) as publisher:
        port = publisher.endpoints[0].rpartition(":")[2]
        arguments = ["127.0.0.1", port, str(count), str(MESSAGES)]
        audience = subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.audience", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        with audience:
            try:
                publisher.wait_for_subscribers(count, timeout=DEADLINE_S)
                for number in range(MESSAGES):
                    publisher.publish(topic_of(number), payload_of(number))
                expected = sum(
                    MESSAGES if prefix_of(number) == b"" else MESSAGES // TOPICS
                    for number in range(count)
                )
                wait_until(lambda: publisher.statistics().sent >= expected, "all is sent")
                statistics = publisher.statistics()
                output, _ = audience.communicate(timeout=DEADLINE_S)
            finally:
                audience.kill()
    report = json.loads(output)
    limited = "" if count == WANTED else f" (the limit of open files allows only {count})"
    assert report == {"complete": count, "wrong": []}, f"of {WANTED} subscribers{limited}"
    assert (statistics.sent, statistics.dropped, statistics.evicted) == (expected, 0, 0)
    assert statistics.accepted == count
