"""Threads that wait for room: until there is some, or their time is up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fanout.errors import Again
from fanout.send import waiting
from fanout.send.attempt import NO_SPACE, Attempt, Prepared
from fanout.send.path import LOOK
from fanout.send.waiting import Waiter
from fanout.shm.credit import FREE, USED_UP, Credit
from fanout.shm.worker_slot import NO_TAIL
from fanout.statistics import InTheWay
from tests.helpers.waiting import DEADLINE_S
from tests.unit.send.line import Line

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 1_000


@pytest.fixture
def line() -> Iterator[Line]:
    with Line() as line:
        yield line


def message(line: Line) -> Attempt:
    topic = line.path.intern(b"t")
    return Prepared(lambda: line.path.append(b"x" * SIZE, topic), SIZE, 1)


def fill(line: Line) -> int:
    """Until the log is full of what the worker has not read; returns the next sequence."""
    line.read_up_to(0)
    topic = line.path.intern(b"t")
    while line.path.append(b"-" * SIZE, topic) != NO_SPACE or line.path.make_room(SIZE):
        pass
    return line.reader.head()


def test_with_room_nobody_waits(line: Line) -> None:
    line.path.wait_for_room = None  # type: ignore[method-assign, assignment]  # it is not asked

    assert Waiter(line.path, lambda: None).send(message(line), None) == 0


@pytest.mark.parametrize("timeout", [None, 0, 60])
def test_room_that_is_there_is_found_at_the_first_look(line: Line, timeout: float | None) -> None:
    head = fill(line)
    line.read_up_to(NO_TAIL)

    assert Waiter(line.path, lambda: None).send(message(line), timeout) == head


@pytest.mark.parametrize("timeout", [None, 60])
def test_it_is_waited_for_until_there_is_room(line: Line, timeout: float | None) -> None:
    head, waits = fill(line), []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            line.read_up_to(NO_TAIL)

    line.path.wait_for_room = wait  # type: ignore[method-assign, assignment]
    assert Waiter(line.path, lambda: None).send(message(line), timeout) == head
    assert len(waits) == 3
    assert all(0 < each <= (timeout or 1) for each in waits)


def test_another_thread_may_take_the_room_that_was_found(line: Line) -> None:
    """Then it is waited for again, and what was said is not lost."""
    results = [NO_SPACE, NO_SPACE, 7]
    attempt = Prepared(lambda: results.pop(0), SIZE, 1)

    assert Waiter(line.path, lambda: None).send(attempt, 60) == 7
    assert results == []


def test_who_gives_up_has_sent_nothing_and_is_told_for_whom_it_waited(line: Line) -> None:
    head = fill(line)
    waiter = Waiter(line.path, lambda: InTheWay(7, "peer:1", "desk7"))

    with pytest.raises(Again, match=r"within 0 s: subscriber 7 \(desk7, peer:1\)") as caught:
        waiter.send(message(line), 0)
    assert caught.value.subscriber == 7
    assert line.reader.head() == head


def test_a_worker_that_is_still_to_look_is_given_a_moment_to(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "LOOK", DEADLINE_S)
    line.allow(Credit(1))
    line.path.make_room(SIZE)  # it has heard of that
    assert Waiter(line.path, lambda: None).send(message(line), 0) == 0
    waits = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        line.allow(FREE)

    line.path.wait_for_room = wait  # type: ignore[method-assign, assignment]
    assert Waiter(line.path, lambda: None).send(message(line), 0) == 1
    assert len(waits) == 1
    assert 0 < waits[0] <= DEADLINE_S


def test_who_takes_credit_back_while_it_looks_has_it_look_once_more(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is room, for all that is known: so that is no reason to say that there is none."""
    monkeypatch.setattr(waiting, "LOOK", DEADLINE_S)
    line.allow(FREE, 7)
    go_by = line.path.log.go_by

    def go_by_and_hold(*look: Any) -> None:
        go_by(*look)
        if not waits:
            line.path.log.hold()

    waits: list[float] = []
    line.path.wait_for_room = waits.append  # type: ignore[method-assign, assignment]
    line.path.log.go_by = go_by_and_hold  # type: ignore[assignment, method-assign]
    line.path.log.hold()
    assert Waiter(line.path, lambda: None).send(message(line), 0) == 0
    assert len(waits) == 1


@pytest.mark.parametrize("subscriber", [0, 7])
def test_that_moment_ends_and_there_is_none_if_somebody_is_at_a_limit(
    line: Line, subscriber: int
) -> None:
    line.allow(USED_UP, subscriber)
    line.path.append(b"x", line.path.intern(b"t"))
    line.path.make_room(1)
    waits: list[float] = []
    line.path.wait_for_room = waits.append  # type: ignore[method-assign, assignment]

    with pytest.raises(Again):
        Waiter(line.path, lambda: None).send(message(line), 0)
    assert line.reader.head() == 1
    assert subscriber == 0 or not waits
    assert all(0 < each <= LOOK for each in waits)


@pytest.mark.parametrize("timeout", [-1, float("nan"), "1", True])
def test_what_is_no_time_is_refused_before_anything_is_sent(line: Line, timeout: object) -> None:
    with pytest.raises((TypeError, ValueError), match="timeout must be"):
        Waiter(line.path, lambda: None).send(message(line), timeout)  # type: ignore[arg-type]
    assert line.reader.head() == 0
