"""Interest: who asks in the middle of a change gets an answer from before it or after it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from fanout.coordinator.interest import Interest

if TYPE_CHECKING:
    from collections.abc import Iterator


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
        assert asking.wait(10)
        assert not answers, "answered while the change was being made"
        yield b"ABC"

    interest.update(2, 1, added(), [])
    reader.join(10)

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


def test_prefixes_of_a_thousand_lengths_cost_a_short_topic_nothing() -> None:
    """A stranger may have them all; the publisher asks on its send path."""

    class Unwalked(dict[int, int]):
        def __iter__(self) -> Iterator[int]:
            raise AssertionError("all lengths were walked")

    interest = Interest()
    interest.update(1, 0, [b"A" * length for length in range(1_000)], [])
    interest._lengths = Unwalked(interest._lengths)

    assert interest.workers_for(b"AAB") == {0}
    assert interest.count(b"B") == 1


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
