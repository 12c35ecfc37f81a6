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
from fanout.send import making
from fanout.send.wire import COPY_ONCE_BYTES, INTERN_BYTES_MAX
from tests.unit.test_structure import modules, room_of

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


class Walk:
    """The rooms that a payload enters, in order; a context manager.

    A function of another room is called with it, with the message that has it in it, or with pieces
    of which it is one.
    """

    def __init__(self, payload: bytes) -> None:
        self.rooms: list[str] = []
        self._payload = payload
        self._names = {str(path.resolve()): name for name, path in modules().items()}

    def __enter__(self) -> Walk:
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_error: object) -> None:
        sys.setprofile(None)

    def _room(self, frame: FrameType | None) -> str | None:
        module = self._names.get(frame.f_code.co_filename) if frame is not None else None
        return None if module is None else room_of(module)

    def _has_payload(self, given: object) -> bool:
        if isinstance(given, tuple | list):
            return any(map(self._has_payload, given))
        return isinstance(given, bytes | bytearray) and self._payload in given

    def _note(self, frame: FrameType, what: str, _argument: object) -> None:
        room = self._room(frame)
        if what == "call" and room not in (None, self._room(frame.f_back)):
            given = frame.f_locals.values()  # nothing but arguments is there yet
            if any(map(self._has_payload, given)):
                self.rooms.append(str(room))


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


PAYLOAD = b"walks through publish()"
LARGE_PAYLOAD = PAYLOAD + bytes(COPY_ONCE_BYTES)
LONG_TOPIC = b"t" * (INTERN_BYTES_MAX + 1)
# Calls with a payload: the usual one, and all others that go another way round.
WALKS: dict[str, Callable[[Any], Any]] = {
    "usual": lambda p: p.publish(b"t", PAYLOAD),
    "timeout": lambda p: p.publish(b"t", PAYLOAD, timeout=60),
    "new topic": lambda p: p.publish(b"new", PAYLOAD),
    "long topic": lambda p: p.publish(LONG_TOPIC, PAYLOAD),
    "text": lambda p: p.publish("t", PAYLOAD),
    "new text": lambda p: p.publish("new", PAYLOAD),
    "bytearray": lambda p: p.publish(b"t", bytearray(PAYLOAD)),
    "bytearray, timeout": lambda p: p.publish(b"t", bytearray(PAYLOAD), timeout=60),
    "large": lambda p: p.publish(b"t", LARGE_PAYLOAD),
    "large, new topic": lambda p: p.publish(b"new", LARGE_PAYLOAD),
}
# With asyncio these return what is awaited by who has called them, and begin there once more.
FRAMES: dict[str, Callable[[Any], Any]] = {
    "two frames": lambda p: p.send_multipart([b"t", PAYLOAD]),
    "three frames": lambda p: p.send_multipart([b"t", b"x", PAYLOAD]),
}


def rooms_of(walk: Callable[[Any], Any]) -> list[str]:
    """Those that the payload enters, in order; in Python: compiled code is one call."""
    with Publisher(**SMALL) as made:
        made.publish(b"t", b"makes it known")
        with Walk(PAYLOAD) as seen:
            walk(made)
    return seen.rooms


def awaited_rooms_of(walk: Callable[[Any], Any]) -> list[str]:
    async def main() -> list[str]:
        async with fanout.asyncio.Publisher(**SMALL) as made:
            await made.publish(b"t", b"makes it known")
            with Walk(PAYLOAD) as seen:
                await walk(made)
            return seen.rooms

    return asyncio.run(main())


@pytest.mark.parametrize("rooms_of", [rooms_of, awaited_rooms_of], ids=["blocking", "asyncio"])
@pytest.mark.parametrize("walk", WALKS.values(), ids=WALKS)
def test_a_payload_enters_no_room_twice(
    walk: Callable[[Any], Any],
    rooms_of: Callable[..., list[str]],
    plain: None,
) -> None:
    """Whatever way it goes; one that finds no room waits outside, and comes back.

    A keyframe is none of these: its mark is made in the memory between two steps of what keeps the
    values, which calls the append.
    """
    _require_no_room_twice(rooms_of, walk)


@pytest.mark.parametrize("walk", FRAMES.values(), ids=FRAMES)
def test_nor_do_frames(walk: Callable[[Any], Any], plain: None) -> None:
    _require_no_room_twice(rooms_of, walk)


def _require_no_room_twice(rooms_of: Callable[..., list[str]], walk: Callable[[Any], Any]) -> None:
    rooms = rooms_of(walk)

    assert rooms[0] == "send"
    assert rooms[-1] == "shm"
    assert [room for room, times in Counter(rooms).items() if times > 1] == []


@pytest.mark.parametrize("rooms_of", [rooms_of, awaited_rooms_of], ids=["blocking", "asyncio"])
def test_the_usual_one_enters_two(rooms_of: Callable[..., list[str]], plain: None) -> None:
    assert rooms_of(WALKS["usual"]) == ["send", "shm"]


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publishers without compiled verbs and paths."""
    monkeypatch.setattr(making, "is_compiled", lambda: False)
    for kind in (Publisher, fanout.asyncio.Publisher):
        for verb in ("publish", "send", "send_multipart"):
            if verb in vars(kind):
                monkeypatch.delattr(kind, verb)
