"""Who gets the next message: one after another, of those that have room."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace
from typing import Any

from fanout.sockets.spreading import Ring


class Peer:
    """Has room for so many messages."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.got: list[int] = []

    @property
    def has_room(self) -> bool:
        return self.room > 0

    def give(self, message: int) -> None:
        self.room -= 1
        self.got.append(message)


def ring_of(*peers: Any) -> Ring:
    ring = Ring()
    for peer in peers:
        ring.join(peer)
    return ring


def spread(ring: Ring, messages: int) -> tuple[list[Any], list[int]]:
    """Who has got some, and what still waits."""
    outbox: Any = SimpleNamespace(waiting=deque(range(messages)))
    given: list[Any] = ring.spread(outbox)
    return given, list(outbox.waiting)


def test_they_take_turns_and_who_is_full_is_passed_over() -> None:
    a, b, c = Peer(10), Peer(1), Peer(10)
    given, waiting = spread(ring_of(a, b, c), 7)
    assert (given, waiting) == ([a, b, c], [])
    assert (a.got, b.got, c.got) == ([0, 3, 5], [1], [2, 4, 6])


def test_what_nobody_has_room_for_waits_in_its_order() -> None:
    a, b = Peer(1), Peer(2)
    ring = ring_of(a, b)
    assert [ring.has_room, len(ring)] == [True, 2]
    given, waiting = spread(ring, 5)
    assert (given, waiting) == ([a, b], [3, 4])
    assert [ring.has_room, ring.next()] == [False, None]
    assert spread(ring, 1) == ([], [0])


def test_the_next_one_goes_on_where_the_last_one_ended() -> None:
    a, b, c = peers = [Peer(10), Peer(10), Peer(10)]
    ring = ring_of(*peers)
    turns: list[Any] = [ring.next() for _ in range(4)]
    assert turns == [a, b, c, a]
    assert spread(ring, 1)[0] == [b]


def test_who_is_gone_gets_nothing_more() -> None:
    a, b = Peer(10), Peer(10)
    ring = ring_of(a, b)
    ring.leave(a)  # type: ignore[arg-type]
    ring.leave(a)  # type: ignore[arg-type]  # again: it may have left while it was let go
    assert len(ring) == 1
    assert spread(ring, 2) == ([b], [])
    assert a.got == []
    assert spread(ring_of(), 2) == ([], [0, 1])
