"""What one subscriber may count otherwise, for the report of a change of its wants waits."""

from __future__ import annotations

from typing import NamedTuple

from tests.simulation.takeovers.holding import Holding


class Message(NamedTuple):
    topic: bytes


class Wants:
    """What one wants, as it is reported: from which message on."""

    def __init__(self, topics: str) -> None:
        self.messages = [Message(topic.encode()) for topic in topics]
        self._since: list[tuple[int, tuple[bytes, ...]]] = [(0, ())]

    def since(self, number: int, *begins: bytes) -> None:
        self._since.append((number, begins))

    def between(self, first: int, stop: int) -> list[int]:
        return [one for one in range(first, stop) if self._wants(one)]

    def _wants(self, number: int) -> bool:
        begins = [begins for since, begins in self._since if since <= number][-1]
        return self.messages[number].topic.startswith(begins)


def held(wants: Wants) -> Holding:
    return Holding(wants.messages, wants.between)


def test_what_only_one_of_them_says_may_be_counted_or_not() -> None:
    wants = Wants("ABAB")
    wants.since(0, b"A")
    holding = held(wants)

    holding.hold(1, {b"A"})
    wants.since(1, b"B")

    assert (holding.more, holding.less) == (1, 2)
    assert holding.is_held
    holding.release()
    assert (holding.more, holding.less) == (1, 2)
    assert holding.until == 4


def test_what_comes_when_its_change_holds_goes_by_that() -> None:
    wants = Wants("AB")
    wants.since(0, b"A")
    holding = held(wants)
    holding.hold(0, {b"A"})
    wants.since(0, b"B")
    holding.release()

    wants.messages += [Message(b"A")] * 9

    assert (holding.more, holding.less) == (1, 1)


def test_each_of_two_that_wait_in_a_row_goes_by_what_was_wanted_then() -> None:
    """Both in one turn: that the first one holds is not seen before the second one waits."""
    wants = Wants("BABBA")
    wants.since(0, b"B")
    holding = held(wants)

    holding.hold(0, {b"B"})
    wants.since(0, b"A", b"B")
    holding.hold(1, {b"A", b"B"})
    wants.since(1, b"B")
    holding.cut(1)
    holding.release()

    assert (holding.more, holding.less) == (2, 0), "it has lost what it does not want any more"


def test_it_was_sent_what_it_gets_of_that_when_its_change_held() -> None:
    wants = Wants("BABABA")
    wants.since(0, b"A", b"B")
    holding = held(wants)
    holding.hold(1, {b"B"})
    holding.release()
    assert (holding.more, holding.less) == (0, 3)

    holding.got(2, is_jump=True)

    assert holding.less == 1, "what it did not jump over is counted"


def test_who_gets_some_of_what_is_left_may_lose_what_is_behind_that() -> None:
    wants = Wants("BABABA")
    wants.since(0, b"A", b"B")
    holding = held(wants)
    holding.hold(1, {b"B"})
    holding.release()

    holding.got(3, is_jump=False)

    assert holding.less == 2, "what it gets is counted"


def test_what_was_too_much_beside_it_was_wanted_in_the_same_time() -> None:
    wants = Wants("ABAB")
    wants.since(0, b"A")
    holding = held(wants)
    holding.hold(1, {b"A"})
    wants.since(1, b"B")
    holding.release()
    wants.messages.append(Message(b"A"))

    assert [*holding.too_much_beside(0, -1)] == []
    assert [*holding.too_much_beside(3, -1)] == [(2, [])]
    assert [*holding.too_much_beside(4, -1)] == [], "its change held by then"


def test_what_it_gets_was_not_too_much_and_waited_before_what_was() -> None:
    wants = Wants("ABAAA")
    wants.since(0, b"A")
    holding = held(wants)
    holding.hold(0, {b"A"})
    wants.since(0, b"A", b"B")
    holding.release()

    assert [*holding.too_much_beside(1, 0)] == [(4, [2, 3])]
    assert [*holding.too_much_beside(1, 0, 2)] == [(4, [2, 3])]
    assert [*holding.too_much_beside(1, 0, 4)] == [(3, [2])]
    assert [*holding.too_much_beside(1, 4)] == [], "all that it has wanted then it has got"
