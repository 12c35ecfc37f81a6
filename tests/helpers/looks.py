"""How many messages of the log are looked through, one by one, for who wants some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.workers.stream.stretches import Stretches

if TYPE_CHECKING:
    from collections.abc import Collection

    import pytest

    from tests.helpers.log import Worker


def counting_looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many were looked through each time that somebody's were counted, or picked."""
    found: list[int] = []
    count, picks = Stretches.count, Stretches.picks

    def counting(self: Stretches, key: Collection[bytes], first: int, stop: int, tail: int) -> Any:
        found.append(stop - first)
        return count(self, key, first, stop, tail)

    def picking(self: Stretches, key: Collection[bytes], first: int, stop: int, tail: int) -> Any:
        found.append(stop - first)
        return picks(self, key, first, stop, tail)

    monkeypatch.setattr(Stretches, "count", counting)
    monkeypatch.setattr(Stretches, "picks", picking)
    return found


def looked_each_time(worker: Worker, looks: list[int], now: int, most: int) -> list[int]:
    """Have who is behind judged as often as it is to be; how much was looked through each time.

    Args:
        looks: of `counting_looks`.
        most: times, or it would go on for ever.
    """
    found = []
    more = True
    while more:
        del looks[:]
        more = worker.pump.enforce(now)
        found.append(sum(looks))
        assert len(found) <= most
    return found
