"""Blame: an error tells for whom something was done when it was raised, or that nobody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.blame import NOBODY, subscriber_of
from fanout.workers.main import _failure_of
from fanout.workers.stream.member import Member
from fanout.workers.stream.pump import Pump
from tests.helpers.around import Around
from tests.helpers.log import SMALL, Sink, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

POLICY = Worker().policy


def member(number: int) -> Member:
    return Member(number, Sink(1 << 40), POLICY)


def failing(*_: object) -> None:
    raise RuntimeError("a bug")


def serve(member: Member, step: Callable[[], None] = failing) -> None:
    step()


def compare(one: Member, *, other: Member) -> None:
    failing(one, other)


def serve_all(members: list[Member]) -> None:
    for one in members:
        serve(one, lambda: None)
    failing()


def blamed_for(work: Callable[[], object]) -> int:
    try:
        work()
    except RuntimeError as error:
        return subscriber_of(error)
    raise AssertionError("it was to fail")


def test_it_is_who_the_innermost_function_was_called_for() -> None:
    assert blamed_for(lambda: serve(member(7))) == 7
    assert blamed_for(lambda: serve(member(7), lambda: serve(member(8)))) == 8


def test_it_is_nobody_if_that_is_not_one() -> None:
    assert blamed_for(failing) == NOBODY
    assert blamed_for(lambda: compare(member(1), other=member(2))) == NOBODY
    assert blamed_for(lambda: serve_all([member(1), member(2)])) == NOBODY, "a loop that is over"


def test_a_bug_in_what_is_sent_to_one_that_is_behind_names_it() -> None:
    around = Around(SMALL)
    pump = Pump(around.log)
    errors: list[Exception] = [BlockingIOError(), RuntimeError("a bug")]

    def fail(_: object) -> int:
        raise errors.pop(0)

    behind = Member(2, fail, POLICY)
    for one in (member(1), behind):
        pump.subscribe(one, [b"A"])
    around.written.publish(b"A", b"one")
    pump.advance(1, 0)
    assert behind in pump.blocked
    assert blamed_for(lambda: pump.serve(behind, 0)) == 2


def test_it_is_noted_for_a_bug_unless_it_is_known_already_and_not_for_what_the_system_lacks() -> (
    None
):
    slot = Around(SMALL).slot

    def out_of_memory() -> None:
        raise MemoryError

    def noted(step: Callable[[], None]) -> int:
        try:
            serve(member(7), step)
        except (RuntimeError, MemoryError) as error:
            _failure_of({"message": "it failed", "exception": error}, slot)
        return slot.resuming

    assert noted(out_of_memory) == NOBODY
    assert noted(failing) == 7
    slot.resuming = 5
    assert noted(failing) == 5, "it was going on with that one"
