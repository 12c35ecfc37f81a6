"""The engine: what is made in order is undone in reverse, whatever fails."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from fanout.engine.engine import Engine
from fanout.errors import BindError, ClosedError, StartupError
from fanout.options import Options
from fanout.shm.doorbell import Doorbell
from fanout.shm.header import Header, PublisherState
from fanout.shm.segment import Segment
from tests.helpers.programs import descendants, descriptors

if TYPE_CHECKING:
    from collections.abc import Iterator


SMALL = Options(name="prices", workers=2, log_bytes=64 * 1024, max_subscribers=8)


@pytest.fixture
def nothing_left() -> Iterator[None]:
    gc.collect()
    before, threads = (descriptors(), descendants()), set(threading.enumerate())
    yield
    gc.collect()
    assert (descriptors(), descendants()) == before
    assert set(threading.enumerate()) <= threads  # one of an earlier test may end meanwhile


STEPS = ["Segment.create", "Doorbell", "Bells", "Interest", "make_path", "Encoder", "Coordinator"]


@pytest.mark.parametrize("kind", [OSError, MemoryError, KeyboardInterrupt])
@pytest.mark.parametrize("step", STEPS)
def test_a_step_of_making_that_fails_undoes_those_before(
    step: str, kind: type[BaseException], nothing_left: None
) -> None:
    error = kind(24, "Too many open files")
    raised, text = kind, "Too many open files"
    if kind is OSError:
        raised, text = StartupError, "raise the limit"
    with (
        mock.patch(f"fanout.engine.engine.{step}", side_effect=error),
        pytest.raises(raised, match=text),
    ):
        Engine(SMALL, None)


def test_the_second_doorbell_that_fails_closes_the_first(nothing_left: None) -> None:
    real = Doorbell
    bells = [real(), OSError(24, "Too many open files")]
    with mock.patch("fanout.shm.bells.Doorbell", side_effect=bells), pytest.raises(StartupError):
        Engine(SMALL, None)


def test_an_endpoint_that_cannot_be_bound_ends_all_of_it(nothing_left: None) -> None:
    engine = Engine(SMALL, None)

    with pytest.raises(BindError):
        engine.start(["tcp://127.0.0.1:*", "tcp://192.0.2.1:1"])

    assert engine.gate.closed
    with pytest.raises(ClosedError):
        engine.gate.check_use()


def test_no_worker_is_started_for_an_endpoint_that_cannot_be_bound(nothing_left: None) -> None:
    engine = Engine(SMALL, None)
    with mock.patch.object(engine._coordinator, "start") as start, pytest.raises(BindError):
        engine.start(["tcp://127.0.0.1:*", "tcp://192.0.2.1:1"])

    start.assert_not_called()


def test_one_that_was_never_started_gives_back_what_it_holds(nothing_left: None) -> None:
    engine = Engine(SMALL, None)

    assert engine.close(0.0) == ()
    assert engine.close(None) == ()


def test_the_memory_goes_with_the_last_reference() -> None:
    """Not with some later collection, which a program with much memory may wait for for long."""
    gc.collect()
    gc.disable()
    try:
        engine = Engine(SMALL, lambda _event: None)
        engine.start(["tcp://127.0.0.1:*"])
        path, segment = weakref.ref(engine.path), weakref.ref(engine._coordinator.segment)
        engine.close(0.0)
        del engine
        assert (path(), segment()) == (None, None)
    finally:
        gc.enable()


def test_its_header_says_where_it_is_in_its_life(monkeypatch: pytest.MonkeyPatch) -> None:
    last: list[int] = []

    def discard(segment: Segment) -> None:
        last.append(Header(segment).state)

    monkeypatch.setattr(Segment, "discard", discard)

    engine = Engine(SMALL, None)
    header = engine._header
    made = header.state, header.workers
    engine.start(["tcp://127.0.0.1:*"])
    serving = header.state
    engine.close(0.0)

    assert made == (PublisherState.STARTING, 2)
    assert serving == PublisherState.SERVING
    assert header.started > 0
    assert header.name == "prices"
    assert last == [PublisherState.ENDED]


def test_what_was_made_is_undone_in_reverse(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory last: whoever has to say something about the end can still write it."""
    undone: list[str] = []
    close = Doorbell.close

    def closed(doorbell: Doorbell) -> None:
        undone.append("doorbell")
        close(doorbell)

    monkeypatch.setattr(Doorbell, "close", closed)
    monkeypatch.setattr(Segment, "discard", lambda _segment: undone.append("discard"))
    monkeypatch.setattr(Segment, "close", lambda _segment: undone.append("memory"))

    with (
        mock.patch("fanout.engine.engine.Coordinator", side_effect=MemoryError),
        pytest.raises(MemoryError),
    ):
        Engine(SMALL, None)

    assert undone == ["doorbell"] * 3 + ["discard", "memory"]
