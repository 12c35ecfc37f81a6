"""Compiled verbs: what takes no Python, what they append, and what they have of coroutines."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
import warnings
import weakref
from typing import TYPE_CHECKING, Any

import pytest

import fanout.asyncio
from fanout.errors import ClosedError
from fanout.send.gate import CLOSED
from fanout.shm.layout import PAGE, Layout
from fanout.shm.log import NO_SPACE
from fanout.shm.value_layout import ValueTable
from fanout.shm.worker_slot import NO_TAIL
from fanout.zmtp.frames import encode_message
from tests.helpers.built import needs_compiled_verbs, path_type
from tests.helpers.waiting import DEADLINE_S
from tests.unit.send.faces import LineEngine, awaited_face, blocking_face, result_of
from tests.unit.send.line import Line, collected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fanout import Publisher

pytestmark = needs_compiled_verbs

LARGE = Layout(64 * PAGE, 4_096, 1)
KEPT = Layout(64 * PAGE, 4_096, 1, table=ValueTable(4, 4 * PAGE))
FRAMES: dict[str, list[bytes]] = {
    "one": [b"whole"],
    "two": [b"t", b"body"],
    "three": [b"t", b"", b"body"],
    "five": [b"t", b"a" * 255, b"b" * 256, b"", b"c" * 7_000],
}


@pytest.fixture
def line() -> Iterator[Line]:
    with Line(LARGE, path_type("compiled")) as line:
        line.path.intern(b"t")
        line.path.make_room(1, 1)
        yield line


@pytest.fixture
def blocking(line: Line) -> Publisher:
    return blocking_face(LineEngine(line))


@pytest.fixture
def awaited(line: Line) -> fanout.asyncio.Publisher:
    return awaited_face(LineEngine(line))


def fill(line: Line) -> int:
    """Until the log is full of what the worker has not read; returns how many that are."""
    line.read_up_to(0)
    while line.path.append(bytes(7_000), b"t") != NO_SPACE or line.path.make_room(8_000):
        pass
    return line.reader.head()


def path_of(publisher: fanout.asyncio.Publisher) -> object:
    """By which compiled verbs append."""
    return publisher._path


class Twins:
    """How often a twin of a verb was called; a context manager.

    No garbage is collected in it: what other tests have left has finalizers of fanout.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._collects = gc.isenabled()

    def __enter__(self) -> Twins:
        gc.disable()
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_error: object) -> None:
        sys.setprofile(None)
        if self._collects:
            gc.enable()

    def _note(self, frame: Any, what: str, _argument: object) -> None:
        if what == "call" and "/fanout/" in frame.f_code.co_filename:
            self.calls.append(frame.f_code.co_qualname)


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("frames", FRAMES.values(), ids=FRAMES)
def test_frames_take_no_python(
    line: Line,
    blocking: Publisher,
    awaited: fanout.asyncio.Publisher,
    frames: list[bytes],
    kind: Callable[[list[bytes]], list[bytes]],
) -> None:
    given = kind(frames)
    blocking.send_multipart([b"t", b"", b""])  # headers are made for who needs them
    with Twins() as twins:
        sequences = [blocking.send_multipart(given), result_of(awaited.send_multipart(given))]

    assert (sequences, twins.calls) == ([1, 2], [])
    assert line.written()[1:] == [encode_message(frames)] * 2


@pytest.mark.parametrize("numbered", [False, True])
def test_what_is_kept_takes_no_python_either(numbered: bool) -> None:
    """Topics that have a place among last values are of a type of their own."""
    with Line(KEPT, path_type("compiled", numbered=numbered, kept=True)) as line:
        line.path.intern(b"t")
        line.path.make_room(1, 1)
        blocking = blocking_face(LineEngine(line, numbered=numbered))
        blocking.send_multipart([b"t", b"", b""])
        with Twins() as twins:
            for frames in (FRAMES["two"], FRAMES["three"]):
                blocking.send_multipart(frames)

        assert twins.calls == []
        assert len(line.written()) == 3


VALUES: dict[str, Callable[[Any], Any]] = {
    "send_string": lambda publisher: publisher.send_string("1"),
    "send_json": lambda publisher: publisher.send_json(1),
    "send_json on a topic": lambda publisher: publisher.send_json(1, topic=b"t"),
    "send_msgpack": lambda publisher: publisher.send_msgpack(1),
    "send_msgpack on a topic": lambda publisher: publisher.send_msgpack(1, topic=b"t"),
}
BY_ENCODERS = {"as_json", "as_msgpack", "<lambda>"}


