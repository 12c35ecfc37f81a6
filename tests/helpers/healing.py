"""What encrypted subscribers are to get, by whatever they are encrypted."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import TYPE_CHECKING

from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout import Publisher, Subscriber


def heal_and_miss_nothing(
    publisher: Publisher, subscriber: Subscriber, is_up: Callable[[Subscriber, int], bool]
) -> None:
    """Its worker is killed twice: the connection cannot be taken over, but nothing is missing.

    Args:
        is_up: whether it has connected so many times.
    """
    publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
    for number in range(3):
        for _ in range(50):
            publisher.publish("A", b"")
        if number < 2:
            os.kill(publisher.statistics().workers[0].pid, signal.SIGKILL)
            wait_until(partial(is_up, subscriber, number + 2), "it is back")
    got = [subscriber.recv(DEADLINE_S) for _ in range(150)]
    assert [message.sequence for message in got] == list(range(150))
    assert {message.gap for message in got} == {None}


def get_the_first_and_the_last(
    publisher: Publisher, subscriber: Subscriber, topics: Sequence[str]
) -> None:
    """Of a long list of topics, when it is there to its end."""
    publisher.wait_for_subscribers(1, topics[-1], timeout=DEADLINE_S)
    publisher.publish(topics[0], b"first")
    publisher.publish(topics[-1], b"last")
    assert [subscriber.recv(DEADLINE_S).payload for _ in range(2)] == [b"first", b"last"]
