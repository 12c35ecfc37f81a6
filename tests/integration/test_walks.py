"""The walk of a payload from a call to the log: it enters no room of the house twice.

Rooms are those of `tests/unit/test_structure.py`. A payload is bytes: a value that a verb encodes
has none before.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

import fanout.asyncio
from fanout import LastValues, Publisher
from fanout.send import making
from fanout.send.attempt import NO_SPACE, Prepared
from fanout.send.wire import COPY_ONCE_BYTES, INTERN_BYTES_MAX
from tests.unit.test_structure import modules, room_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from fanout.send.path import SendPath

    Verb = Callable[[Any], Any]

MADE_WITH: dict[str, Any] = {"workers": 1, "log_bytes": 1 << 20, "last_values": LastValues()}

PAYLOAD = b"walks through publish()"
LARGE_PAYLOAD = PAYLOAD + bytes(COPY_ONCE_BYTES)
LONG_TOPIC = b"t" * (INTERN_BYTES_MAX + 1)
FRAMES = [b"t", b"x", PAYLOAD]

numbers = count()


def new_topic() -> str:
    return f"new {next(numbers)}"


# Calls with a payload: the usual one, and all others that go another way round.
WALKS: dict[str, Verb] = {
    "usual": lambda p: p.publish(b"t", PAYLOAD),
    "timeout": lambda p: p.publish(b"t", PAYLOAD, timeout=60),
    "new topic": lambda p: p.publish(new_topic().encode(), PAYLOAD),
    "long topic": lambda p: p.publish(LONG_TOPIC, PAYLOAD),
    "text": lambda p: p.publish("t", PAYLOAD),
    "new text": lambda p: p.publish(new_topic(), PAYLOAD),
    "bytearray": lambda p: p.publish(b"t", bytearray(PAYLOAD)),
    "bytearray, timeout": lambda p: p.publish(b"t", bytearray(PAYLOAD), timeout=60),
    "large": lambda p: p.publish(b"t", LARGE_PAYLOAD),
    "large, new topic": lambda p: p.publish(new_topic(), LARGE_PAYLOAD),
    "keyframe": lambda p: p.publish(b"t", PAYLOAD, keyframe=True),
    "keyframe, large, timeout": lambda p: p.publish(b"t", LARGE_PAYLOAD, keyframe=True, timeout=60),
    "send": lambda p: p.send(PAYLOAD),
    "send, bytearray": lambda p: p.send(bytearray(PAYLOAD)),
    "send, timeout": lambda p: p.send(PAYLOAD, timeout=60),
    "one frame": lambda p: p.send_multipart([PAYLOAD]),
    "two frames": lambda p: p.send_multipart(FRAMES[1:]),
    "two frames, timeout": lambda p: p.send_multipart(FRAMES[1:], timeout=60),
    "three frames": lambda p: p.send_multipart(FRAMES),
    "three frames, keyframe": lambda p: p.send_multipart(FRAMES, keyframe=True),
}
ADDS: dict[str, Verb] = {
    "publish": lambda b: b.publish(b"t", PAYLOAD),
    "keyframe": lambda b: b.publish(b"t", PAYLOAD, keyframe=True),
    "send": lambda b: b.send(PAYLOAD),
    "three frames": lambda b: b.send_multipart(FRAMES),
}
# How many looks for room find none before one finds some; None: none is needed.
LOOKS = {"room": None, "room at a look": 0, "room after a while": 2}


class Walk:
    """The rooms that a payload enters, in order; a context manager.

    A function of another room is called with it: with the message that has it in it, with pieces
    of which it is one, or with an attempt to append them. What the log had no room for was turned
    away, and has not entered; and a coroutine that goes on is where it was.
    """

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._names = {str(path.resolve()): name for name, path in modules().items()}
        self._entered: dict[FrameType, str] = {}
        self._seen: set[FrameType] = set()

    @property
    def rooms(self) -> list[str]:
        return list(self._entered.values())

    def __enter__(self) -> Walk:
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_error: object) -> None:
        sys.setprofile(None)

    def _room(self, frame: FrameType | None) -> str | None:
        module = self._names.get(frame.f_code.co_filename) if frame is not None else None
        return None if module is None else room_of(module)

    def _has_payload(self, given: object) -> bool:
        if isinstance(given, Prepared):
            given = [cell.cell_contents for cell in given.append.__closure__ or ()]
        given = getattr(given, "bodies", given)  # of a batch whose messages are encoded
        if isinstance(given, tuple | list):
            return any(map(self._has_payload, given))
        return isinstance(given, bytes | bytearray) and self._payload in given

    def _note(self, frame: FrameType, what: str, result: object) -> None:
        if what == "return" and result == NO_SPACE and self._entered.get(frame) == "shm":
            del self._entered[frame]
        if what != "call" or frame in self._seen:
            return
        self._seen.add(frame)
        room = self._room(frame)
        if room not in (None, self._room(frame.f_back)):
            given = list(frame.f_locals.values())  # nothing but arguments is there yet
            if any(map(self._has_payload, given)):
                self._entered[frame] = str(room)


class Walks:
    """A publisher, and who walks through it."""

    def __init__(self) -> None:
        self._made = Publisher(**MADE_WITH)
        self._made.publish(b"t", b"makes it known")

    def close(self) -> None:
        self._made.close()

    def rooms(self, verb: Verb, looks: int | None = None) -> list[str]:
        """Those that the payload of this call enters."""
        with waited_for(self._made._engine.path, looks), Walk(PAYLOAD) as walk:
            verb(self._made)
        return walk.rooms

    def rooms_of_batch(self, add: Verb, looks: int | None) -> list[str]:
        """Those that a payload of a batch enters."""
        made = self._made
        path = made._engine.path
        with waited_for(path, looks), Walk(PAYLOAD) as walk, made.batch() as batch:
            add(batch)
        return walk.rooms


class AwaitedWalks:
    """The same with asyncio."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._made = self._runner.run(fanout.asyncio.Publisher.start(**MADE_WITH))
        self._runner.run(self._made.publish(b"t", b"makes it known"))

    def close(self) -> None:
        self._runner.run(self._made.close())
        self._runner.close()

    def rooms(self, verb: Verb, looks: int | None = None) -> list[str]:
        async def main() -> list[str]:
            with waited_for(self._made._running().path, looks), Walk(PAYLOAD) as walk:
                await verb(self._made)
            return walk.rooms

        return self._runner.run(main())

    def rooms_of_batch(self, add: Verb, looks: int | None) -> list[str]:
        async def main() -> list[str]:
            with waited_for(self._made._running().path, looks), Walk(PAYLOAD) as walk:
                async with self._made.batch() as batch:
                    add(batch)
            return walk.rooms

        return self._runner.run(main())


