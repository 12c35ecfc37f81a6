"""What is said of the past, in which order, and what has to wait for its answer."""

from __future__ import annotations

import pytest

from fanout.subscriber.asking import ASKED, BEFORE, CONFIRM, Asking
from fanout.terms.reserved import SINCE_TOPIC

SINCE = SINCE_TOPIC + b"=-10"


class Said:
    """Stands for a `Feed`: writes down what it is to say."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def subscribe(self, prefixes: list[bytes]) -> None:
        for prefix in prefixes:
            self.subscribe_to(prefix)

    def subscribe_to(self, prefix: bytes) -> None:
        self.words.append(f"+{prefix.decode()}")

    def cancel(self, prefix: bytes) -> None:
        self.words.append(f"-{prefix.decode()}")

    def ping(self, context: bytes) -> None:
        self.words.append(f"?{context.decode()}")

    def take(self) -> list[str]:
        words, self.words = self.words, []
        return words


@pytest.fixture(name="said")
def _said() -> Said:
    return Said()


@pytest.fixture(name="asking")
def _asking(said: Said) -> Asking:
    return Asking(said)  # type: ignore[arg-type]


def words(*prefixes: bytes) -> list[str]:
    return [f"+{prefix.decode()}" for prefix in prefixes]


def test_without_a_past_topics_are_said_and_nothing_waits(asking: Asking, said: Said) -> None:
    asking.begin(b"", {b"b", b"a"})
    asking.say(b"c", is_wanted=True)
    asking.say(b"a", is_wanted=False)
    assert said.take() == ["+a", "+b", "+c", "-a"]
    assert (asking.asked, asking.is_asking) == (b"", False)


def test_what_is_asked_for_is_the_last_of_its_kind_before_the_topics(
    asking: Asking, said: Said
) -> None:
    own = SINCE_TOPIC + b"=-1s"
    asking.begin(SINCE, {b"b", own, b"a"})
    assert said.take() == [*words(own, SINCE, b"a", b"b"), f"?{ASKED.decode()}"]
    assert (asking.asked, asking.is_asking) == (SINCE, True)


def test_what_comes_meanwhile_is_said_once_it_is_answered(asking: Asking, said: Said) -> None:
    asking.begin(SINCE, {b"a"})
    said.take()
    asking.say(b"b", is_wanted=True)
    asking.say(b"a", is_wanted=False)
    asking.confirm()
    asking.ponged(BEFORE)  # of nothing that was asked
    assert said.take() == []
    assert asking.is_confirming
    asking.ponged(ASKED)
    assert said.take() == [f"-{SINCE.decode()}", "+b", "-a", f"?{CONFIRM.decode()}"]
    assert not asking.is_asking
    asking.ponged(ASKED)  # answered twice
    assert said.take() == []


def test_a_later_one_is_asked_for_when_what_was_said_before_is_taken(
    asking: Asking, said: Said
) -> None:
    asking.begin(b"", {b"a"})
    asking.ask(SINCE, b"b")
    assert said.take() == ["+a", f"?{BEFORE.decode()}"]
    assert asking.is_asking
    asking.ponged(BEFORE)
    assert said.take() == [*words(SINCE_TOPIC, SINCE, b"b"), f"?{ASKED.decode()}"]
    assert asking.asked == SINCE
    asking.ponged(BEFORE)
    asking.ponged(ASKED)
    assert said.take() == [f"-{SINCE.decode()}"]


def test_it_is_confirming_until_each_ping_is_answered(asking: Asking) -> None:
    asking.begin(b"", {b"a"})
    asking.ponged(CONFIRM)  # nobody has asked
    asking.confirm()
    asking.confirm()
    asking.ponged(CONFIRM)
    assert asking.is_confirming
    asking.ponged(CONFIRM)
    assert not asking.is_confirming
