"""The compiled append beside the send lock, other threads and mistakes of ours."""

from __future__ import annotations

import inspect
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from fanout.errors import NestedSendError, PoisonedError
from fanout.send import lock as locks
from fanout.send.batch import Batch
from fanout.send.lock import holds_lock
from fanout.send.making import make_path
from fanout.send.path import SendPath
from fanout.shm.layout import PAGE, Layout
from fanout.shm.log import NO_SPACE
from fanout.zmtp.frames import encode_message, split_message
from tests.helpers.built import needs_compiled, path_type
from tests.unit.send.line import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = needs_compiled

THREADS, EACH = 4, 5_000
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
    usual = asked()
    line.path.append(b"body", line.path.intern(b"t"))

    assert (sequences, usual, asked()) == ([0, 1], 0, 1)


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
        leave.wait(10)
        lock.release()

    holder = threading.Thread(target=hold_it)
    holder.start()
    held.wait(10)
    sent: list[int] = []
    sender = threading.Thread(target=lambda: sent.append(line.path.append(b"late", b"t")))
    sender.start()
    before = (line.path.log.head, list(sent))
    leave.set()
    sender.join(10)
    holder.join(10)

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
                line.path.append(encode_message([b"t", body]), line.path.intern(b"t"))

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
        batch = line.path.encode([bytes(100), b"t"] * 4)
        assert batch is not None

        assert line.path.append_coded(batch) == NO_SPACE
        assert line.written() == before
        assert len(before) == sent > 2


def test_what_is_not_usual_in_a_batch_is_left_to_the_encoder(line: Line) -> None:
    encode = line.path.encode

    assert encode([b"body", b"new"]) is None
    assert encode([b"body", b"t", bytes(1 << 20), b"t"]) is None
    assert encode([b"wire", line.path.intern(b"t")]) is None
    assert encode([]) is None
    assert encode(()) is None
    assert encode([bytearray(b"body"), b"t"]) is None


def test_a_batch_that_does_not_fit_together_is_refused(line: Line) -> None:
    append: Any = line.path.log.append_coded  # type: ignore[attr-defined]
    word = (4).to_bytes(8, sys.byteorder)

    for data, ends, ids in (
        (b"abc", word, word),
        (b"abcd", word + word[::-1], word * 2),
        (b"abcd", word, b""),
        (b"", b"", b""),
        (b"abcd", word[:7], word[:7]),
    ):
        with pytest.raises(ValueError):
            append(data, ends, ids)
    assert line.path.log.head == 0


def test_it_can_be_handed_nothing_wrong(line: Line) -> None:
    """A mistake of ours is an error, not a crash."""
    from fanout import _speed

    log: Any = _speed.Log()
    path: Any = _speed.Path()
    words = line.segment.words
    right = {
        "head": 0, "poison": 1, "sleepers": 2, "ends": 8, "topics": 16, "data": 24,
        "entries": 8, "data_bytes": 64,
    }  # fmt: skip
    for name, value in (
        ("entries", 0),
        ("entries", 7),
        ("data_bytes", 0),
        ("data_bytes", len(words) * 8),
        ("data", len(words)),
        ("ends", len(words) - 4),
        ("head", 1 << 63),
    ):
        with pytest.raises(ValueError, match="outside"):
            log.share(words, **{**right, name: value})
    with pytest.raises(ValueError, match="aligned"):
        log.share(memoryview(bytearray(64))[1:], **right)
    with pytest.raises(BufferError):
        log.share(b"read only", **right)
    with pytest.raises(TypeError, match="shares memory"):
        path.share(log=log, table=None, headers=[], gate=words[:1], held=words[:1], open=1)
    with pytest.raises(TypeError, match="a body and a subject"):
        path.append(b"body")
    with pytest.raises(AttributeError):
        path.append(b"body", b"subject")  # it has no twin
    with pytest.raises(ValueError):
        log.append_coded(b"abcd", (4).to_bytes(8, sys.byteorder), bytes(8))
    assert path.encode([b"body", b"t"]) is None


def test_what_was_not_made_as_it_should_be_is_an_error() -> None:
    from fanout import _speed

    kind: Any = _speed.Lock
    lock, word = kind.__new__(kind), memoryview(bytearray(8)).cast("Q")
    for use in (lock.acquire, lock.release, lock._is_owned):
        with pytest.raises(TypeError, match="without an RLock"):
            use()
    with pytest.raises(ValueError, match="aligned"):
        lock.__init__(threading.RLock(), word[:0], 1)
    made = _speed.Lock(threading.RLock(), word, 1)
    with pytest.raises(TypeError, match="made once"):
        made.__init__(threading.RLock(), word, 2)  # type: ignore[misc]


def test_what_is_larger_than_the_log_is_not_written_whatever_the_limits_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(path_type("compiled"), "append_plainly", lambda *_: NO_SPACE)
    with Line(Layout(PAGE, 16, 1), path_type("compiled")) as line:
        line.path.intern(b"t")
        log: Any = line.path.log
        log._position_limit = log._sequence_limit = 1 << 60
        size = PAGE + 1

        assert line.path.append(bytes(size), b"t") == NO_SPACE
        assert log.append_coded(bytes(size), size.to_bytes(8, sys.byteorder), bytes(8)) == NO_SPACE
        assert log.head == 0


def test_a_lock_that_was_replaced_has_no_say_any_more(line: Line) -> None:
    """Its thread may come back, and release it, while another send holds the new one."""
    send_lock = line.path._lock
    lost = send_lock.current
    lost.acquire()
    send_lock._replace(lost)
    send_lock.current.acquire()

    lost.release()
    held = line.path._held[0]  # type: ignore[attr-defined]
    send_lock.current.release()

    assert (held, line.path._held[0]) == (2, 0)  # type: ignore[attr-defined]


def test_nothing_is_kept_for_each_message(line: Line) -> None:
    body, topic = b"a body of its own", line.path.intern(b"t")
    before = [sys.getrefcount(one) for one in (body, topic, topic.head, None)]

    for _ in range(1000):
        line.path.append(body, b"t")
        coded = line.path.encode([body, b"t", body, None])
        assert coded is not None
        line.path.append_coded(coded)
        line.path.encode([body, b"t", body, b"not known"])
    del coded

    after = [sys.getrefcount(one) for one in (body, topic, topic.head, None)]
    assert all(abs(one - other) < 50 for one, other in zip(before, after, strict=True))


def test_adding_to_a_batch_looks_as_ever() -> None:
    from fanout._speed import Adding

    named = inspect.signature(Adding().publish)
    twin = inspect.signature(Batch.publish.__get__(object()))

    assert [(one.name, one.kind, one.default) for one in named.parameters.values()] == [
        (one.name, one.kind, one.default) for one in twin.parameters.values()
    ]


@pytest.mark.parametrize("is_compiled", [True, False])
@pytest.mark.parametrize("numbered", [True, False])
def test_which_path_it_is(
    is_compiled: bool, numbered: bool, monkeypatch: pytest.MonkeyPatch, line: Line
) -> None:
    monkeypatch.setattr("fanout.send.making.is_compiled", lambda: is_compiled)

    given: Any = (line.segment, line.path.bells, line.path.room, line.path._interest, 16)
    path = make_path(*given, numbered=numbered, kept=())

    assert path.is_compiled == (is_compiled and not numbered)
    assert isinstance(path, SendPath)
