"""What a lost worker owed is counted in the log: from its checkpoint, for the wants of each."""

from __future__ import annotations

import pytest

from fanout.coordinator import lost as rules
from fanout.coordinator.lost import DOUBT, NOTHING_LATER, Later, Lost
from fanout.coordinator.roster import Accepted
from fanout.shm.subscriber_slot import NOTHING, SubscriberSlot
from fanout.shm.worker_slot import NO_TAIL, WorkerSlot
from tests.helpers.log import Log

CONNECTION = Accepted(7, 0, 0, "peer:1", "tcp://x", "zmtp", "3.1")


def later(*wanted: bytes, tail: int, counted: int, blocked_since: int = 0) -> Later:
    """Of ten messages, every other one on "A1", the rest on "B"."""
    log = Log()
    for number in range(10):
        log.publish(b"B" if number % 2 else b"A1")
    WorkerSlot(log.segment, 0).tail = tail
    slot = SubscriberSlot(log.segment, CONNECTION.slot)
    slot.take(CONNECTION.subscriber)
    slot.checkpoint(NOTHING._replace(counted=counted, blocked_since=blocked_since))
    return Lost(log.segment, lambda _: frozenset(wanted), lambda: 0.0).since_checkpoint(CONNECTION)


@pytest.mark.parametrize(
    ("wanted", "matched"),
    [((b"",), 6), ((b"A",), 3), ((b"A", b"A1"), 3), ((b"A", b"B"), 6), ((b"C",), 0), ((), 0)],
)
def test_what_came_after_the_checkpoint_is_counted_once(
    wanted: tuple[bytes, ...], matched: int
) -> None:
    assert later(*wanted, tail=4, counted=4) == Later(matched, 0)


def test_what_the_tail_has_passed_was_sent_to_who_took_everything() -> None:
    assert later(b"A", tail=8, counted=4) == Later(3, 2)
    assert later(b"A", tail=8, counted=4, blocked_since=1) == Later(3, 0)


def test_a_worker_that_held_nothing_back_owed_nothing() -> None:
    assert later(b"", tail=NO_TAIL, counted=4) == NOTHING_LATER


def test_counting_has_a_limit_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "COUNTING_MAX", 0.0)

    assert later(b"A", tail=4, counted=4) == Later(0, 0, DOUBT)
