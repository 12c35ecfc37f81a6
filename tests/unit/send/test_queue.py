"""Tasks that wait for room: in their order, none before another, and none sent in part."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from fanout.errors import Again
from fanout.send import queue as queues
from fanout.send.attempt import NO_SPACE, Attempt, attempt_message
from fanout.send.queue import SendQueue
from fanout.shm.credit import FREE, USED_UP, Credit
from fanout.shm.worker_slot import NO_TAIL
from fanout.statistics import InTheWay
from tests.faults.subject import every_step, raiser
from tests.helpers.interrupting import Steps, contained, untraced
from tests.helpers.waiting import DEADLINE_S
from tests.unit.send.line import Line

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

SIZE = 1_000


@pytest.fixture
def line() -> Iterator[Line]:
    with Line() as line:
        yield line


def run(main: Coroutine[None, None, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await main

    asyncio.run(limited())


def message(line: Line, letter: bytes) -> Attempt:
    return attempt_message(line.path, letter * SIZE, line.path.intern(b"t"))


def fill(line: Line) -> None:
    """Until the log is full of what the worker has not read."""
    line.read_up_to(0)
    topic = line.path.intern(b"t")
    while line.path.append(b"-" * SIZE, topic) != NO_SPACE or line.path.make_room(SIZE):
        pass


def letters(line: Line, since: int) -> bytes:
    reader = line.reader
    return b"".join(wire[:1] for wire in reader.pieces(since, reader.head()))


def test_with_room_nobody_waits(line: Line) -> None:
    queue = SendQueue(line.path, lambda: None)
    sending = queue.send(message(line, b"a"), None)

    with pytest.raises(StopIteration) as ended:
        sending.send(None)

    assert ended.value.value == 0
    assert queue.append(b"b" * SIZE, line.path.intern(b"t")) == 1
    assert letters(line, 0) == b"ab"


def test_a_worker_that_is_still_to_look_is_given_a_moment_to(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        monkeypatch.setattr(queues, "LOOK", DEADLINE_S)
        queue = SendQueue(line.path, lambda: None)
        line.allow(Credit(1))
        line.path.make_room(SIZE)  # it has heard of that
        assert await queue.send(message(line, b"a"), 0) == 0
        sending = asyncio.create_task(queue.send(message(line, b"b"), 0))
        await asyncio.sleep(0)
        line.allow(FREE)
        assert await sending == 1
        line.allow(USED_UP)
        line.path.make_room(SIZE)
        monkeypatch.setattr(queues, "LOOK", 0.0)
        with pytest.raises(Again):
            await queue.send(message(line, b"c"), 0)

    run(main())
    assert letters(line, 0) == b"ab"


def test_who_waits_is_served_in_order_and_nobody_goes_before(line: Line) -> None:
    async def main() -> None:
        queue = SendQueue(line.path, lambda: None)
        tasks = [asyncio.create_task(queue.send(message(line, one), None)) for one in (b"a", b"b")]
        await asyncio.sleep(0)
        line.read_up_to(NO_TAIL)
        assert line.path.make_room(SIZE)

        topic = line.path.intern(b"t")
        assert queue.append(b"?" * SIZE, topic) == NO_SPACE, "there is room, but others wait"
        last = await queue.send(message(line, b"c"), None)

        assert await asyncio.gather(*tasks) == [last - 2, last - 1]
        assert letters(line, last - 2) == b"abc"
        assert queue.append(b"d" * SIZE, topic) == last + 1, "nobody waits any more"

    fill(line)
    run(main())


def test_who_gives_up_is_told_for_whom_it_waited(line: Line) -> None:
    async def main() -> None:
        queue = SendQueue(line.path, lambda: InTheWay(7, "peer:1", "desk7"))
        with pytest.raises(Again, match=r"within 0 s: subscriber 7 \(desk7, peer:1\)") as caught:
            await queue.send(message(line, b"b"), 0)
        assert caught.value.subscriber == 7

    fill(line)
    run(main())


def test_who_gives_up_has_sent_nothing_and_holds_nobody_up(line: Line) -> None:
    async def main() -> None:
        queue = SendQueue(line.path, lambda: None)
        cancelled = asyncio.create_task(queue.send(message(line, b"a"), None))
        await asyncio.sleep(0)
        with pytest.raises(Again, match="within 0 s: a subscriber that may block"):
            await queue.send(message(line, b"b"), 0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled

        line.read_up_to(NO_TAIL)
        assert line.path.make_room(SIZE)
        head = line.reader.head()
        assert queue.append(b"c" * SIZE, line.path.intern(b"t")) == head
        assert letters(line, head) == b"c"

    fill(line)
    run(main())


class Told:
    """A publisher, for what it is told of those that wait."""

    last = False

    def tell(self, waits: bool) -> None:
        self.last = waits


@pytest.mark.unmeasured
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize("opcodes", [False, True], ids=["lines", "instructions"])
def test_interrupted_anywhere_nobody_is_left_that_seems_to_wait(line: Line, opcodes: bool) -> None:
    """Else each later message would go the long way of those that wait, for good."""
    told = Told()

    async def cut(queue: SendQueue, steps: Steps) -> None:
        # An interrupted call of its own, on which the loop does not end.
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        with suppress(Again, MemoryError), steps:
            await queue.send(message(line, b"a"), 0)

    async def next_one(queue: SendQueue) -> None:
        assert not queue.waits
        line.read_up_to(NO_TAIL)
        assert line.path.make_room(SIZE)
        head = line.reader.head()
        assert await queue.send(message(line, b"b"), None) == head
        assert queue.append(b"c" * SIZE, line.path.intern(b"t")) == head + 1
        assert not told.last, "the publisher sends by the long way"

    def at(number: int) -> Steps:
        queue = SendQueue(line.path, lambda: None, told.tell)
        fill(line)
        steps = Steps(number, raiser(MemoryError), opcodes=opcodes)
        list(contained(lambda: run(cut(queue, steps))))
        run(next_one(queue))
        return steps

    with untraced():
        every_step(at)
