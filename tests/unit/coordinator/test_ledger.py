"""The ledger: every end of a connection is booked once, under one heading."""

from __future__ import annotations

import pytest

from fanout.control.messages import Closed
from fanout.coordinator.ledger import Ledger
from fanout.coordinator.roster import Accepted
from fanout.reasons import Reason
from fanout.shm.header import Totals, reason_counters
from fanout.shm.layout import PAGE
from fanout.statistics import Undelivered


def connection(version: str | None = "3.1") -> Accepted:
    return Accepted(7, 0, 0, "peer:1", "tcp://x", "zmtp", version)


def closed(evicted: bool = False, discarded: int = 0, kernel_bytes: int = 0) -> Closed:
    return Closed(7, evicted, 2, "why", 10 + discarded, 9, 1, discarded, kernel_bytes)


@pytest.mark.parametrize(
    ("version", "evicted", "counter"),
    [
        (None, False, "failed_handshakes"),
        (None, True, "failed_handshakes"),
        ("3.1", True, "evicted"),
        ("3.1", False, "disconnected"),
    ],
)
def test_an_end_is_counted_under_one_heading(
    version: str | None, evicted: bool, counter: str
) -> None:
    ledger = Ledger()

    ledger.close(connection(version), closed(evicted))

    counters = {
        name: getattr(ledger, name) for name in ("failed_handshakes", "evicted", "disconnected")
    }
    assert counters.pop(counter) == 1
    assert not any(counters.values())


def test_totals_outlive_connections() -> None:
    ledger = Ledger()

    for _ in range(3):
        ledger.close(connection(), closed(discarded=5))

    assert (ledger.sent, ledger.dropped, ledger.discarded) == (27, 3, 15)


@pytest.mark.parametrize(
    ("discarded", "kernel_bytes", "expected"),
    [
        (0, 0, []),
        (5, 0, [Undelivered(7, "peer:1", 5, 0)]),
        (0, 99, [Undelivered(7, "peer:1", 0, 99)]),
    ],
)
def test_what_was_not_delivered_is_named(
    discarded: int, kernel_bytes: int, expected: list[Undelivered]
) -> None:
    ledger = Ledger()
    ledger.closing = True

    ledger.close(connection(), closed(discarded=discarded, kernel_bytes=kernel_bytes))

    assert ledger.undelivered == expected


def test_what_ended_before_the_publisher_did_is_not_its_doing() -> None:
    ledger = Ledger()

    ledger.close(connection(), closed(discarded=5))

    assert ledger.undelivered == []


def test_everybody_is_named_however_many_there_are() -> None:
    ledger = Ledger()
    ledger.closing = True

    for _ in range(16_384):
        ledger.close(connection(), closed(discarded=1))

    assert len(ledger.undelivered) == 16_384


def test_totals_are_seen_by_who_maps_the_memory() -> None:
    page = memoryview(bytearray(PAGE)).cast("Q")
    ledger = Ledger(page)

    ledger.accepted += 2
    ledger.close(connection(), closed(discarded=5))
    ledger.refuse(Reason.FULL)

    seen = Totals(page)
    counters = reason_counters(page)
    assert (seen.accepted, seen.refused, seen.disconnected) == (2, 1, 1)
    assert (seen.sent, seen.discarded) == (9, 5)
    assert {number for number, count in enumerate(counters) if count} == {
        Reason.FULL.number,
        Reason.LEFT.number,
    }
