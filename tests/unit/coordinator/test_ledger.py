"""The ledger: every end of a connection is booked once, under one heading."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.control.messages import Closed
from fanout.coordinator.ledger import NOBODY, Ledger
from fanout.coordinator.roster import Accepted
from fanout.options import Options
from fanout.reasons import Reason
from fanout.shm.header import SharedTotals, reason_counters
from fanout.shm.layout import PAGE
from fanout.statistics import Undelivered

if TYPE_CHECKING:
    from collections.abc import Iterable


def connection(version: str | None = "3.1") -> Accepted:
    return Accepted(7, 0, 0, "peer:1", "tcp://x", "zmtp", version)


def closed(
    evicted: bool = False, discarded: int = 0, kernel_bytes: int = 0, cause: int = 2
) -> Closed:
    return Closed(7, evicted, cause, "why", 10 + discarded, 9, 1, discarded, kernel_bytes)


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


@pytest.mark.unmeasured
def test_everybody_is_named_however_many_there_are() -> None:
    ledger = Ledger()
    ledger.closing = True

    for _ in range(16_384):
        ledger.close(connection(), closed(discarded=1))

    assert len(ledger.undelivered) == 16_384


def lose(ledger: Ledger, discarded: Iterable[int], *, exact: bool = True) -> None:
    cause = Reason.WORKER_LOST.number
    for number in discarded:
        lost = closed(discarded=number, kernel_bytes=1, cause=cause)
        ledger.close(connection(), lost, exact=exact)


@pytest.mark.unmeasured
def test_all_that_may_be_connected_are_named_when_their_worker_is_lost() -> None:
    ledger = Ledger()

    lose(ledger, [1] * Options().max_subscribers)

    named = ledger.take_lost()
    assert len(named) == Options().max_subscribers
    assert {one.peer for one in named} == {"peer:1"}


def test_who_was_lost_before_them_is_in_a_sum_that_is_told_once() -> None:
    ledger = Ledger(lost_max=3)

    lose(ledger, [1, 2], exact=False)
    lose(ledger, [10, 20, 30])

    earlier = Undelivered(NOBODY, "2 lost earlier", 3, 2, exact=False)
    later = [Undelivered(7, "peer:1", messages, 1) for messages in (10, 20, 30)]
    assert ledger.lost == [earlier, *later]
    assert ledger.take_lost() == [earlier, *later]
    lose(ledger, [5])
    assert ledger.take_lost() == [Undelivered(7, "peer:1", 5, 1)]


def test_what_is_put_back_is_told_once_more_before_what_came_since() -> None:
    ledger = Ledger(lost_max=3)
    lose(ledger, [1, 2])
    taken = ledger.take_lost()
    lose(ledger, [3])
    ledger.put_back(taken)
    assert [one.messages for one in ledger.take_lost()] == [1, 2, 3]
    lose(ledger, [4, 5])
    ledger.put_back(taken)
    assert [one.messages for one in ledger.take_lost()] == [1, 2, 4, 5]
    assert ledger.take_lost() == []


def test_totals_are_seen_by_who_maps_the_memory() -> None:
    page = memoryview(bytearray(PAGE)).cast("Q")
    ledger = Ledger(page)

    ledger.accepted += 2
    ledger.close(connection(), closed(discarded=5))
    ledger.refuse(Reason.FULL)

    seen = SharedTotals(page)
    counters = reason_counters(page)
    assert (seen.accepted, seen.refused, seen.disconnected) == (2, 1, 1)
    assert (seen.sent, seen.discarded) == (9, 5)
    assert {number for number, count in enumerate(counters) if count} == {
        Reason.FULL.number,
        Reason.LEFT.number,
    }
