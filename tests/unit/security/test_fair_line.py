"""Who is next, of those who wait for a check."""

from __future__ import annotations

from fanout.security.fair_line import FairLine


def line_of(*waiting: tuple[int, str]) -> FairLine[int]:
    line: FairLine[int] = FairLine()
    for subscriber, address in waiting:
        line.add(subscriber, address, subscriber)
    return line


def taken(line: FairLine[int]) -> list[int]:
    found = []
    while (one := line.take()) is not None:
        found.append(one)
    return found


def test_addresses_take_turns() -> None:
    line = line_of((1, "a"), (2, "a"), (3, "a"), (4, "b"), (5, "c"), (6, "b"))
    assert len(line) == 6
    assert taken(line) == [1, 4, 5, 2, 6, 3]
    assert len(line) == 0


def test_who_leaves_is_not_taken_and_nothing_is_kept_of_it() -> None:
    line = line_of((1, "a"), (2, "a"), (3, "b"))
    for subscriber in (1, 3, 99):
        line.remove(subscriber)
    assert len(line) == 1
    assert list(line._waiting) == ["a"], "nor of its address"
    assert taken(line) == [2]
    assert not line._waiting


def test_an_address_that_comes_again_is_behind_the_others() -> None:
    line = line_of((1, "a"), (2, "b"))
    assert line.take() == 1
    line.add(3, "a", 3)
    assert taken(line) == [2, 3]
    line.add(4, "a", 4)
    line.clear()
    assert taken(line) == []
