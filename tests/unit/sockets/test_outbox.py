"""What is to be sent: who waits for room hears of it, and it costs little to know."""

from __future__ import annotations

import pytest

from fanout.sockets.limits import Limits
from fanout.sockets.outbox import Outbox
from fanout.sockets.peer import Outgoing


@pytest.mark.parametrize("count", [10, 1000, 10_000])
def test_who_waits_hears_of_room_when_half_is_gone(count: int) -> None:
    outbox = Outbox(Limits(outbox_messages=count))
    for _ in range(count):
        outbox.put(Outgoing(b"x"))
    while not outbox.has_room_again():
        outbox.waiting.popleft()
    assert count * 0.4 < len(outbox.waiting) <= count / 2
    outbox.put(Outgoing(b"x"))


@pytest.mark.unmeasured
def test_a_long_queue_is_not_counted_in_each_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox, looks = Outbox(Limits(outbox_messages=100_000)), list[int]()
    for _ in range(100_000):
        outbox.put(Outgoing(b"x"))
    counted = outbox._level._recount

    def count() -> list[int]:
        looks.append(len(sizes := counted()))
        return sizes

    monkeypatch.setattr(outbox._level, "_recount", count)
    while not outbox.has_room_again():
        outbox.waiting.popleft()
    assert 0 < len(looks) < 100
