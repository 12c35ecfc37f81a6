"""Interest: who asks in the middle of a change gets an answer from before it or after it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from fanout.interest import Interest

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


def test_a_change_that_fails_does_not_stop_the_answers() -> None:
    interest = Interest()

    def added() -> Iterator[bytes]:
        yield b"A"
        raise ValueError("garbage")

    before = interest.generation
    with pytest.raises(ValueError, match="garbage"):
        interest.update(1, 0, added(), [])

    assert interest.count(b"A") == 1
    assert interest.generation > before
