"""What is said of the past, in which order, and what has to wait for its answer."""

from __future__ import annotations

import pytest

from fanout.subscriber.asking import ASKED, BEFORE, CONFIRM, NOTHING, Asked, Asking
from fanout.terms.reserved import SINCE_TOPIC, VALUES_ALL

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

    def ping_here(self, context: bytes) -> None:
        self.words.append(f"!{context.decode()}")

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
    asking.begin(NOTHING, {b"b", b"a"})
    asking.say(b"c", is_wanted=True)
    asking.say(b"a", is_wanted=False)
    assert said.take() == ["+a", "+b", "+c", "-a"]
    assert (asking.asked, asking.is_asking) == (b"", False)


def test_what_is_asked_for_is_the_last_of_its_kind_before_the_topics(
    asking: Asking, said: Said
) -> None:
    own = SINCE_TOPIC + b"=-1s"
    asking.begin(Asked(SINCE), {b"b", own, b"a"})
    assert said.take() == [*words(own, SINCE, b"a", b"b"), f"?{ASKED.decode()}"]
    assert (asking.asked, asking.is_asking) == (SINCE, True)


def test_of_what_all_last_values_are_to_come_is_said_behind_the_rest(
    asking: Asking, said: Said
) -> None:
    asking.begin(Asked(SINCE, {b"d", b"c", b"a"}), {b"b", b"d", b"c", b"a"})
    assert said.take() == [*words(SINCE, b"b"), f"?{ASKED.decode()}"]
    asking.say(b"a", is_wanted=False)  # which is not said
    asking.say(b"e", is_wanted=True)
    asking.ponged(ASKED)
    assert said.take() == [*words(VALUES_ALL, b"c", b"d"), f"?{ASKED.decode()}"]
    assert asking.is_asking
    asking.say(b"c", is_wanted=False)
    asking.ponged(ASKED)
    taken_back = [f"-{one.decode()}" for one in (SINCE, VALUES_ALL)]
    assert said.take() == [*taken_back, "+e", "-c"]
    assert not asking.is_asking


@pytest.mark.parametrize("prefix", [b"", b"a"])
def test_if_that_is_all_it_is_said_at_once(asking: Asking, said: Said, prefix: bytes) -> None:
    asking.begin(Asked(SINCE, {prefix}), {prefix})
    assert said.take() == [*words(SINCE, VALUES_ALL, prefix), f"?{ASKED.decode()}"]
    assert asking.is_whole, "numbers have no holes"
    asking.ponged(ASKED)
    assert said.take() == [f"-{one.decode()}" for one in (SINCE, VALUES_ALL)]
    assert not asking.is_asking


def test_who_does_not_understand_that_is_asked_for_nothing_of_it(
    asking: Asking, said: Said
) -> None:
    asking.begin(Asked(SINCE, {b"c"}, knows_all=False), {b"b", b"c"})
    assert said.take() == [*words(SINCE, b"b"), f"?{ASKED.decode()}"]
    asking.ponged(ASKED)
    assert said.take() == [f"-{SINCE.decode()}", "+c", f"?{ASKED.decode()}"]
    asking.ponged(ASKED)
    assert said.take() == []
    assert not asking.is_asking


def test_what_is_cancelled_before_it_is_said_leaves_nothing_to_be_said(
    asking: Asking, said: Said
) -> None:
    asking.begin(Asked(SINCE, {b""}), {b"b", b""})
    assert not asking.is_whole
    asking.say(b"", is_wanted=False)
    said.take()
    asking.ponged(ASKED)
    assert said.take() == [f"-{SINCE.decode()}"]


def test_what_comes_meanwhile_is_said_once_it_is_answered(asking: Asking, said: Said) -> None:
    asking.begin(Asked(SINCE), {b"a"})
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
    asking.begin(NOTHING, {b"a"})
    asking.ask(SINCE, b"b")
    assert said.take() == ["+a", f"?{BEFORE.decode()}"]
    assert asking.is_asking
    asking.ponged(BEFORE)
    assert said.take() == [*words(SINCE_TOPIC, SINCE, b"b"), f"!{ASKED.decode()}"]
    assert asking.asked == SINCE
    asking.ponged(BEFORE)
    asking.ponged(ASKED)
    assert said.take() == [f"-{SINCE.decode()}"]


def test_it_is_confirming_until_each_ping_is_answered(asking: Asking) -> None:
    asking.begin(NOTHING, {b"a"})
    asking.ponged(CONFIRM)  # nobody has asked
    asking.confirm()
    asking.confirm()
    asking.ponged(CONFIRM)
    assert asking.is_confirming
    asking.ponged(CONFIRM)
    assert not asking.is_confirming


def test_what_last_values_come_of_is_cancelled_when_it_is_taken(asking: Asking, said: Said) -> None:
    """Who reads both at once counts it in no mark."""
    asking.begin(NOTHING, {b"a", b"b"})
    said.take()
    assert asking.cancel_due(b"a")
    assert asking.cancel_due(b"b")
    asking.say(b"c", is_wanted=True)
    asking.say(b"a", is_wanted=True)
    assert not asking.cancel_due(b"c"), "it is not said at all"
    assert (said.take(), asking.is_asking) == ([f"?{ASKED.decode()}"], True)
    asking.ponged(ASKED)
    assert (said.take(), asking.is_asking) == (["-b", "-a", "+a"], False)


def test_what_waits_for_its_turn_to_be_said_is_not_said_if_it_is_cancelled(
    asking: Asking, said: Said
) -> None:
    asking.begin(Asked(SINCE, {b"a", b"b"}), {b"a", b"b", b"c"})
    said.take()
    assert not asking.cancel_due(b"a")
    asking.ponged(ASKED)
    assert said.take() == [*words(VALUES_ALL, b"b"), f"?{ASKED.decode()}"]
