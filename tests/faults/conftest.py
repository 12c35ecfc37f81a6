"""What the fault tests share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from fanout import Publisher
from fanout.send import lock as send_lock
from fanout.send import making
from fanout.shm import fence as fences
from tests.faults.subject import SENDS, Subject
from tests.helpers.collecting import Collector
from tests.helpers.modest import modest_publishers
from tests.helpers.nursery import loaded_workers
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

KIB = 1024


@pytest.fixture(scope="package", autouse=True)
def nursery() -> Iterator[None]:
    """Workers have nothing to load when they start, and publishers no memory to spare."""
    with loaded_workers(), modest_publishers():
        yield


@pytest.fixture
def reorders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here and in workers, as on a machine that reorders stores, for what is made later."""
    monkeypatch.setattr(fences, "STORES_STAY_IN_ORDER", False)
    monkeypatch.setenv("FANOUT_FENCES", "always")


NEVER_S = 600.0  # who is served by a thread that hardly gets to run is not evicted meanwhile


@pytest.fixture
def subject(monkeypatch: pytest.MonkeyPatch) -> Iterator[Subject]:
    """What a send does, in Python: it is interrupted at each step of it."""
    monkeypatch.setattr(making, "is_compiled", lambda: False)
    yield from _subjects(monkeypatch)


@pytest.fixture
def compiled_subject(monkeypatch: pytest.MonkeyPatch) -> Iterator[Subject]:
    """The same where the usual append is compiled, which is one step."""
    monkeypatch.setattr(making, "is_compiled", lambda: True)
    yield from _subjects(monkeypatch)


def _subjects(monkeypatch: pytest.MonkeyPatch) -> Iterator[Subject]:
    monkeypatch.setattr(send_lock, "LOCK_LOOK", 0.0002)
    with (
        Publisher(
            "tcp://127.0.0.1:*",
            workers=1,
            log_bytes=64 * KIB,
            slow_policy="block",
            send_timeout=NEVER_S,
        ) as publisher,
        Collector(publisher.endpoints[0], b"") as collector,
        ThreadPoolExecutor(1) as other,
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        subject = Subject(publisher, collector, other)
        for send, messages in SENDS.values():  # a topic that is known takes other steps
            send(publisher, 0)
            subject.expected += messages(0)
        subject.works_everywhere()
        yield subject
        subject.collector.expect(subject.expected)
