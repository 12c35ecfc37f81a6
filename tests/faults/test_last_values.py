"""Last values under interruption: they are those of what was committed, whatever was not."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from fanout import LastValues, PoisonedError, Publisher
from fanout.send import making
from tests.faults.subject import every_step, raiser
from tests.helpers.built import needs_compiled
from tests.helpers.interrupting import Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Frames = tuple[bytes, ...]

TOPICS = 12  # that have a place
BIG = bytes(8_000)


@pytest.fixture(params=[False, True], ids=["plain", "numbered"])
def publisher(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Publisher]:
    """What a send does, in Python: it is interrupted at each step of it."""
    monkeypatch.setattr(making, "is_compiled", lambda: False)
    yield from publishers(numbered=request.param)


@pytest.fixture(params=[False, True], ids=["plain", "numbered"])
def compiled_publisher(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Publisher]:
    """The same where what a send does is compiled, which is one step."""
    monkeypatch.setattr(making, "is_compiled", lambda: True)
    yield from publishers(numbered=request.param)


def publishers(*, numbered: bool) -> Iterator[Publisher]:
    kept = LastValues(max_topics=TOPICS, max_bytes="64K")
    with Publisher(
        workers=1, log_bytes="64K", last_values=kept, sequence_frame=numbered
    ) as publisher:
        yield publisher


class Model:
    """What has to be the last message of each topic."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self.last: dict[bytes, Frames] = {}

    @property
    def head(self) -> int:
        return self.publisher._engine.path.log.head

    def publish(self, topic: bytes, body: bytes) -> None:
        self.publisher.publish(topic, body)
        self.last[topic] = topic, body

    def interrupted(self, send: Callable[[], object], messages: list[Frames], steps: Steps) -> None:
        before = self.head
        with suppress(KeyboardInterrupt), steps:
            send()
        if self.head > before:
            self.last.update({frames[0]: frames for frames in messages})

    def check(self) -> None:
        for topic, frames in self.last.items():
            try:
                found = self.publisher.last(topic)
            except PoisonedError:
                self.publisher.recover()
                found = self.publisher.last(topic)
            assert found is not None, topic
            assert found.frames == frames


class Sends:
    """One message, a batch, and one that there is no room for, interrupted at a step."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self.model = Model(publisher)
        for number in range(5):
            self.model.publish(b"cold%d" % number, b"x" * 100)
        # Else the first batch of a process would make its table of headers: in too many steps.
        with publisher.batch() as batch:
            batch.send_multipart([b"cold0", b"x" * 100, b"third"])
            batch.send_multipart([b"cold0", b"x" * 100])

    def one(self, number: int) -> Steps:
        """Of the topics one is in the log, one only in the ring, and one has none yet."""
        steps = Steps(number, raiser(KeyboardInterrupt), opcodes=True)
        topic, body = (b"hot", b"cold1")[number % 2], b"%d" % number
        self.model.interrupted(lambda: self.publisher.publish(topic, body), [(topic, body)], steps)
        self.model.check()
        return steps

    def batch(self, number: int) -> Steps:
        steps = Steps(number, raiser(KeyboardInterrupt), opcodes=True)
        body = b"%d" % number
        messages = [(b"hot", body), (b"cold2", body, b"third"), (b"hot", b"again" + body)]

        def send() -> None:
            with self.publisher.batch() as batch:
                for frames in messages:
                    batch.send_multipart(list(frames))

        self.model.interrupted(send, messages, steps)
        self.model.check()
        return steps

    def no_room(self, number: int) -> None:
        """Values are copied to the ring, and the ring is cleaned, before there is room."""
        steps = Steps(number, raiser(KeyboardInterrupt))
        self.model.publish(b"cold3", b"%d" % number)
        for _ in range(5):
            self.model.publish(b"hot", BIG)
        for each in range(10):
            self.model.interrupted(
                lambda: self.publisher.publish(b"hot", BIG), [(b"hot", BIG)], steps
            )
            if steps.reached:
                break
            assert each < 9
        self.model.check()


def test_interrupted_anywhere(publisher: Publisher) -> None:
    sends = Sends(publisher)
    every_step(sends.one)
    every_step(sends.batch)
    for number in range(1, 400):
        sends.no_room(number)


@needs_compiled
def test_interrupted_around_the_compiled_part(compiled_publisher: Publisher) -> None:
    assert compiled_publisher.statistics().compiled
    sends = Sends(compiled_publisher)
    every_step(sends.batch)
    for number in range(1, 200):
        sends.no_room(number)


def test_forgetting_is_done_or_not(publisher: Publisher) -> None:
    def run(number: int) -> Steps:
        publisher.publish(b"one", b"%d" % number)
        publisher.publish(b"other", b"x")
        steps = Steps(number, raiser(KeyboardInterrupt), opcodes=True)
        with suppress(KeyboardInterrupt), steps:
            publisher.forget(b"one")
        found, other = publisher.last(b"one"), publisher.last(b"other")
        assert found is None or found.frames == (b"one", b"%d" % number)
        assert other is not None
        if not steps.reached:
            assert found is None
        return steps

    every_step(run)


def test_a_new_topic_gets_a_place_or_not(publisher: Publisher) -> None:
    """And takes that of another one, when there are no more."""

    def run(number: int) -> Steps:
        topic = b"new%d" % number
        steps = Steps(number, raiser(KeyboardInterrupt))
        before = publisher._engine.path.log.head
        with suppress(KeyboardInterrupt), steps:
            publisher.publish(topic, b"first")
        was_sent = publisher._engine.path.log.head > before
        found = publisher.last(topic)
        assert (found is not None) == was_sent
        publisher.publish(topic, b"second")
        found = publisher.last(topic)
        assert found is not None
        assert found.frames == (topic, b"second")
        return steps

    every_step(run)
