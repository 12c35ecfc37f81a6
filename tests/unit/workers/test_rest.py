"""Rest: a worker naps in a flood, unless somebody waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.shm.layout import Layout
from fanout.shm.slots import sleeper_byte, worker_slot
from tests.helpers.log import Log
from workers import rest as rests
from workers.naps import NAP, NS, WINDOW_NS
from workers.rest import Rest

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    """Time that stands still; naps are noted."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def monotonic_ns(self) -> int:
        return NS

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log(Layout.for_options(1 << 20, 1))
    yield log
    log.segment.close()


@pytest.mark.parametrize("hurry", [False, True])
def test_in_a_flood_it_naps_unless_it_is_in_a_hurry(
    log: Log, monkeypatch: pytest.MonkeyPatch, hurry: bool
) -> None:
    clock = Clock()
    monkeypatch.setattr(rests, "time", clock)
    segment = log.segment
    rest = Rest(worker_slot(segment, 0), sleeper_byte(segment, 0), log.reader)
    idle = rest.nap(0, NS - 2 * WINDOW_NS, 1.0, hurry=hurry)
    for _ in range(1_000):
        log.publish(b"A", b"flood")

    napped = rest.nap(1_000, NS - WINDOW_NS, 1.0, hurry=hurry)

    assert (idle, napped) == (False, not hurry)
    assert clock.slept == ([] if hurry else [pytest.approx(2 * WINDOW_NS / NS, rel=1)])
    assert all(seconds >= NAP for seconds in clock.slept)
