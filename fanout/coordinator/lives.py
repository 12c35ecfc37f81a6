"""Lives: what supervision knows of each worker, and what a look at one shows. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from fanout.shm.worker_slot import WorkerState


class Sight(NamedTuple):
    """What a look at a worker shows."""

    heartbeat: int  # a word that it changes as long as it lives
    has_hung_up: bool  # its end of the control channel is closed


@dataclass(slots=True)
class Life:
    """One worker, from process to process."""

    index: int
    state: WorkerState = WorkerState.STARTING
    restarts: int = 0
    failures: int = 0  # in a row
    ready_since: float = 0.0
    start_at: float = 0.0  # when WAITING: the time to start it again
    has_process: bool = False
    heartbeat: int = 0  # at the last look
    silent_for: float = 0.0  # witnessed seconds without a sign of life, or of starting
    hung_up_for: float | None = None  # witnessed seconds since its channel was seen closed
    condemned: str = ""  # why its process was killed, if it was
    overstays_for: float = 0.0  # witnessed seconds since it was killed for not finishing in time
    is_left: bool = False  # its process could not be killed, and may still run
    is_held: bool = False  # what it left behind is being cleared: nobody may take its place yet
