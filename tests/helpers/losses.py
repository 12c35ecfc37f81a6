"""Losses that need no log: nobody was owed anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.coordinator.lost import NOTHING_LATER, Loss, Losses, Unreported

if TYPE_CHECKING:
    from collections.abc import Generator

    from fanout.coordinator.roster import Accepted


class NoLosses(Losses):
    """Nobody is owed anything: there is no log."""

    def __init__(self) -> None:
        pass

    def begin(self) -> Loss:
        return NoLoss()


class NoLoss(Loss):
    """The same of one worker."""

    def __init__(self) -> None:
        pass

    def since_checkpoint(self, connection: Accepted) -> Generator[None, None, Unreported]:
        del connection
        yield
        return NOTHING_LATER
