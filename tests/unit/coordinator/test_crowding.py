"""Crowding: a queue that has no place left is told of and counted, one that has some is not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from fanout.coordinator import crowding
from fanout.coordinator.actions import Tell
from fanout.coordinator.ledger import Ledger
from fanout.events import EventKind

if TYPE_CHECKING:
    import pytest

    from fanout.coordinator.actions import Action

LISTENER: Any = SimpleNamespace(socket=None, endpoint="tcp://127.0.0.1:5556")


def test_one_with_a_place_left_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowding, "crowded", lambda _: "")
    ledger = Ledger()

    assert crowding.queue_full(LISTENER, ledger) == []
    assert ledger.accept_queue_full == 0


def test_a_full_one_is_told_of_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowding, "crowded", lambda _: "129 wait")
    ledger, told = Ledger(), list["Action"]()
    for _ in range(2):
        told += crowding.queue_full(LISTENER, ledger)

    assert ledger.accept_queue_full == 2
    assert [one.event.kind for one in told if isinstance(one, Tell)] == [
        EventKind.ACCEPT_QUEUE_FULL
    ] * 2
