"""Publishers over a line: their verbs and their batches, with nobody behind them."""

from __future__ import annotations

import weakref
from threading import get_ident
from typing import TYPE_CHECKING, Any, cast

import fanout.asyncio
from fanout import Publisher
from fanout.send.batch import Batch
from fanout.send.making import batch_type
from fanout.send.own_batches import BatchRules, OwnBatches
from fanout.send.waiting import Waiter
from fanout.send.wire import Encoder

if TYPE_CHECKING:
    from fanout.engine.engine import Engine
    from fanout.send.attempt import Attempt
    from tests.unit.send.line import Line

COUNT_LIMIT = 16  # messages of a batch


class LineEngine:
    """What verbs need of an engine, for a line; nothing waits for room.

    Args:
        numbered: whether the path of the line is.
    """

    def __init__(self, line: Line, *, numbered: bool = False) -> None:
        self.path = path = line.path
        self.gate = path.gate
        limit = line.segment.layout.data_bytes // 4
        self.encoder = Encoder(path.topics, path.intern, limit, in_pieces=True, numbered=numbered)
        whole = Encoder(path.topics, path.intern, None, in_pieces=False, numbered=numbered)
        self.batches = BatchRules(path, whole, limit, COUNT_LIMIT)

    def in_the_way(self) -> None:
        """Nobody is."""

    is_unclosed = False  # it needs no end


class Hasty(Waiter):
    """It waits for nothing: without room it returns NO_SPACE."""

    def send(self, attempt: Attempt, timeout: float | None) -> int:
        return attempt.append()


def blocking_face(engine: LineEngine) -> Publisher:
    face = Publisher.__new__(Publisher)
    face._engine = cast("Engine", engine)
    face._path = engine.path
    face._waiter = Hasty(engine.path, engine.in_the_way)
    given = batch_type(Batch, engine.path), engine.batches, face._waiter.send
    face._own = OwnBatches(weakref.ref(face), engine.path, get_ident, *given)
    face._own.has_collected = True  # as if nobody awaited what a batch is given: no first look
    return face


def awaited_face(engine: LineEngine) -> fanout.asyncio.Publisher:
    face = fanout.asyncio.Publisher()
    face._use(cast("Engine", engine))
    return face


def result_of(awaitable: Any) -> Any:
    """What it returns without having waited for anything."""
    try:
        awaitable.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("it waits")
