"""Crowding: more connect at once than wait to be accepted; who comes then waits for a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.coordinator.actions import Tell
from fanout.events import Event, EventKind
from fanout.transport.accept_queue import crowded

if TYPE_CHECKING:
    from fanout.coordinator.actions import Action
    from fanout.coordinator.ledger import Ledger
    from fanout.transport.listener import Listener


def queue_full(listener: Listener, ledger: Ledger) -> list[Action]:
    """Before some are accepted: what to tell if all places are taken; it is counted."""
    text = crowded(listener)
    if not text:
        return []
    ledger.accept_queue_full += 1
    return [Tell(Event(EventKind.ACCEPT_QUEUE_FULL, text))]
