"""What the compiled part is handed that is wrong: an error, and never a crash."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from fanout.send.topics import NOT_INTERNED
from fanout.shm.layout import PAGE, Layout
from fanout.shm.log import NO_SPACE
from fanout.zmtp.frames import encode_message
from tests.helpers.built import needs_compiled, path_type
from tests.helpers.waiting import DEADLINE_S
from tests.unit.send.line import Line, collected

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = needs_compiled


@pytest.fixture
def line() -> Iterator[Line]:
    with Line(make_path=path_type("compiled")) as line:
        line.path.intern(b"t")
        line.path.make_room(1, 1)
        yield line


def test_it_can_share_no_wrong_memory(line: Line) -> None:
    """A mistake of ours is an error, not a crash; so below."""
    from fanout import _speed

    log: Any = _speed.Log()
    words = line.segment.words
    right = {
        "head": words[0:1], "poison": words[1:2], "sleepers": words[2:3], "ends": words[8:16],
        "topics": words[16:24], "last": words[30:31], "data": words[24:30],
    }  # fmt: skip
    unaligned = memoryview(bytearray(64))[1:]
    for name, value, error, text in (
        ("ends", words[8:15], ValueError, "2\\*\\*n"),
        ("ends", words[8:12], ValueError, "two words for each"),
        ("data", words[:0], ValueError, "aligned"),
        ("head", unaligned, ValueError, "aligned"),
        ("last", b"read only", BufferError, "writable"),
        ("topics", None, TypeError, "bytes-like"),
    ):
        with pytest.raises(error, match=text):
            log.share(*{**right, name: value}.values())
    with pytest.raises(TypeError, match="seven areas"):
        log.share(*list(right.values())[:-1])


def test_it_can_be_handed_nothing_wrong(line: Line) -> None:
    from fanout import _speed

    log: Any = _speed.Log()
    path: Any = _speed.Path()
    words = line.segment.words
    given: tuple[Any, ...] = (log, None, [], 1, b"", words[:1], words[:1], 1, int, int)
    with pytest.raises(TypeError, match="shares memory"):
        path.share(*given)
    for index in (0, 2, 3, 4, 5, 6, 7, 8, 9):
        with pytest.raises(TypeError):
            path.share(*given[:index], None, *given[index + 1 :])
    assert path.collect() == []
    with pytest.raises(TypeError, match="a body and a subject"):
        path.append(b"body")
    with pytest.raises(AttributeError):
        path.append(b"body", b"subject")  # it has no twin
    with pytest.raises(TypeError, match="what collect"):
        log.append_coded([b"abcd"])
    with pytest.raises(TypeError, match="what collect"):
        log.append_coded(collected(line.path, (b"body", b"t")))  # it shares no memory


def test_a_batch_can_be_handed_nothing_wrong(line: Line) -> None:
    coded: Any = line.path.collect()
    for pair in ((), (b"body",), (b"body", b"t", b"more"), [b"body", b"t"], None):
        with pytest.raises(TypeError, match="a body and a subject"):
            coded += pair
    coded += b"body", b"t"
    coded.topics[:] = coded.bodies[:] = [None]  # what was asked for is its own no more
    coded += b"single", None
    assert [topic.name for topic in coded.topics] == [b"t", b""]
    coded.append()
    assert line.written() == [encode_message([b"t", b"body"]), encode_message([b"single"])]


@pytest.mark.parametrize("limits", [(22, 100), (1 << 20, 2)], ids=["bytes", "messages"])
def test_a_batch_that_is_too_large_becomes_a_list(line: Line, limits: tuple[int, int]) -> None:
    """It is refused at its end, by who looks at lists."""
    line.path.limit_batches(*limits)
    pairs: list[tuple[bytes, Any]] = [(b"12345", b"t"), (b"1234567", b"t"), (b"9", None)]

    assert type(collected(line.path, *pairs[:2])).__name__ == "Coded"
    messages = collected(line.path, *pairs)

    topic = line.path.intern(b"t")
    wires = [encode_message([b"t", body]) for body, _ in pairs[:2]]
    assert messages == [wires[0], topic, wires[1], topic, b"9", None]


def test_messages_of_a_batch_have_the_ids_of_their_own_topics(line: Line) -> None:
    names = [b"t", b"u", b"t", b"t", b"u", b"u"]
    ids = {name: line.path.intern(name).id for name in (b"t", b"u")}
    collected(line.path, *((b"body", name) for name in names)).append()

    assert line.reader.topic_ids(0, len(names)) == [ids[name] for name in names]


def test_a_topic_whose_id_is_no_number_is_looked_at_in_the_message(line: Line) -> None:
    topic: Any = line.path.intern(b"t")
    for wrong in ("1", None, 1.0):
        topic.id = wrong
        line.path.append(b"one", b"t")
        collected(line.path, (b"of many", b"t")).append()
    del topic.id
    collected(line.path, (b"of many", b"t")).append()

    assert line.reader.topic_ids(0, 7) == [NOT_INTERNED] * 7


def test_verbs_are_made_of_nothing_wrong() -> None:
    from fanout import _speed

    make: Any = _speed.make_verb
    for given in (
        (),
        (int,),
        ("int", "_path", 0, 0, "twin"),
        (int, None, 0, 0, "twin"),
        (int, "_path", "0", 0, "twin"),
    ):
        with pytest.raises(TypeError):
            make(*given)
    with pytest.raises(TypeError, match="not callable"):
        make(int, "_path", 2, 0, "no function")()


def test_a_lock_is_made_whole_or_not_at_all() -> None:
    from fanout import _speed

    kind: Any = _speed.Lock
    word = memoryview(bytearray(8)).cast("Q")
    inner: Any = threading.RLock()
    how = inner.acquire, inner.release, inner._is_owned
    for given in ((), (inner,), (inner, *how, word, "1"), (inner, *how, None, 1)):
        with pytest.raises(TypeError):
            kind.__new__(kind, *given)
    with pytest.raises(ValueError, match="aligned"):
        kind(inner, *how, word[:0], 1)
    for unmade in (_speed.Coded, _speed.Sending, _speed.Verb, kind):
        with pytest.raises(TypeError):
            unmade()


def test_who_does_not_hold_a_lock_cannot_release_it() -> None:
    from fanout import _speed

    word = memoryview(bytearray(8)).cast("Q")
    inner: Any = threading.RLock()
    lock = _speed.Lock(inner, inner.acquire, inner.release, inner._is_owned, word, 3)
    holder = threading.Thread(target=lock.acquire)
    holder.start()
    holder.join(DEADLINE_S)

    with pytest.raises(RuntimeError):
        lock.release()
    assert word[0] == 3


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
        topic = line.path.intern(b"t")
        assert log.append_coded(collected(line.path, (bytes(size), topic))) == NO_SPACE
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