@contextmanager
def waited_for(path: SendPath, looks: int | None) -> Iterator[None]:
    """In the block there is no room, as far as is known, and so many looks at it find none."""
    make_room, left = path.make_room, [False] * (looks or 0)

    def look(needed_bytes: int, count: int = 1) -> bool:
        return left.pop() if left else make_room(needed_bytes, count)

    if looks is not None:
        path.log._position_limit = path.log.position
        path.log._room = path.log.position, path.log.head  # and it is not for want of credit
    path.make_room = look  # type: ignore[method-assign]
    try:
        yield
    finally:
        del path.make_room
    assert left == [], "it did not wait"


@pytest.fixture(scope="module", params=[Walks, AwaitedWalks], ids=["blocking", "asyncio"])
def walks(request: pytest.FixtureRequest) -> Iterator[Walks | AwaitedWalks]:
    """Without compiled verbs and paths, of which each is one call."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(making, "is_compiled", lambda: False)
        for kind in (Publisher, fanout.asyncio.Publisher):
            for verb in ("publish", "send", "send_multipart"):
                if verb in vars(kind):
                    patch.delattr(kind, verb)
        made = request.param()
        yield made
        made.close()


@pytest.mark.parametrize("looks", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize("verb", WALKS.values(), ids=WALKS)
def test_a_payload_enters_no_room_twice(
    verb: Verb, looks: int | None, walks: Walks | AwaitedWalks
) -> None:
    """Whatever way it goes, and whether or not it waits for room."""
    require_no_room_twice(walks.rooms(verb, looks))


@pytest.mark.parametrize("looks", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize("add", ADDS.values(), ids=ADDS)
def test_nor_does_one_of_a_batch(add: Verb, looks: int | None, walks: Walks | AwaitedWalks) -> None:
    require_no_room_twice(walks.rooms_of_batch(add, looks))


def require_no_room_twice(rooms: list[str]) -> None:
    assert rooms[0] == "send"
    assert rooms[-1] == "shm"
    assert [room for room, times in Counter(rooms).items() if times > 1] == []


def test_the_usual_one_enters_two(walks: Walks | AwaitedWalks) -> None:
    assert walks.rooms(WALKS["usual"]) == ["send", "shm"]
