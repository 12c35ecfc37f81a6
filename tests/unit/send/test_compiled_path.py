"""The compiled append beside the send lock, other threads and mistakes of ours."""

from __future__ import annotations

import gc
import inspect
import sys
import threading
from functools import partial, partialmethod
from typing import TYPE_CHECKING, Any

import pytest

from fanout import Publisher
from fanout.errors import ClosedError, NestedSendError, PoisonedError
from fanout.send import lock as locks
from fanout.send.attempt import attempt_pairs
from fanout.send.batch import Batch
from fanout.send.gate import CLOSED
from fanout.send.lock import holds_lock
from fanout.send.making import _compile, make_path
from fanout.send.numbered_path import NumberedPath
from fanout.send.path import SendPath
from fanout.send.topics import UNKNOWN, Topic
from fanout.send.wire import COPY_ONCE_BYTES, Encoder
from fanout.shm.layout import H_POISON, MESSAGE_PART, PAGE, Layout
from fanout.shm.log import NO_SPACE
from fanout.shm.value_layout import ValueTable
from fanout.shm.worker_slot import ASLEEP, HOLDING, sleepers
from fanout.zmtp.frames import encode_message, split_message
from tests.helpers.built import needs_compiled, needs_compiled_verbs, path_type
from tests.helpers.waiting import DEADLINE_S
from tests.unit.send.line import Line, collected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

pytestmark = needs_compiled

THREADS, EACH = 4, 5_000
KEPT = Layout(64 * PAGE, 4_096, 1, table=ValueTable(4, 4 * PAGE))
LARGE = Layout(1024 * PAGE, 1 << 17, 1)  # all of them are less than a quarter of it


@pytest.fixture
def line() -> Iterator[Line]:
    with Line(LARGE, path_type("compiled")) as line:
        line.path.intern(b"t")
        line.path.make_room(1, 1)
        yield line


