"""Rests: who has everything is looked at when its time is over, and only if something has come."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fanout.workers.stream.rests import Rests


class Member:
    """What `Rests` looks at."""

    def __init__(self, sequence: int = 0) -> None:
        self.sequence = sequence
        self.is_to_be_told = False
        self.snapshots: object = None


def one(sequence: int = 0) -> Any:
    return Member(sequence)


class AnyOrder(RuleBasedStateMachine):
    """The naive way: everybody is looked at, at each step."""

    def __init__(self) -> None:
        super().__init__()
        self.rests = Rests()
        self.members: list[Any] = [one() for _ in range(4)]
        self.until: dict[Any, int] = {}
        self.rested: set[Any] = set()
        self.now = self.front = 0

    @rule(index=st.integers(0, 3), seconds=st.integers(0, 5), told=st.booleans())
    def rest(self, index: int, seconds: int, told: bool) -> None:
        member = self.members[index]
        if member in self.rested:
            return
        member.sequence, member.is_to_be_told = self.front, told
        self.until[member] = self.now + seconds
        self.rests.add(member, self.now + seconds)

    @rule(index=st.integers(0, 3))
    def end(self, index: int) -> None:
        member = self.members[index]
        self.until.pop(member, None)
        self.rested.discard(member)
        self.rests.end(member)

    @rule(index=st.integers(0, 3))
    def rouse(self, index: int) -> None:
        member = self.members[index]
        assert self.rests.rouse(member) == (member in self.rested)
        self.rested.discard(member)

    @rule(seconds=st.integers(0, 3), messages=st.integers(0, 1))
    def wake(self, seconds: int, messages: int) -> None:
        self.now += seconds
        self.front += messages
        woken = set(self.rested) if messages else set()
        self.rested -= woken
        for member in [member for member, until in self.until.items() if until <= self.now]:
            del self.until[member]
            has_something = member.sequence < self.front or member.is_to_be_told
            (woken if has_something else self.rested).add(member)
        found = self.rests.wake(self.now, self.front)
        assert len(found) == len(set(found))
        assert set(found) == woken

    @invariant()
    def all_agree(self) -> None:
        rests = self.rests
        assert set(rests) == self.until.keys() | self.rested
        assert bool(rests) == bool(self.until or self.rested)
        assert all((member in rests) == (member in set(rests)) for member in self.members)
        assert [rests.until(member) for member in self.members] == [
            self.until.get(member, 0) for member in self.members
        ]
        assert rests.next_due == min(self.until.values(), default=None)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(stateful_step_count=30, max_examples=60)


def test_who_has_rested_rests_on_until_something_comes_and_costs_no_wake() -> None:
    """Else anybody could have a worker wake as often as he likes, for nothing."""
    rests, member = Rests(), one(5)
    rests.add(member, 10)

    assert rests.wake(10, 5) == []
    assert rests.next_due is None
    assert member in rests
    assert rests.wake(1_000, 5) == []
    assert rests.wake(1_001, 6) == [member]
    assert member not in rests


def test_who_is_to_be_shown_something_is_woken_though_nothing_comes() -> None:
    rests, member = Rests(), one(5)
    member.snapshots = object()
    rests.add(member, 10)

    assert rests.wake(9, 5) == []
    assert rests.wake(10, 5) == [member]


def test_of_two_times_the_later_one_that_was_said_holds() -> None:
    rests, member = Rests(), one()
    rests.add(member, 10)
    rests.add(member, 20)

    assert rests.next_due == 20
    assert rests.wake(15, 1) == []
    assert rests.wake(20, 1) == [member]


def test_in_the_end_nobody_rests() -> None:
    rests = Rests()
    rests.add(one(), 10)
    rests.wake(10, 0)
    rests.add(one(), 20)
    rests.clear()

    assert not rests
    assert rests.wake(30, 1) == []
