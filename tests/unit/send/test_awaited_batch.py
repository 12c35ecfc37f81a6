"""A batch of asyncio: committed at once where nobody waits, and behind those that do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from fanout.send.attempt import NO_SPACE
from fanout.shm.worker_slot import NO_TAIL
from tests.helpers.built import BOTH, path_type
from tests.helpers.waiting import DEADLINE_S
from tests.unit.send.faces import LineEngine, awaited_face
from tests.unit.send.line import Line

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    import fanout.asyncio

SIZE = 1_000


@pytest.fixture(params=BOTH)
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    with Line(make_path=path_type(request.param)) as line:
        line.path.intern(b"t")
        line.path.make_room(1, 1)
        yield line


@pytest.fixture
def publisher(line: Line) -> fanout.asyncio.Publisher:
    return awaited_face(LineEngine(line))


def run(main: Coroutine[None, None, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await main

    asyncio.run(limited())


def fill(line: Line) -> int:
    """Until the log is full of what the worker has not read; returns how many that are."""
    line.read_up_to(0)
    while line.path.append(b"-" * SIZE, b"t") != NO_SPACE or line.path.make_room(SIZE):
        pass
    return line.reader.head()


def test_with_room_its_end_does_not_suspend(publisher: fanout.asyncio.Publisher) -> None:
    async def main() -> None:
        async with publisher.batch() as batch:
            batch.publish(b"t", b"1")
            batch.publish(b"t", b"2")
        assert (batch.sequence, len(batch)) == (0, 2)
        async with publisher.batch() as empty:
            pass
        assert (empty.sequence, len(empty)) == (None, 0)

    with pytest.raises(StopIteration):
        main().send(None)


def test_without_room_it_waits(line: Line, publisher: fanout.asyncio.Publisher) -> None:
    async def one() -> int | None:
        async with publisher.batch() as batch:
            batch.publish(b"t", bytes(SIZE))
        return batch.sequence

    async def main() -> None:
        waiting = asyncio.create_task(one())
        await asyncio.sleep(0)
        assert not waiting.done()
        line.read_up_to(NO_TAIL)
        line.path.make_room(1, 1)
        assert await waiting == filled

    filled = fill(line)
    run(main())


def test_it_goes_before_nobody_who_waits(line: Line, publisher: fanout.asyncio.Publisher) -> None:
    """Though its block began before, and there is room when it ends."""

    async def main() -> None:
        async with publisher.batch() as batch:
            batch.publish(b"t", b"last")
            waiting = asyncio.create_task(publisher.publish(b"t", bytes(SIZE)))
            await asyncio.sleep(0)
            line.read_up_to(NO_TAIL)
            line.path.make_room(1, 1)
        assert (await waiting, batch.sequence) == (filled, filled + 1)
        assert await publisher.publish(b"t", b"x") == filled + 2

    filled = fill(line)
    run(main())


def test_tasks_have_their_own(publisher: fanout.asyncio.Publisher) -> None:
    """Who publishes beside the batch of another task is not told."""

    async def other() -> int:
        return await publisher.publish(b"t", b"of another")

    async def main() -> None:
        async with publisher.batch() as batch:
            batch.publish(b"t", b"1")
            assert await asyncio.create_task(other()) == 0
            with pytest.warns(RuntimeWarning, match="inside of the block"):
                assert await publisher.publish(b"t", b"0") == 1
        assert batch.sequence == 2

    run(main())
