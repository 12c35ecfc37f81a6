"""Crowding: more connect at once than wait to be accepted; who comes then waits for a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.coordinator.actions import Tell
from fanout.events import Event, EventKind
from fanout.transport.accept_queue import accept_queue

if TYPE_CHECKING:
    from fanout.coordinator.actions import Action
    from fanout.coordinator.ledger import Ledger
    from fanout.transport.listener import Listener


def queue_full(listener: Listener, ledger: Ledger) -> list[Action]:
    """Before some are accepted: what to tell if all places of the queue are taken; it is counted.

    Nobody is told of by the kernel whom it has not answered, so this is asked each time, which is
    one system call for up to 64 connections.
    """
    queue = accept_queue(listener.socket)
    if queue is None or not queue.is_full:
        return []
    ledger.accept_queue_full += 1
    text = (
        f"{queue.length:,} connections wait to be accepted at {listener.endpoint}, which is all "
        "that may (backlog, net.core.somaxconn): who connects now waits for a second, or longer"
    )
    return [Tell(Event(EventKind.ACCEPT_QUEUE_FULL, text))]
