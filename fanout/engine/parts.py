"""What an engine does without referring to it: its end, and to have more workers.

A finalizer or a workforce that referred to the engine would keep it for ever.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from fanout.send.gate import CLOSED, Gate
from fanout.shm.header import Header, PublisherState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.send.path import SendPath
    from fanout.shm.bells import Bell, Bells


class Serving(Protocol):
    """The coordinator."""

    def close(self, timeout: float, spread: float) -> bool:
        """End all that serves; returns whether it has ended."""
        ...

    def enlarge(self, bells: Sequence[Bell]) -> None:
        """There may be more workers from now on."""
        ...


class Taking(Protocol):
    """What takes messages of producers, or questions."""

    def close(self, timeout: float) -> None:
        """Publish, or answer, what is there, and end."""
        ...


def end(
    gate: Gate,
    header: Header,
    coordinator: Serving,
    ingress: Taking,
    desks: Taking,
    timeout: float,
    spread: float = 0.0,
) -> bool:
    """Publish what producers have sent, end what answers, refuse further sends, end the rest.

    Who answers reads the memory that the coordinator gives back at its end.

    No method: that would keep the engine.
    """
    until = time.monotonic() + timeout
    ingress.close(timeout)
    desks.close(max(0.0, until - time.monotonic()))
    timeout = min(timeout, max(0.0, until - time.monotonic()))  # infinity stays
    if gate.shut(CLOSED):
        header.state = PublisherState.ENDING
    return coordinator.close(timeout, spread)


def enlarge(
    bells: Bells, coordinator: Serving, path: SendPath, header: Header, workers: int
) -> None:
    """Make so many workers possible: each has a bell and a slot, which is looked at.

    In this order, since a slot must hold nothing back before anybody looks at it. Whatever is
    raised, it can be done again.
    """
    bells.enlarge(workers)
    coordinator.enlarge(bells.all)
    path.enlarge(bells.all)
    header.workers = len(bells.all)
