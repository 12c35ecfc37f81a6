"""What the compiled part is handed that is wrong: an error, and never a crash."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from fanout.shm.layout import PAGE, Layout
from fanout.shm.log import NO_SPACE
from tests.helpers.built import needs_compiled, path_type
from tests.helpers.waiting import DEADLINE_S
from tests.unit.send.line import Line

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


def test_it_can_be_handed_nothing_wrong(line: Line) -> None:
    from fanout import _speed

    log: Any = _speed.Log()
    path: Any = _speed.Path()
    words = line.segment.words
    with pytest.raises(TypeError, match="shares memory"):
        path.share(
            log=log,
            table=None,
            headers=[],
            end=b"",
            whole=int,
            gate=words[:1],
            held=words[:1],
            open=1,
            placed=int,
        )
    with pytest.raises(TypeError, match="a body and a subject"):
        path.append(b"body")
    with pytest.raises(AttributeError):
        path.append(b"body", b"subject")  # it has no twin
    with pytest.raises(AttributeError):
        path.append_coded([b"body"])
    with pytest.raises(TypeError, match="what encode"):
        log.append_coded([b"abcd"])
    with pytest.raises(TypeError, match="what encode"):
        log.append_coded(line.path.encode([b"body", b"t"]))  # it shares no memory
    of_line: Any = line.path.log
    for first, places in ((0, 1), (1, 0), (len(words), 1), (1, len(words)), (1, 1 << 63)):
        with pytest.raises(ValueError, match="outside"):
            (log if first == 0 else of_line).keep(first, places)
    assert path.encode([b"body", b"t"]) is None


def test_verbs_are_made_of_nothing_wrong() -> None:
    from fanout import _speed

    for make in (_speed.make_verb, _speed.make_awaited_verb):
        for given in ((), (int,), ("int", 0, "text"), (int, "0", "text")):
            with pytest.raises(TypeError):
                make(*given)
    with pytest.raises(TypeError, match="not callable"):
        _speed.make_awaited_verb(int, 0, "no function")()


def test_a_lock_is_made_whole_or_not_at_all() -> None:
    from fanout import _speed

    kind: Any = _speed.Lock
    word = memoryview(bytearray(8)).cast("Q")
    for given in ((), (threading.RLock(),), (threading.RLock(), word, "1")):
        with pytest.raises(TypeError):
            kind.__new__(kind, *given)
    with pytest.raises(ValueError, match="aligned"):
        kind(threading.RLock(), word[:0], 1)
    for unmade in (_speed.Coded, _speed.Sending, _speed.Verb, kind):
        with pytest.raises(TypeError):
            unmade()


def test_who_does_not_hold_a_lock_cannot_release_it() -> None:
    from fanout import _speed

    word = memoryview(bytearray(8)).cast("Q")
    lock = _speed.Lock(threading.RLock(), word, 3)
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
        assert log.append_coded(line.path.encode([bytes(size), b"t"])) == NO_SPACE
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
