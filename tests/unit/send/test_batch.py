"""A batch: everything that was added in its block in one commit, or nothing."""

from __future__ import annotations

import pickle
import sys
import weakref
from contextlib import ExitStack
from threading import get_ident
from typing import TYPE_CHECKING, Any

import pytest

from fanout.errors import ConfigError, MessageTooLarge
from fanout.send.attempt import NO_SPACE
from fanout.send.batch import Batch
from fanout.send.making import batch_type
from fanout.send.own_batches import LOOKS_MAX, BatchRules, OwnBatches
from fanout.send.topics import UNKNOWN
from fanout.send.wire import Encoder
from fanout.zmtp.frames import encode_message
from tests.helpers.built import BOTH, path_type
from tests.unit.send.line import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from fanout.send.attempt import Attempt
    from fanout.send.topics import Subject

LIMIT, COUNT_LIMIT = 100, 4


class Others:
    """Who waits for room, so that nothing is appended at once."""

    def append(self, _body: bytes, _subject: Subject) -> int:
        return NO_SPACE


class Sender:
    """Makes batches for a line, and keeps what they wanted to have committed."""

    __slots__ = ("__weakref__", "_own", "_path", "attempts", "line")

    def __init__(self, line: Line) -> None:
        self.line = line
        self.attempts: list[Attempt] = []
        path = line.path
        encoder = Encoder(path.topics, path.intern, None, in_pieces=False)
        rules = BatchRules(path, encoder, LIMIT, COUNT_LIMIT)
        self._path: object = path
        others = Others()
        given = batch_type(Batch, path), rules, self._commit
        self._own = OwnBatches(weakref.ref(self), others, get_ident, *given)

    def batch(self) -> Batch:
        return self._own.kind(self._own, None)

    def _commit(self, attempt: Attempt, _timeout: float | None) -> int:
        self.attempts.append(attempt)
        return attempt.append()


@pytest.fixture(params=BOTH)
def sender(request: pytest.FixtureRequest) -> Iterator[Sender]:
    with Line(make_path=path_type(request.param)) as line:
        yield Sender(line)


ADD: dict[str, tuple[Callable[[Batch], None], list[bytes]]] = {
    "publish": (lambda batch: batch.publish(b"a", b"1"), [b"a", b"1"]),
    "publish, converted": (lambda batch: batch.publish("a", bytearray(b"1")), [b"a", b"1"]),
    "send": (lambda batch: batch.send(memoryview(b"whole")), [b"whole"]),
    "send_multipart": (lambda batch: batch.send_multipart([b"b", b"2", b""]), [b"b", b"2", b""]),
}


def test_all_are_committed_at_once_when_the_block_ends(sender: Sender) -> None:
    line = sender.line
    with sender.batch() as earlier:
        earlier.publish(b"a", b"0")

    with sender.batch() as batch:
        for add, _ in ADD.values():
            add(batch)
        assert (len(batch), batch.sequence) == (4, None)
        assert line.reader.head() == 1, "nothing is sent inside of the block"

    assert (len(batch), batch.sequence) == (4, 1)
    assert [attempt.count for attempt in sender.attempts] == [1, 4]
    assert line.written()[1:] == [encode_message(frames) for _, frames in ADD.values()]
    names = [line.path.topics.intern(name).id for name in (b"a", b"a", b"b")]
    assert line.reader.topic_ids(1, 5) == [*names[:2], UNKNOWN.id, names[2]]


def test_an_empty_batch_commits_nothing(sender: Sender) -> None:
    with sender.batch() as batch:
        pass

    assert (len(batch), batch.sequence, sender.attempts) == (0, None, [])


def test_leaving_the_block_by_an_exception_publishes_nothing(sender: Sender) -> None:
    def fail() -> None:
        with batch:
            batch.publish(b"a", b"1")
            raise KeyError

    batch = sender.batch()
    with pytest.raises(KeyError):
        fail()

    assert (len(batch), batch.sequence, sender.attempts) == (1, None, [])
    assert sender.line.written() == []


@pytest.mark.parametrize("add", [add for add, _ in ADD.values()], ids=ADD)
def test_it_takes_messages_in_its_block_only(sender: Sender, add: Callable[[Batch], None]) -> None:
    batch = sender.batch()
    with pytest.raises(RuntimeError, match="the block of this one has not begun"):
        add(batch)
    with batch:
        pass
    with pytest.raises(RuntimeError, match="the block of this one is over"):
        add(batch)

    assert (len(batch), sender.attempts) == (0, [])
    with sender.batch() as another:
        add(another)
    assert len(another) == 1, "those that were refused are in no other batch either"


