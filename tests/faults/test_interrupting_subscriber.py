"""Calls of a subscriber that are interrupted at every line, as by Ctrl-C: no message is lost by it.

What an interrupted call has not returned comes next, in order; and the thread that reads is told of
room, and in nobody's way.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from fanout import Subscriber
from tests.faults.subject import every_step, raiser
from tests.helpers.interrupting import Steps, untraced
from tests.helpers.waiting import DEADLINE_S
from tests.unit.subscriber.test_inbox import messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fanout.subscriber.inbox import Inbox, QueuePolicy

COUNT = 5  # messages that are there


class Filled:
    """A subscriber that connects to nobody, and is given messages by hand."""

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self.inbox: Inbox = subscriber._inbox
        self.iterator = iter(subscriber)  # one that was interrupted is at its end
        self.told = 0
        self.inbox.on_room = self._on_room

    def _on_room(self) -> None:
        self.told += 1

    def fill(self, *numbers: int) -> None:
        self.inbox.put(messages(*numbers), 1)


# What a call returns is taken in the very step in which it returns.
CALLS: dict[str, Callable[[Filled, list[Any]], object]] = {
    "recv": lambda filled, got: got.append(filled.subscriber.recv(DEADLINE_S)),
    "recv_many": lambda filled, got: got.extend(filled.subscriber.recv_many(COUNT, DEADLINE_S)),
    "iteration": lambda filled, got: got.extend(islice(filled.iterator, COUNT)),
}


@pytest.fixture(params=["block", "drop_oldest"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Filled]:
    policy: QueuePolicy = request.param
    with untraced(), Subscriber(f"ipc://{tmp_path}/nobody", queue_policy=policy) as subscriber:
        yield Filled(subscriber)


def unless_locked(inbox: Inbox, error: type[BaseException]) -> Callable[[], None]:
    """Python runs no signal handler between the end of a `with` block and what it releases."""
    act = raiser(error)

    def unless() -> None:
        if not inbox._lock.locked():
            act()

    return unless


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("name", CALLS)
def test_what_it_has_not_returned_comes_next(
    filled: Filled, name: str, error: type[BaseException]
) -> None:
    numbers = [*range(COUNT)]

    def run(number: int) -> Steps:
        filled.fill(*numbers)
        filled.inbox.stall()
        filled.iterator, told = iter(filled.subscriber), filled.told
        steps = Steps(number, unless_locked(filled.inbox, error))
        got: list[Any] = []
        with suppress(KeyboardInterrupt, MemoryError), steps:
            CALLS[name](filled, got)
        while filled.inbox.messages:
            got.append(filled.subscriber.recv(DEADLINE_S))
        assert [message.sequence for message in got] == numbers
        assert filled.told > told, "who reads waits for room for ever"
        return steps

    every_step(run)


WAITING: dict[str, Callable[[Subscriber], object]] = {
    "recv": lambda subscriber: subscriber.recv(0),
    "recv_many": lambda subscriber: subscriber.recv_many(COUNT, 0),
    "poll": lambda subscriber: subscriber.poll(0),
}


@pytest.mark.parametrize("name", WAITING)
def test_who_waited_is_in_nobodys_way(filled: Filled, name: str) -> None:
    def run(number: int) -> Steps:
        steps = Steps(number, unless_locked(filled.inbox, KeyboardInterrupt))
        with suppress(KeyboardInterrupt, TimeoutError), steps:
            WAITING[name](filled.subscriber)
        filled.fill(number)
        filled.subscriber._reading._wake_all()  # as its thread does now
        assert not filled.subscriber._reading._wakers
        assert filled.subscriber.recv(DEADLINE_S).sequence == number
        return steps

    every_step(run)
