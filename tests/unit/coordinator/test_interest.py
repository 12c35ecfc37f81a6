"""Interest: who asks in the middle of a change gets an answer from before it or after it."""

from __future__ import annotations

import threading
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from fanout.coordinator.interest import Interest
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIXES = 1_300  # of each stranger: enough that what each takes is nearly all there is


def test_an_answer_is_not_from_the_middle_of_a_change() -> None:
    interest = Interest()
    interest.update(1, 0, [b"A"], [])
    answers: list[int] = []
    asking = threading.Event()

    def ask() -> None:
        asking.set()
        answers.append(interest.count(b"ABC"))

    reader = threading.Thread(target=ask)

    def added() -> Iterator[bytes]:
        yield b"AB"
        reader.start()
        assert asking.wait(DEADLINE_S)
        assert not answers, "answered while the change was being made"
        yield b"ABC"

    interest.update(2, 1, added(), [])
    reader.join(DEADLINE_S)

    assert answers == [2]


def test_a_change_that_fails_changes_nothing_and_does_not_stop_the_answers() -> None:
    interest = Interest()

    def added() -> Iterator[bytes]:
        yield b"A"
        raise ValueError("garbage")

    before = interest.generation
    with pytest.raises(ValueError, match="garbage"):
        interest.update(1, 0, added(), [])

    assert interest.count(b"A") == interest.count(None) == 0
    assert interest.generation > before
    interest.update(1, 0, [b"B"], [])
    assert interest.count(b"B") == interest.count(None) == 1


def test_in_the_middle_of_a_change_the_send_path_gets_an_answer_at_once() -> None:
    """Else a subscriber that churns would have all workers woken for each message."""
    interest = Interest()
    interest.update(1, 0, [b"A"], [])

    with interest._change():
        routes = interest.routes
        assert interest.workers_for(b"AB") == {0}
        interest._put([b"AB"], 1)
        assert interest.routes == routes, "who asks now would not ask again"
    assert interest.routes > routes


def test_routes_change_only_when_a_worker_is_concerned() -> None:
    interest = Interest()
    interest.update(1, 0, [b"A"], [])
    routes = interest.routes
    for subscriber in range(2, 30):  # few of them, and then many
        interest.update(subscriber, 0, [b"A"], [])
    for subscriber in range(2, 30):
        interest.forget(subscriber)
    assert interest.routes == routes

    interest.update(2, 1, [b"A"], [])
    assert interest.routes != routes


@pytest.mark.unmeasured
@pytest.mark.parametrize("sharing", [1, 2, 17, 30], ids=lambda n: f"{n} want the same")
def test_what_strangers_subscribe_to_takes_little_memory_and_is_known(sharing: int) -> None:
    """30 strangers with 10,000 prefixes each took 5.7 MiB each: 600 bytes for each prefix."""
    interest = Interest()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for subscriber in range(30):
            for start in range(0, PREFIXES, 100):
                report = [b"%d/%d" % (subscriber // sharing, i) for i in range(start, start + 100)]
                interest.update(subscriber, subscriber % 2, report, [])
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert taken < 130 * 30 * PREFIXES
    assert taken / 2 < interest.kept_bytes < taken * 2
    for subscriber in range(30):
        interest.forget(subscriber)
    while interest.has_leaving:
        interest.take_out()
    assert (interest.kept_bytes, len(interest._wanted)) == (0, 0)


def test_who_is_gone_counts_no_more_at_once_and_is_taken_out_in_pieces() -> None:
    """It was one step, of up to 0.2 s, for which the user's threads waited too."""
    interest = Interest()
    names = [b"%d" % index for index in range(10_000, 13_500)]
    interest.update(1, 0, names, [])
    interest.forget(1)
    interest.update(2, 1, names[:10], [])  # it comes back meanwhile, and is served by another
    kept = [len(interest._wanted)]
    assert [interest.count(topic) for topic in (names[0], names[20], None)] == [1, 0, 1]
    while interest.has_leaving:
        interest.take_out()
        kept.append(len(interest._wanted))
    assert kept == [2_500, 1_500, 500, 10]
    assert interest.workers_for(names[0]) == {1}
    interest.forget(2)
    assert (interest.kept_bytes, interest.leaving_bytes) == (0, 0)


def test_subscribers_with_any_subscription_are_counted() -> None:
    interest = Interest()
    counts: list[int] = []
    for subscriber, added, cancelled in (
        (1, [b"A", b"B"], []),
        (2, [], [b"unknown"]),
        (2, [b"A"], []),
        (1, [], [b"A"]),
        (1, [b"C"], [b"B"]),
        (2, [], [b"A"]),
    ):
        interest.update(subscriber, 0, added, cancelled)
        counts.append(interest.count(None))
    for subscriber in (1, 2):
        interest.forget(subscriber)
        counts.append(interest.count(None))

    assert counts == [1, 1, 2, 2, 2, 1, 0, 0]


def test_who_is_moved_is_with_the_other_worker_at_no_time_with_none() -> None:
    interest = Interest()
    interest.update(1, 0, [b"A", b"B"], [])
    interest.update(2, 0, [b"A"], [])
    interest.update(3, 1, [], [])
    routes, kept = interest.routes, interest.kept_bytes

    interest.move(1, 3)
    assert (interest.workers_for(b"A"), interest.workers_for(b"B")) == ({0, 3}, {3})
    assert interest.routes > routes
    assert interest.kept_bytes == kept
    assert interest.count(b"A") == 2
    interest.move(3, 2)
    interest.move(9, 2)
    interest.update(1, 3, [], [b"A", b"B"])
    assert (interest.workers_for(b"A"), interest.workers_for(b"B")) == ({0}, set())