def test_it_is_for_one_block(sender: Sender) -> None:
    with sender.batch() as batch:
        batch.publish(b"a", b"1")
        with pytest.raises(RuntimeError, match="has begun already"):
            batch.__enter__()
    with pytest.raises(RuntimeError, match="is over"):
        batch.__enter__()

    assert (len(batch), batch.sequence) == (1, 0), "it was published all the same"


BAD: dict[str, tuple[Callable[[Any], None], type[Exception], str]] = {
    "payload": (lambda batch: batch.publish(b"a", "text"), TypeError, "payload"),
    "topic": (lambda batch: batch.publish(7, b""), TypeError, "topic"),
    "frame": (lambda batch: batch.send("text"), TypeError, "frame"),
    "frames": (lambda batch: batch.send_multipart(b"one frame"), TypeError, "frames"),
    "one of them": (lambda batch: batch.send_multipart([b"", 7]), TypeError, r"frames\[1\]"),
    "no frames": (lambda batch: batch.send_multipart([]), ValueError, "empty"),
    "flags": (lambda batch: batch.send(b"", flags=1), TypeError, "flags"),
    "positional": (lambda batch: batch.send_multipart([b""], 2), TypeError, "send_multipart"),
}


@pytest.mark.parametrize(("add", "error", "text"), BAD.values(), ids=BAD)
def test_what_is_refused_leaves_the_batch_as_it_was(
    sender: Sender, add: Callable[[Any], None], error: type[Exception], text: str
) -> None:
    with sender.batch() as batch:
        batch.publish(b"a", b"1")
        with pytest.raises(error, match=text):
            add(batch)
        batch.publish(b"b", b"2")

    assert sender.line.written() == [encode_message([b"a", b"1"]), encode_message([b"b", b"2"])]


@pytest.mark.parametrize("excess", [0, 1])
def test_the_bytes_are_limited_in_all(sender: Sender, excess: int) -> None:
    batch = sender.batch()

    def fill() -> None:
        with batch:
            for body in (b"x" * 50, b"y" * (LIMIT - 2 * 5 - 50 + excess)):
                batch.publish(b"t", body)  # each with 5 bytes of headers and topic

    if not excess:
        fill()
        assert (batch.sequence, sender.attempts[0].size) == (0, LIMIT)
        return
    with pytest.raises(MessageTooLarge) as caught:
        fill()
    assert (caught.value.size, caught.value.limit, caught.value.unit) == (101, 100, "bytes")
    assert (batch.sequence, len(batch), sender.line.written()) == (None, 2, [])


@pytest.mark.parametrize("excess", [0, 1])
def test_the_messages_are_limited(sender: Sender, excess: int) -> None:
    batch = sender.batch()

    def fill() -> None:
        with batch:
            for _ in range(COUNT_LIMIT + excess):
                batch.send(b"")

    if not excess:
        fill()
        assert (batch.sequence, sender.attempts[0].count) == (0, COUNT_LIMIT)
        return
    with pytest.raises(MessageTooLarge) as caught:
        fill()
    assert (caught.value.size, caught.value.limit, caught.value.unit) == (5, 4, "messages")
    assert (batch.sequence, len(batch), sender.line.written()) == (None, 5, [])


def test_it_cannot_be_pickled(sender: Sender) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(sender.batch())


async def enter(batch: Any) -> None:
    async with batch:
        pass


def test_it_is_not_for_async_with(sender: Sender) -> None:
    entering = enter(sender.batch())

    with pytest.raises(TypeError, match="this batch blocks: use `with`"):
        entering.send(None)


def test_nothing_of_a_batch_is_sent_if_one_is_on_a_reserved_topic(sender: Sender) -> None:
    def add_late(batch: Batch) -> None:
        batch.publish(b"a", b"1")
        batch.publish(b"\0fanout.x", b"2")

    def add_frame(batch: Batch) -> None:
        batch.publish(b"a", b"1")
        with pytest.raises(ConfigError, match="is reserved"):
            batch.send(b"\0fanout.x")
        with pytest.raises(ConfigError, match="is reserved"):
            batch.send_multipart([b"\0fanout.x"])
        batch.send(b"\0")

    with pytest.raises(ConfigError, match="is reserved"), sender.batch() as batch:
        add_late(batch)
    assert sender.line.written() == []
    with sender.batch() as batch:
        add_frame(batch)
    assert sender.line.written() == [encode_message([b"a", b"1"]), encode_message([b"\0"])]


