"""The thread that reads producers, without one: what counts as a step of its end."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from fanout.ingress.loop import Loop
from fanout.ingress.sources import Piece
from fanout.send.attempt import NO_SPACE, Prepared
from fanout.shm.doorbell import Doorbell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.ingress.portions import Portions

GONE = cast("Any", SimpleNamespace(is_open=False))


class FullPath:
    """A send path that has no room until it was waited for so often."""

    def __init__(self, waits: int) -> None:
        self.room = Doorbell()
        self.waits = waits

    def make_room(self, _needed_bytes: int, _count: int) -> bool:
        return False

    def append(self) -> int:
        return NO_SPACE if self.waits else 0

    def wait_for_room(self, _timeout: float) -> None:
        self.waits -= 1


@pytest.fixture
def path() -> Iterator[FullPath]:
    path = FullPath(3)
    yield path
    path.room.close()


@pytest.fixture
def loop(path: FullPath) -> Iterator[Loop]:
    portions = SimpleNamespace(path=path, terms=None, message_limit=0)
    loop = Loop(cast("Portions", portions), lambda _event: None, lambda _error: None)
    yield loop
    loop._end()


def test_each_read_is_a_step(loop: Loop) -> None:
    loop._read_rest([GONE] * 4, math.inf)

    assert loop.steps == 4


def test_so_is_each_look_for_room(loop: Loop, path: FullPath) -> None:
    source = SimpleNamespace(messages=0, bytes=0)
    connection = SimpleNamespace(source=source, messages=0, bytes=0, is_open=True)
    loop._waiting.append(Piece(cast("Any", connection), Prepared(path.append, 1, 1)))
    loop._waiting_until(math.inf)

    assert path.waits == 0
    assert loop.steps == 4