@pytest.mark.parametrize("call", VALUES.values(), ids=VALUES)
def test_what_sends_values_takes_python_for_these_alone(
    line: Line,
    blocking: Publisher,
    awaited: fanout.asyncio.Publisher,
    call: Callable[[Any], Any],
) -> None:
    """None for the sending: a second verb in Python costs as much as all the rest."""
    with Twins() as twins:
        sequences = [call(blocking), result_of(call(awaited))]

    verbs = [name for name in twins.calls if name not in BY_ENCODERS]
    assert sequences == [0, 1]
    assert len(verbs) == 2, verbs
    assert all(name.startswith("Verbs.send_") for name in verbs)


def test_nor_does_a_topic_in_text(
    line: Line, blocking: Publisher, awaited: fanout.asyncio.Publisher
) -> None:
    line.path.intern("€".encode())
    with Twins() as twins:
        sequences = [blocking.publish("t", b"body"), result_of(awaited.publish("€", b"body"))]
    with blocking.batch() as batch, Twins() as others:
        batch.publish("t", b"body")

    assert (sequences, twins.calls, others.calls) == ([0, 1], [], [])
    expected = [[b"t", b"body"], ["€".encode(), b"body"], [b"t", b"body"]]
    assert line.written() == [encode_message(frames) for frames in expected]


def test_a_text_that_has_no_utf_8_is_the_twins(line: Line, blocking: Publisher) -> None:
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"), Twins() as twins:
        blocking.publish("t\udcff", b"body")

    assert "Publishing.publish" in twins.calls
    assert line.written() == []


OTHERS: dict[str, list[Any]] = {
    "a new topic": [b"not known", b"", b""],
    "a bytearray": [b"t", bytearray(b"x"), b""],
    "a large frame": [b"t", bytes(9_000), b""],
    "many": [b"t", *[bytes(1_000)] * 9],
    "a topic in a bytearray": [bytearray(b"t"), b"", b""],
    "two": [bytearray(b"t"), b""],
}


@pytest.mark.parametrize("kind", [list, iter])
@pytest.mark.parametrize("frames", OTHERS.values(), ids=OTHERS)
def test_other_frames_are_the_twins(
    line: Line, blocking: Publisher, frames: list[Any], kind: Callable[[list[Any]], Any]
) -> None:
    with Twins() as twins:
        blocking.send_multipart(kind(frames))

    assert "Verbs.send_multipart" in twins.calls
    assert line.written() == [encode_message([bytes(frame) for frame in frames])]


def test_a_batch_adds_without_python(line: Line, blocking: Publisher) -> None:
    blocking.send_multipart([b"t", b"", b""])
    batch = blocking.batch()
    with batch:
        with Twins() as twins:
            batch.publish(b"t", b"body")
            batch.send(b"whole")
            batch.send_multipart([b"whole"])
            batch.send_multipart((b"t", b"body"))
            batch.send_multipart([b"t", b"", b"body"])
        with Twins() as others:
            batch.send(bytearray(b"other"))
            batch.send_multipart([b"new", b"", b"other"])

    assert twins.calls == []
    assert {"Messages.send", "Messages.send_multipart"} < set(others.calls)
    expected = [[b"t", b"body"], [b"whole"], [b"whole"], [b"t", b"body"], [b"t", b"", b"body"]]
    expected += [[b"other"], [b"new", b"", b"other"]]
    assert line.written()[1:] == [encode_message(frames) for frames in expected]
    assert (batch.sequence, len(batch)) == (1, 7)


def test_a_whole_message_in_a_batch_is_looked_up_too(line: Line) -> None:
    topic = line.path.intern(b"t")
    wires = [encode_message([b"t", b"", bytes(size)]) for size in (1, 9_000)]

    coded = collected(line.path, (wires[0], topic), (b"body", b"t"), (wires[1], topic))
    assert [one.name for one in coded.topics] == [b"t"] * 3
    coded.append()

    assert line.written() == [wires[0], encode_message([b"t", b"body"]), wires[1]]
    assert line.reader.topic_ids(0, 3) == [topic.id] * 3


@pytest.mark.unmeasured
def test_nothing_is_kept_of_frames(
    line: Line, blocking: Publisher, awaited: fanout.asyncio.Publisher
) -> None:
    frames = [b"t", b"a body of its own", b"another of its own"]
    topic = blocking._engine.path.intern(b"t")
    looked_at = [*frames[1:], frames, topic, topic.head, blocking, awaited, None]
    gc.collect()  # else what earlier tests have left goes meanwhile, and its references to None
    before = [sys.getrefcount(one) for one in looked_at]

    for _ in range(1000):
        line.path.make_room(1_000, 10)
        blocking.send_multipart(frames)
        result_of(awaited.send_multipart(frames))
        awaited.send_multipart(frames).close()
        with pytest.raises(KeyError):
            awaited.publish(b"t", b"x").throw(KeyError)
        with blocking.batch() as batch:
            batch.send_multipart(frames)
            batch.send(frames[1])
    del batch

    gc.collect()
    changes = [sys.getrefcount(one) - two for one, two in zip(looked_at, before, strict=True)]
    assert all(abs(one) < 500 for one in changes), changes  # what is kept is kept each time


