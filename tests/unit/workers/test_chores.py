"""Chores: one in a turn while messages wait, all at once else, and each once for a tick."""

from __future__ import annotations

from fanout.workers.chores import Chores
from fanout.workers.tuning import Tuning
from tests.helpers.ticking import Ticking


class Three:
    """Three chores that take as long as there is, and note when they are done."""

    def __init__(self) -> None:
        self.done: list[tuple[str, int]] = []
        self.part = Ticking().part(1)
        chores = [lambda now, name=name: self._work(name, now) for name in "abc"]
        self.chores = Chores(self.part, Tuning(tick_ns=3), *chores)

    def _work(self, name: str, now: int) -> None:
        looks = 1
        while not self.part.is_over():
            looks += 1
        assert looks == 3, "each has the time of a chore, not what the one before has left"
        self.done.append((name, now))


def test_while_messages_wait_a_turn_does_one() -> None:
    three = Three()
    three.chores.do(0, one=True)
    assert three.done == [], "no tick yet"
    three.chores.begin()
    left = []
    for now in range(1, 5):
        three.chores.do(now, one=True)
        left.append(three.chores.are_left)

    assert three.done == [("a", 1), ("b", 2), ("c", 3)]
    assert left == [True, True, False, False]


def test_when_nothing_waits_all_that_is_left_is_done() -> None:
    three = Three()
    three.chores.begin()
    three.chores.do(1, one=True)
    three.chores.do(2, one=False)

    assert three.done == [("a", 1), ("b", 2), ("c", 2)]
    assert not three.chores.are_left


def test_what_is_left_of_a_tick_when_the_next_one_begins_is_done_once() -> None:
    three = Three()
    three.chores.begin()
    three.chores.do(1, one=True)
    three.chores.begin()
    three.chores.do(2, one=False)

    assert [name for name, _now in three.done] == ["a", "b", "c", "a"]