def test_one_whose_end_was_interrupted_knows_how_many_it_had(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(OwnBatches, "end", interrupted)
    with pytest.raises(KeyboardInterrupt), sender.batch() as batch:
        batch.send(b"one")
    assert (len(batch), batch.sequence) == (1, None)


class Interrupted(BaseException):
    """Raised from outside, as a signal handler would."""


def interrupt_at(step: int, run: Callable[[], None]) -> bool:
    """Raise at the n-th call or line of what makes batches; returns whether it came so far."""
    left = step

    def trace(frame: FrameType, event: str, _what: object) -> Callable[..., Any] | None:
        nonlocal left
        if not frame.f_code.co_filename.endswith(("/batch.py", "/own_batches.py")):
            return None
        if event in ("call", "line"):
            left -= 1
            if left < 0:
                raise Interrupted
        return trace

    before = sys.gettrace()
    try:
        sys.settrace(trace)
        run()
    except Interrupted:
        return True
    finally:
        sys.settrace(before)
    return False


def test_wherever_one_is_interrupted_its_block_is_not_taken_for_open(sender: Sender) -> None:
    """Warnings are errors here; the one that was interrupted keeps its name, as in a loop."""
    kept: list[Batch] = []

    def run() -> None:
        with sender.batch() as batch:
            kept.append(batch)
            batch.send(b"one")

    steps = 0
    while interrupt_at(steps, run):
        sender._own._looks = LOOKS_MAX
        steps += 1
        sender._own.warn()
        with sender.batch() as other:
            other.send(b"two")
        assert sender._path is sender._own.usual
        kept.clear()
    assert steps > 20, "of a begin and an end"


def test_a_block_is_open_though_its_batch_has_no_name_any_more(sender: Sender) -> None:
    with sender.batch() as batch:
        batch.send(b"one")
        del batch
        with pytest.warns(RuntimeWarning, match="inside of the block of a batch"):
            sender._own.warn()

    def begin(stack: ExitStack) -> None:
        stack.enter_context(sender.batch()).send(b"two")

    with ExitStack() as stack:
        begin(stack)
        with pytest.warns(RuntimeWarning, match="inside of the block of a batch"):
            sender._own.warn()
        with pytest.warns(RuntimeWarning, match="began a batch inside"), sender.batch():
            pass
    assert len(sender.line.written()) == 2


def test_that_is_not_looked_for_again_and_again(sender: Sender) -> None:
    """For a look takes as long as the program has objects."""
    with sender.batch() as batch:
        batch.send(b"one")
        del batch
        for _ in range(LOOKS_MAX):
            with pytest.warns(RuntimeWarning, match="inside of the block of a batch"):
                sender._own.warn()
        sender._own.warn()


def test_a_block_that_is_open_is_one_whatever_its_batch_has(sender: Sender) -> None:
    with sender.batch(), pytest.warns(RuntimeWarning, match="inside of the block of a batch"):
        sender._own.warn()  # whoever takes it for one of his publisher has not even a name for it
    with sender.batch() as batch:
        batch.send(b"one")
        with pytest.warns(RuntimeWarning, match="inside of the block of a batch"):
            sender._own.warn()
        with pytest.warns(RuntimeWarning, match="began a batch inside"), sender.batch():
            pass


def awaiting(call: str) -> Any:
    """A coroutine function that awaits this call of a batch."""
    made: dict[str, Any] = {"__name__": "of_a_user"}
    exec(f"async def adding(batch):\n    await batch.{call}\n", made)
    return made["adding"]


AWAITED = [
    "publish(b'a', b'1')",
    "publish('a', b'1')",
    "send(b'1')",
    "send_multipart([b'a', b'1'])",
]


@pytest.mark.parametrize("call", AWAITED)
def test_to_await_what_adds_is_refused_and_nothing_is_added(sender: Sender, call: str) -> None:
    name = call.partition("(")[0]
    for _ in range(2):
        with sender.batch() as batch:
            with pytest.raises(TypeError, match=rf"^{name}\(\) adds to a batch, .* out `await`"):
                awaiting(call)(batch).send(None)
            assert len(batch) == 0
    with sender.batch() as batch:
        batch.send(b"0")
        with pytest.raises(TypeError, match="object NoneType can't be used in 'await' expression"):
            awaiting(call)(batch).send(None)  # no more than the first is looked at
        assert len(batch) == 2
    with sender.batch() as batch:
        batch.send(b"0")
    assert len(sender.line.written()) == 3


def test_a_first_batch_without_messages_is_none(sender: Sender) -> None:
    for _ in range(2):
        with sender.batch() as batch:
            pass
        assert batch.sequence is None
    assert not sender.attempts