# What a verb of asyncio returns.


def test_it_does_nothing_until_it_is_awaited(line: Line, awaited: fanout.asyncio.Publisher) -> None:
    first, second = awaited.publish(b"t", b"1"), awaited.publish(b"t", b"2")
    assert line.written() == []

    assert (result_of(second), result_of(first)) == (0, 1)
    assert line.written() == [encode_message([b"t", b"2"]), encode_message([b"t", b"1"])]


def test_it_is_as_a_coroutine(awaited: fanout.asyncio.Publisher) -> None:
    async def main() -> list[int]:
        async with asyncio.timeout(DEADLINE_S):
            sending = awaited.publish(b"t", b"0")
            assert type(sending).__name__ == "Sending"
            assert asyncio.iscoroutine(sending)
            assert inspect.isawaitable(sending)
            sent = [await sending]
            sent.append(await asyncio.create_task(awaited.send(b"1")))
            sent += await asyncio.gather(*[awaited.publish(b"t", b"x") for _ in range(3)])
            sent.append(await asyncio.wait_for(awaited.send_multipart([b"t", b"", b"x"]), 1))
            return sent

    assert asyncio.run(main()) == list(range(6))
    assert asyncio.run(awaited.publish(b"t", b"x")) == 6


@pytest.mark.parametrize("how", ["send", "next", "throw"])
def test_it_can_be_awaited_once(line: Line, awaited: fanout.asyncio.Publisher, how: str) -> None:
    sending: Any = awaited.publish(b"t", b"x")
    again = {
        "send": lambda: sending.send(None),
        "next": lambda: next(sending),
        "throw": lambda: sending.throw(KeyError),
    }
    assert result_of(sending) == 0

    for _ in range(2):
        with pytest.raises(RuntimeError, match="cannot reuse already awaited"):
            again[how]()
    sending.close()
    assert line.reader.head() == 1


