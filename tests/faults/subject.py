"""A publisher under interruption, what is sent with it, and what must have arrived."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from fanout import PoisonedError, Publisher
from tests.helpers.interrupting import Steps, contained
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import ThreadPoolExecutor

    from tests.helpers.collecting import Collector, Message

STEPS_MAX = 20_000  # far more than any send takes; only a test that is wrong gets there
BIG = bytes(range(256)) * 48  # 12 KiB: more than COPY_ONCE_BYTES, nearly a quarter of the log


class Subject:
    """A publisher, a subscriber that gets everything, and what it must have got.

    Attributes:
        expected: all messages that were committed, in their order.
        mended: how often it had to be recovered.
    """

    def __init__(
        self, publisher: Publisher, collector: Collector, other: ThreadPoolExecutor
    ) -> None:
        self.publisher = publisher
        self.collector = collector
        self.expected: list[Message] = []
        self._other = other
        self.mended = 0
        self._markers = 0

    @property
    def head(self) -> int:
        return self.publisher._engine.path.log.head

    def elsewhere(self, work: Callable[[], object]) -> None:
        """Run `work` on another thread."""
        self._other.submit(work).result(DEADLINE_S)

    def interrupted(
        self, send: Callable[[], object], messages: list[Message], steps: Steps
    ) -> None:
        """Send, with an interruption; note whether it was committed, which is all or nothing."""
        before = self.head
        try:
            with steps:
                send()
        except (KeyboardInterrupt, MemoryError):
            pass
        count = self.head - before
        assert count in (0, len(messages)), "a part of it was committed"
        if not steps.reached:
            assert count == len(messages), "it was not interrupted, and not sent"
        self.expected += messages[:count]

    def is_interrupted_anywhere(
        self, name: str, error: type[BaseException], *, opcodes: bool
    ) -> None:
        """Send this one of `SENDS` again and again, interrupted one step later each time."""
        send, messages = SENDS[name]

        def run(number: int) -> Steps:
            steps = Steps(number, raiser(error), opcodes=opcodes)
            self.interrupted(lambda: send(self.publisher, number), messages(number), steps)
            self.works_everywhere(here_first=number % 2 == 0)
            return steps

        every_step(run)
        assert self.mended == 0, "one interruption is always settled by the send itself"

    def works(self) -> None:
        """It works from the thread that calls, or is poisoned and can be mended from it."""
        marker = [b"works", b"%d" % self._markers]
        self._markers += 1
        before = self.head
        try:
            self.publisher.publish(marker[0], marker[1])
        except PoisonedError:
            assert self.publisher.poisoned
            assert self.head == before
            self.publisher.recover()
            self.mended += 1
            self.publisher.publish(marker[0], marker[1])
        assert not self.publisher.poisoned
        assert self.head == before + 1
        self.expected.append(marker)

    def works_everywhere(self, *, here_first: bool = True) -> None:
        """It works from this thread and from another one."""
        for work in (self.works, lambda: self.elsewhere(self.works))[:: 1 if here_first else -1]:
            work()


Send: TypeAlias = "Callable[[Publisher, int], object]"


def batch(publisher: Publisher, number: int) -> None:
    with publisher.batch() as batch:
        batch.publish(b"batch", b"%d" % number)
        batch.send_multipart([b"batch", b"", BIG[:300]])


# What is sent, and the messages that it is; the number is different for each.
SENDS: dict[str, tuple[Send, Callable[[int], list[Message]]]] = {
    "publish": (lambda p, n: p.publish(b"known", b"%d" % n), lambda n: [[b"known", b"%d" % n]]),
    "new_topic": (lambda p, n: p.publish(b"%d" % n, b"new"), lambda n: [[b"%d" % n, b"new"]]),
    "send": (lambda p, n: p.send(b"%d" % n), lambda n: [[b"%d" % n]]),
    "multipart": (
        lambda p, n: p.send_multipart([b"known", b"", b"%d" % n]),
        lambda n: [[b"known", b"", b"%d" % n]],
    ),
    # It does not fit before the tails were looked at again, and often waits for the subscriber.
    "no_room": (lambda p, n: p.publish(b"big", BIG), lambda n: [[b"big", BIG]]),
    "batch": (batch, lambda n: [[b"batch", b"%d" % n], [b"batch", b"", BIG[:300]]]),
}


def every_step(run: Callable[[int], Steps]) -> None:
    """Interrupt at step 1, 2, 3 ... until there is no such step."""
    for number in range(1, STEPS_MAX):
        (steps,) = contained(partial(run, number))
        if not steps.reached:
            assert number > 10, "hardly anything was traced"
            assert sys.exc_info()[1] is None, "later failures would be told as its consequences"
            return
    raise AssertionError(f"more than {STEPS_MAX} steps")


def raiser(error: type[BaseException]) -> Callable[[], None]:
    def act() -> None:
        raise error("meant")

    return act


def send_batch(publisher: Publisher, messages: list[Message]) -> int:
    with publisher.batch() as batch:
        for message in messages:
            batch.send_multipart(message)
    assert batch.sequence is not None
    return batch.sequence
