"""Last values under interruption: they are those of what was committed, whatever was not."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from fanout import LastValues, PoisonedError, Publisher
from tests.faults.subject import every_step, raiser
from tests.helpers.interrupting import Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Frames = tuple[bytes, ...]

TOPICS = 12  # that have a place
BIG = bytes(8_000)


@pytest.fixture(params=[False, True], ids=["plain", "numbered"])
def publisher(request: pytest.FixtureRequest) -> Iterator[Publisher]:
    kept = LastValues(max_topics=TOPICS, max_bytes="64K")
    with Publisher(
        workers=1, log_bytes="64K", last_values=kept, sequence_frame=request.param
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


def test_interrupted_anywhere(publisher: Publisher) -> None:
    model = Model(publisher)
    for number in range(5):
        model.publish(b"cold%d" % number, b"x" * 100)

    def one(number: int) -> Steps:
        """Of the topics one is in the log, one only in the ring, and one has none yet."""
        steps = Steps(number, raiser(KeyboardInterrupt), opcodes=True)
        topic, body = (b"hot", b"cold1")[number % 2], b"%d" % number
        model.interrupted(lambda: publisher.publish(topic, body), [(topic, body)], steps)
        model.check()
        return steps

    def batch(number: int) -> Steps:
        steps = Steps(number, raiser(KeyboardInterrupt), opcodes=True)
        body = b"%d" % number
        messages = [(b"hot", body), (b"cold2", body, b"third"), (b"hot", b"again" + body)]

        def send() -> None:
            with publisher.batch() as batch:
                for frames in messages:
                    batch.send_multipart(list(frames))

        model.interrupted(send, messages, steps)
        model.check()
        return steps

    def no_room(number: int) -> Steps:
        """Values are copied to the ring, and the ring is cleaned, before there is room."""
        steps = Steps(number, raiser(KeyboardInterrupt))
        model.publish(b"cold3", b"%d" % number)
        for _ in range(5):
            model.publish(b"hot", BIG)
        for each in range(10):
            model.interrupted(lambda: publisher.publish(b"hot", BIG), [(b"hot", BIG)], steps)
            if steps.reached:
                break
            assert each < 9
        model.check()
        return steps

    every_step(one)
    every_step(batch)
    for number in range(1, 400):
        no_room(number)


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