def test_a_task_that_is_cancelled_before_it_begins_sends_nothing(
    line: Line, awaited: fanout.asyncio.Publisher
) -> None:
    async def main() -> None:
        task = asyncio.create_task(awaited.publish(b"t", b"x"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert line.written() == []


def test_what_is_thrown_into_it_comes_out_and_nothing_is_sent(
    line: Line, awaited: fanout.asyncio.Publisher
) -> None:
    sending: Any = awaited.publish(b"t", b"x")
    with pytest.raises(KeyError, match="meant"):
        sending.throw(KeyError("meant"))
    with pytest.raises(RuntimeError, match="cannot reuse"):
        sending.send(None)
    another: Any = awaited.publish(b"t", b"x")
    with pytest.raises(TypeError, match="just-started"):
        another.send("a value")
    another.close()

    assert line.written() == []


def call_only(publisher: fanout.asyncio.Publisher) -> None:
    _sending = publisher.publish(b"t", b"x")


def test_one_that_is_never_awaited_is_told(line: Line, awaited: fanout.asyncio.Publisher) -> None:
    with pytest.warns(RuntimeWarning, match=r"'Publisher\.publish' was never awaited"):
        call_only(awaited)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        awaited.publish(b"t", b"x").close()
        result_of(awaited.publish(b"t", b"x"))

    assert line.reader.head() == 1


def test_one_that_somebody_got_as_it_went_is_not_used_for_the_next_call(
    line: Line, awaited: fanout.asyncio.Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The garbage collector knows all there are, and a warning runs what the user likes."""
    kept: list[Any] = []

    def look(*_about: object) -> None:
        kept.extend(one for one in gc.get_objects() if type(one).__name__ == "Sending")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", look)
        call_only(awaited)
    again = awaited.publish(b"t", b"x")

    assert kept
    assert all(one is not again for one in kept)
    assert result_of(again) == 0
    for one in kept:
        with pytest.raises(RuntimeError, match="cannot reuse"):
            one.send(None)
    assert line.reader.head() == 1


def test_errors_come_when_it_is_awaited(line: Line, awaited: fanout.asyncio.Publisher) -> None:
    sending = awaited.publish(b"t", b"x")
    line.path.gate.shut(CLOSED)

    with pytest.raises(ClosedError):
        result_of(sending)
    assert line.written() == []


def test_it_waits_for_room_as_ever_and_nobody_goes_before_it(
    line: Line, awaited: fanout.asyncio.Publisher
) -> None:
    async def main() -> None:
        async with asyncio.timeout(DEADLINE_S):
            filled = fill(line)
            waiting = asyncio.create_task(awaited.publish(b"t", bytes(7_000)))
            await asyncio.sleep(0)
            assert awaited._queue is not None
            assert awaited._queue.waits
            assert path_of(awaited) is awaited._queue
            line.read_up_to(NO_TAIL)
            line.path.make_room(1, 1)  # there is room, and somebody waits
            last = await awaited.publish(b"t", b"last")
            assert (await waiting, last) == (filled, filled + 1)
            assert path_of(awaited) is line.path
            assert await awaited.publish(b"t", b"x") == last + 1

    asyncio.run(main())


def test_cancelled_while_it_waits_it_has_sent_nothing(
    line: Line, awaited: fanout.asyncio.Publisher
) -> None:
    async def main() -> None:
        async with asyncio.timeout(DEADLINE_S):
            before = fill(line)
            waiting = asyncio.create_task(awaited.publish(b"t", bytes(7_000)))
            await asyncio.sleep(0)
            assert awaited._queue is not None
            assert awaited._queue.waits
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert (line.reader.head(), awaited._path) == (before, line.path)

    asyncio.run(main())


def test_beside_a_batch_it_is_the_twin_that_warns(awaited: fanout.asyncio.Publisher) -> None:
    async def main() -> None:
        async with awaited.batch() as batch:
            batch.publish(b"t", b"1")
            with pytest.warns(RuntimeWarning, match="inside of the block"):
                assert await awaited.publish(b"t", b"0") == 0
        assert batch.sequence == 1
        assert await awaited.publish(b"t", b"2") == 2

    asyncio.run(main())


@pytest.mark.parametrize("name", ["publish", "send", "send_multipart"])
def test_who_asks_for_the_method_gets_the_twin(
    awaited: fanout.asyncio.Publisher, name: str
) -> None:
    """Frameworks look at what they are to call, whether it is a coroutine function."""
    kind: Any = fanout.asyncio.Publisher
    method, function = getattr(awaited, name), getattr(kind, name)
    compiled = vars(kind)[name]

    assert (method.__func__, compiled.__wrapped__) == (function, function)
    assert inspect.iscoroutinefunction(method)
    assert inspect.signature(compiled) == inspect.signature(function)
    given = {"publish": (b"t", b"x"), "send": (b"x",), "send_multipart": ([b"t", b"x"],)}[name]
    assert result_of(method(*given)) == 0
    assert result_of(compiled(awaited, *given)) == 1
    with pytest.raises(TypeError, match="argument"):
        compiled()


def test_wrong_arguments_are_told_by_the_twin(awaited: fanout.asyncio.Publisher) -> None:
    broken: Any = awaited
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'payload'"):
        broken.publish(b"t")
    with pytest.raises(TypeError, match="flags"):
        result_of(broken.send(b"x", 1))
    with pytest.raises(ValueError, match="0 or more"):
        result_of(broken.publish(b"t", b"x", timeout=-1))
    with pytest.raises(TypeError, match="payload"):
        result_of(broken.publish(b"t", "x"))
    assert result_of(broken.publish(topic=b"t", payload=b"x")) == 0


def test_what_is_derived_has_its_own_verbs(line: Line) -> None:
    said: list[bytes] = []

    class Loud(fanout.asyncio.Publisher):
        __slots__ = ()

        async def publish(self, topic: Any, payload: Any, *more: Any, **named: Any) -> int:
            said.append(topic)
            return await super().publish(topic, payload, *more, **named)

    loud: Any = Loud()
    loud._use(LineEngine(line))
    sent = [loud.send_multipart([b"t", b"x"]), loud.publish(b"u", b"x"), loud.send(b"x")]

    assert ([result_of(one) for one in sent], said) == ([0, 1, 2], [b"t", b"u"])


@pytest.mark.parametrize("used_before", [False, True])
def test_one_that_is_in_a_circle_is_collected(line: Line, used_before: bool) -> None:
    """One that was used before is older than the rest of it, and is cleared first."""
    publisher = awaited_face(LineEngine(line))
    if used_before:
        assert result_of(publisher.send(b"x")) == 0
        gc.collect()
    frames: list[Any] = [b"t", b"x"]
    frames.append(publisher.send_multipart(frames))
    gone = weakref.ref(publisher)
    del publisher, frames
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()

    assert gone() is None


def test_on_a_path_that_is_not_compiled_they_are_the_twins() -> None:
    with Line(LARGE, path_type("pure")) as pure:
        pure.path.make_room(1, 1)
        face = awaited_face(LineEngine(pure))
        with Twins() as twins:
            sent = [result_of(face.publish(b"t", b"x")), result_of(face.send(b"x"))]

    assert sent == [0, 1]
    assert {"AwaitedPublishing.publish", "AwaitedPublishing.send"} < set(twins.calls)
