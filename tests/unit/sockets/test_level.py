"""How full a queue is, though nobody says what was taken."""

from __future__ import annotations

from fanout.sockets.level import Level
from fanout.sockets.limits import MESSAGE_COST_BYTES


class Queue:
    """Sizes of what waits."""

    def __init__(self, messages_max: int, bytes_max: int) -> None:
        self.sizes: list[int] = []
        self.looks = 0
        self.level = Level(messages_max, bytes_max, self._recount)

    def _recount(self) -> list[int]:
        self.looks += 1
        return self.sizes.copy()

    def put(self, size: int) -> bool:
        has_room = self.level.reserve(size)
        if has_room:
            self.sizes.append(size)
        return has_room


def test_messages_are_bounded() -> None:
    queue = Queue(3, 1 << 30)
    assert [queue.put(1) for _ in range(4)] == [True, True, True, False]
    assert queue.level.is_full()
    queue.sizes.pop()
    assert queue.put(1)


def test_bytes_are_bounded() -> None:
    queue = Queue(1 << 30, 3 * (100 + MESSAGE_COST_BYTES))
    assert [queue.put(100) for _ in range(4)] == [True, True, True, False]
    assert [queue.put(0) for _ in range(2)] == [False, False]


def test_one_that_is_too_large_may_be_alone() -> None:
    queue = Queue(10, 10)
    assert queue.put(1_000_000)
    assert not queue.put(0)
    queue.sizes.clear()
    assert queue.put(1_000_000)


def test_it_is_counted_once_a_limit_may_be_reached() -> None:
    queue = Queue(1000, 1 << 30)
    for _ in range(1000):
        queue.put(1)
        queue.sizes.clear()
    assert queue.looks == 0
    assert queue.put(1)
    assert queue.looks == 1
    assert not queue.level.is_full()


def test_half_empty() -> None:
    queue = Queue(4, 1 << 30)
    for _ in range(4):
        queue.put(1)
    assert not queue.level.is_half_empty()
    queue.sizes.pop()
    assert not queue.level.is_half_empty()
    queue.sizes.pop()
    assert queue.level.is_half_empty()


def test_what_was_reserved_and_not_put_counts_until_somebody_looks() -> None:
    queue = Queue(1, 1 << 30)
    assert queue.level.reserve(1)
    assert queue.put(1)
