"""Steps that scenarios are made of."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from interoperation.foreign import Failed
from interoperation.messages import describe, wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fanout import Publisher
    from interoperation.foreign import Foreign

SECONDS = 30.0  # for what takes less than one on an idle machine
RETRY_S = 0.05

Command = list[str]


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for this.

    Raises:
        Failed: it did not come about.
    """
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"{what} did not come about within {SECONDS:g} s")
        time.sleep(RETRY_S)


def subscribe(publisher: Publisher, subscriber: Foreign, *prefixes: str) -> None:
    """Have it want these, and wait until that has come."""
    for prefix in prefixes:
        subscriber.tell(f"subscribe {prefix}")
        topic = prefix.encode()
        until(lambda topic=topic: publisher.has_subscribers(topic), f"subscribing {prefix!r}")  # type: ignore[misc]


def expect(subscriber: Foreign, expected: Sequence[str]) -> None:
    """Wait for the last of these messages; they, and no others, have come in this order.

    Raises:
        Failed: that is not so.
    """
    received = subscriber.wait_for(expected[-1], SECONDS)
    if text := wrong(received, expected):
        raise Failed(text)


def deliver(publisher: Publisher, subscriber: Foreign, messages: Iterable[list[bytes]]) -> None:
    """Publish these, and expect them.

    Raises:
        Failed: it did not get them, each once and in order.
    """
    expected = []
    for message in messages:
        publisher.send_multipart(message)
        expected.append(describe(message))
    expect(subscriber, expected)