def is_plain(line: Line, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often the twin was asked."""
    calls = []
    kind: Any = type(line.path)
    plainly = kind.append_plainly

    def counted(path: Any, body: bytes, subject: Any) -> Any:
        calls.append(subject)
        return plainly(path, body, subject)

    monkeypatch.setattr(kind, "append_plainly", counted)
    return lambda: len(calls)


def test_what_is_usual_takes_no_python(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = is_plain(line, monkeypatch)

    sequences = [line.path.append(b"body", b"t"), line.path.append(b"body", None)]
    sequences.append(line.path.append(encode_message([b"t", b"a", b"b"]), line.path.intern(b"t")))
    usual = asked()
    line.path.append(b"body", b"not known")

    assert (sequences, usual, asked()) == ([0, 1, 2], 0, 1)


def test_a_single_frame_takes_no_look_at_the_topics(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which would cost it a tenth."""
    asked = is_plain(line, monkeypatch)
    del line.path.topics.young[None]

    sequence = line.path.append(b"body", None)

    assert (sequence, asked()) == (0, 0)


@pytest.mark.parametrize("size", [COPY_ONCE_BYTES - 1, COPY_ONCE_BYTES, 70_000])
def test_a_long_frame_takes_no_python(
    size: int, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, body = is_plain(line, monkeypatch), bytes(size)
    batch = collected(line.path, (body, b"t"), (body, None))

    line.path.append(body, b"t")
    line.path.append(body, None)
    batch.append()

    assert asked() == 0
    assert line.written() == 2 * [encode_message([b"t", body]), encode_message([body])]


def test_what_may_be_too_large_is_left_to_who_counts(line: Line) -> None:
    """It is Python that says what the limit is: all of the message, headers too."""
    from fanout.send.compiled_path import AROUND_BYTES

    assert line.path.append(bytes(LARGE.data_bytes // MESSAGE_PART - AROUND_BYTES), b"t") < 0
    assert line.path.append(bytes(LARGE.data_bytes // MESSAGE_PART - AROUND_BYTES - 1), b"t") == 0


@holds_lock
def inside(line: Line) -> None:
    """As a handler of signals does that publishes in the middle of a send."""
    lock = line.path._lock.current
    lock.acquire()
    try:
        with pytest.raises(NestedSendError):
            line.path.append(b"nested", b"t")
    finally:
        lock.release()


def test_who_holds_the_send_lock_is_not_overtaken(line: Line) -> None:
    inside(line)
    assert line.path.append(b"after", b"t") == 0


def test_a_lock_that_another_thread_holds_is_waited_for(line: Line) -> None:
    lock = line.path._lock.current
    held, leave = threading.Event(), threading.Event()

    @holds_lock
    def hold_it() -> None:
        lock.acquire()
        held.set()
        leave.wait(DEADLINE_S)
        lock.release()

    holder = threading.Thread(target=hold_it)
    holder.start()
    held.wait(DEADLINE_S)
    sent: list[int] = []
    sender = threading.Thread(target=lambda: sent.append(line.path.append(b"late", b"t")))
    sender.start()
    before = (line.path.log.head, list(sent))
    leave.set()
    sender.join(DEADLINE_S)
    holder.join(DEADLINE_S)

    assert (before, sent) == ((0, []), [0])


def test_a_lock_that_was_lost_stops_it_until_that_is_mended(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "LOCK_LOOK", 0.002)
    lost = line.path._lock.current
    thread = threading.Thread(target=lost.acquire)
    thread.start()
    thread.join()

    with pytest.raises(PoisonedError, match="recover"):
        line.path.append(b"refused", b"t")
    line.path.recover()
    asked = is_plain(line, monkeypatch)
    sequence = line.path.append(b"after", b"t")

    assert (sequence, asked()) == (0, 0)
    assert line.path._lock.current is not lost


def test_many_threads_at_once_lose_nothing_and_tear_nothing(line: Line) -> None:
    def send(number: int) -> None:
        for count in range(EACH):
            body = b"%d.%d" % (number, count)
            if count % 10:
                line.path.append(body, b"t")
            else:  # these take the lock
                line.path.append_parts((encode_message([b"t", body]),), line.path.intern(b"t"))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=send, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)

    bodies: dict[int, list[int]] = {number: [] for number in range(THREADS)}
    for wire in line.written():
        _topic, body = split_message(wire)
        number, count = map(int, body.split(b"."))
        bodies[number].append(count)
    assert bodies == {number: list(range(EACH)) for number in range(THREADS)}


def test_no_room_is_said_and_changes_nothing() -> None:
    with Line(Layout(PAGE, 16, 1), path_type("compiled")) as line:
        line.path.intern(b"t")
        line.read_up_to(0)
        line.path.make_room(1, 1)
        sent = 0
        while line.path.append(bytes(100), b"t") != NO_SPACE:
            sent += 1
        before = line.written()
        batch = collected(line.path, *[(bytes(100), b"t")] * 4)

        assert batch.append() == NO_SPACE
        assert line.written() == before
        assert len(before) == sent > 2


OTHERS: dict[str, tuple[Any, Any]] = {
    "a new topic": (b"body", b"new"),
    "a large payload": (bytes(1 << 20), b"t"),
    "a bytearray": (bytearray(b"body"), b"t"),
    "a topic that stores no id": (b"body", object()),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_what_is_not_usual_in_a_batch_makes_a_list_of_it(
    line: Line, other: tuple[Any, Any]
) -> None:
    """With what was encoded before as whole messages, in which nothing has changed."""
    topic = line.path.intern(b"t")
    usual = [(b"first", b"t"), (b"second", None)]
    before = collected(line.path, *usual)

    messages = collected(line.path, *usual, other, (b"last", b"t"))

    wires = [encode_message([b"t", b"first"]), encode_message([b"second"])]
    assert messages == [wires[0], topic, wires[1], UNKNOWN, *other, b"last", b"t"]
    assert (len(before), before.count, before.size) == (4, 2, sum(map(len, wires)))


def test_an_empty_one_has_nothing_in_it_and_grows_as_it_must(line: Line) -> None:
    assert (len(collected(line.path)), collected(line.path).size) == (0, 0)
    messages = [(bytes([n % 256]) * (n % 3_000), b"t") for n in range(500)]
    collected(line.path, *messages).append()

    assert line.written() == [encode_message([b"t", body]) for body, _ in messages]


@pytest.mark.parametrize("numbered", [False, True])
def test_a_batch_is_of_topics_as_they_are_when_it_is_committed(numbered: bool) -> None:
    with Line(KEPT, path_type("compiled", numbered=numbered, kept=True)) as line:
        path: Any = line.path
        for topic in (b"stays", b"forgotten", b"moves"):
            path.intern(topic)
        assert path.make_room(1_000, 10)
        path.append(b"before", b"forgotten")
        coded = collected(path, (b"a", b"stays"), (b"b", b"forgotten"), (b"c", b"moves"))
        assert path.forget(b"forgotten")
        for number in range(16):
            path.intern(b"%d" % number)  # there are four places
        first = coded.append()
        kept = [path.last(topic) for topic in (b"stays", b"forgotten", b"moves")]
        ids = line.reader.topic_ids(first, first + 3)

        assert (first, kept, ids) == (1, [None] * 3, [0] * 3), "all of them have lost their places"
        path.append(b"d", b"15")
        coded = collected(path, (b"e", b"15"), (b"f", b"15"))
        assert path.forget(b"15")
        coded.append()
        assert path.last(b"15").frames[:2] == (b"15", b"f")


@pytest.mark.parametrize("name", ["pure", "compiled"])
def test_a_topic_that_lost_its_place_while_a_batch_was_open_gets_one_again(name: str) -> None:
    with Line(KEPT, path_type(name, kept=True)) as line:
        path: Any = line.path
        encoder = Encoder(path.topics, path.intern, None, in_pieces=False)
        whole = encode_message([b"kept", b"", b"b"])
        messages = collected(path, (b"a", b"kept"), (whole, path.intern(b"kept")), (b"c", None))
        for number in range(16):
            path.intern(b"%d" % number)  # there are four places
        assert path.make_room(1_000, 10)
        attempt_pairs(path, encoder, messages).append()

        assert path.last(b"kept").frames == (b"kept", b"", b"b")


@pytest.mark.parametrize(
    ("asleep", "many", "how"),
    [
        (0, 0, ""),
        (ASLEEP, 0, "_wake_for"),
        (0, 1, "_wake"),
        (HOLDING, 0, "_wake"),
        (HOLDING << 56 | ASLEEP, 0, "_wake"),
    ],
)
def test_who_sleeps_is_woken(
    line: Line, monkeypatch: pytest.MonkeyPatch, asleep: int, many: int, how: str
) -> None:
    """Or each worker is asked, where there are more than the word of the sleepers has bytes.

    Whether one is to be woken whatever is published is looked at only if that may be.
    """
    woken: list[tuple[str, bytes]] = []

    def note(name: str, _path: object, topics: Iterable[Topic]) -> None:
        woken.extend((name, one.name) for one in topics)

    for name in ("_wake", "_wake_for"):
        monkeypatch.setattr(type(line.path), name, partialmethod(partial(note, name)))
    coded = collected(line.path, *[(b"body", b"t")] * 3)
    sleepers(line.segment)[0] = asleep
    line.path._ask_each = bool(many)

    line.path.append(b"body", b"t")
    coded.append()

    assert woken == [(how, b"t")] * (2 if how else 0)


def test_a_batch_waits_for_room_as_long_as_it_likes(line: Line) -> None:
    """Others encode meanwhile; each has its own messages."""
    first, second = (collected(line.path, *[(body, b"t")] * 100) for body in (b"first", b"second"))
    assert ([one.name for one in first.topics], first.count) == ([b"t"] * 100, 100)
    size = len(encode_message([b"t", b"first"]))
    assert (first.size, second.size) == (100 * size, 100 * (size + 1))

    second.append()
    del second
    third = collected(line.path, (b"third", b"t"))
    for _ in range(2):
        first.append()
    third.append()

    bodies = [split_message(wire)[1] for wire in line.written()]
    assert bodies == [b"second"] * 100 + [b"first"] * 200 + [b"third"]


@pytest.mark.parametrize("why", ["locked", "poisoned", "closed"])
def test_a_batch_that_is_not_free_to_go_is_the_twins(line: Line, why: str) -> None:
    coded = collected(line.path, (b"body", b"t"))
    lock = line.path._lock.current
    errors: dict[str, type[Exception]] = {
        "locked": NestedSendError,
        "poisoned": PoisonedError,
        "closed": ClosedError,
    }

    @holds_lock
    def refused() -> None:
        if why == "locked":
            lock.acquire()
        elif why == "poisoned":
            line.segment.words[H_POISON] = 1
        else:
            line.path.gate.shut(CLOSED)
        with pytest.raises(errors[why]):
            coded.append()

    refused()
    assert line.written() == []


def test_a_large_batch_is_one_too(line: Line) -> None:
    coded = collected(line.path, *[(b"body", b"t")] * 10_000)

    assert (coded.append(), line.path.log.head) == (0, 10_000)
    assert set(line.written()) == {encode_message([b"t", b"body"])}


def test_nothing_is_kept_for_each_message(line: Line) -> None:
    body, topic = b"a body of its own", line.path.intern(b"t")
    gc.collect()  # else what earlier tests have left goes meanwhile, and its references to None
    before = [sys.getrefcount(one) for one in (body, topic, topic.head, None)]

    for _ in range(1000):
        line.path.append(body, b"t")
        coded = collected(line.path, (body, b"t"), (body, None))
        coded.append()
        collected(line.path, (body, b"t"), (body, b"not known"))
    del coded

    gc.collect()
    after = [sys.getrefcount(one) for one in (body, topic, topic.head, None)]
    changes = [one - two for one, two in zip(after, before, strict=True)]
    assert all(abs(one) < 500 for one in changes), changes  # what is kept is kept each time


@needs_compiled_verbs
@pytest.mark.parametrize("name", ["publish", "send", "send_multipart"])
@pytest.mark.parametrize("kind", [Publisher, Batch])
def test_verbs_look_as_ever(kind: type, name: str) -> None:
    compiled: Any = Publisher if kind is Publisher else _compile(Batch)
    verb = getattr(compiled, name)
    twin, method = verb.__wrapped__, verb.__get__(compiled.__new__(compiled))

    assert type(verb).__name__ == "Verb"
    assert inspect.isroutine(verb)
    assert inspect.signature(verb) == inspect.signature(twin)
    assert "self" in inspect.signature(verb).parameters
    assert "self" not in inspect.signature(method).parameters
    for same in ("__doc__", "__name__", "__qualname__", "__module__"):
        assert getattr(verb, same) == getattr(method, same) == getattr(twin, same)


def test_what_is_derived_has_its_own_verbs() -> None:
    said: list[bytes] = []

    class Loud(Publisher):
        __slots__ = ()

        def publish(self, topic: Any, payload: Any, *more: Any, **named: Any) -> int:
            said.append(topic)
            return super().publish(topic, payload, *more, **named)

    with Loud(workers=1, log_bytes="1M") as loud:
        sent = [loud.send_multipart([b"t", b"x"]), loud.publish(b"u", b"x"), loud.send(b"x")]

    assert (said, sent) == ([b"t", b"u"], [0, 1, 2])


@pytest.mark.parametrize("is_compiled", [True, False])
@pytest.mark.parametrize("numbered", [True, False])
def test_which_path_it_is(
    is_compiled: bool, numbered: bool, monkeypatch: pytest.MonkeyPatch, line: Line
) -> None:
    monkeypatch.setattr("fanout.send.making.is_compiled", lambda: is_compiled)

    given: Any = (line.segment, line.path.bells, line.path.room, line.path._interest, 16)
    path = make_path(*given, numbered=numbered, kept=())

    assert path.is_compiled == is_compiled
    assert isinstance(path, NumberedPath if numbered else SendPath)
