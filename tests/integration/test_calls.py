"""What a verb costs its caller, counted in calls of Python functions: no clock can be trusted.

Each call costs about a tenth of a `publish()`. Those of `publish()` itself are the fewest possible:
the verb, the send path, the log. Every other verb, for bytes in one or two frames, may add one.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

import fanout.asyncio
from fanout import Publisher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

SMALL: dict[str, Any] = {"workers": 1, "log_bytes": 1 << 20}
OF_PUBLISH = 3
ENCODING = {"as_json", "as_msgpack"}  # make bytes of a value, which is no cost of sending

# A verb, and by how many calls it may be dearer than publish().
VERBS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "publish": (lambda p: p.publish(b"t", b"x"), 0),
    "publish, timeout": (lambda p: p.publish(b"t", b"x", timeout=1.5), 0),
    "publish, text": (lambda p: p.publish("t", b"x"), 1),
    "send": (lambda p: p.send(b"x"), 0),
    "send, timeout": (lambda p: p.send(b"x", timeout=1), 0),
    "send_multipart, 1": (lambda p: p.send_multipart([b"x"]), 1),
    "send_multipart, 2": (lambda p: p.send_multipart([b"t", b"x"]), 1),
    "send_multipart, tuple": (lambda p: p.send_multipart((b"t", b"x")), 1),
    "send_string": (lambda p: p.send_string("x"), 1),
    "send_json": (lambda p: p.send_json(1), 1),
    "send_json, topic": (lambda p: p.send_json(1, topic=b"t"), 1),
    "send_msgpack": (lambda p: p.send_msgpack(1), 1),
    "send_msgpack, topic": (lambda p: p.send_msgpack(1, topic=b"t"), 1),
}
ADDS: dict[str, Callable[[Any], Any]] = {
    "publish": lambda b: b.publish(b"t", b"x"),
    "send": lambda b: b.send(b"x"),
    "send_multipart, 1": lambda b: b.send_multipart([b"x"]),
    "send_multipart, 2": lambda b: b.send_multipart([b"t", b"x"]),
}


class Calls:
    """Counts the calls of functions of ours, but for those that encode; a context manager."""

    def __init__(self) -> None:
        self.of: Counter[str] = Counter()

    def __enter__(self) -> Calls:
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_error: object) -> None:
        sys.setprofile(None)

    @property
    def count(self) -> int:
        return sum(self.of.values())

    def _note(self, frame: FrameType, what: str, _argument: object) -> None:
        code = frame.f_code
        if what == "call" and "/fanout/" in code.co_filename and code.co_name not in ENCODING:
            self.of[code.co_qualname] += 1


@pytest.fixture(scope="module")
def publisher() -> Iterator[Publisher]:
    with Publisher(**SMALL) as made:
        made.publish(b"t", b"makes it known")
        yield made


@pytest.mark.parametrize(("verb", "more"), VERBS.values(), ids=VERBS)
def test_a_verb_is_hardly_dearer_than_publish(
    publisher: Publisher, verb: Callable[[Any], Any], more: int
) -> None:
    with Calls() as calls:
        verb(publisher)

    assert calls.count <= OF_PUBLISH + more, calls.of


@pytest.mark.parametrize(("verb", "more"), VERBS.values(), ids=VERBS)
def test_with_asyncio_too(verb: Callable[[Any], Any], more: int) -> None:
    async def main() -> Calls:
        async with fanout.asyncio.Publisher(**SMALL) as made:
            await made.publish(b"t", b"makes it known")
            with Calls() as calls:
                await verb(made)
            return calls

    calls = asyncio.run(main())
    assert calls.count <= OF_PUBLISH + more, calls.of


@pytest.mark.parametrize("add", ADDS.values(), ids=ADDS)
def test_a_message_of_a_batch_is_one_call(publisher: Publisher, add: Callable[[Any], Any]) -> None:
    """Beside those for the batch, however many messages it has."""

    def calls_for(messages: int) -> int:
        with Calls() as calls, publisher.batch() as batch:
            for _ in range(messages):
                add(batch)
        return calls.count

    assert calls_for(60) - calls_for(10) <= 50 * 2, "send() has a look at its frame"
