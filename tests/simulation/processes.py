"""Processes and subscribers of the simulated coordinator, and what the model knows of them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanout.control.messages import Message
    from fanout.coordinator.roster import Accepted
    from fanout.shm.stream_record import Kind


@dataclass(eq=False, slots=True)
class Process:
    """A process that a worker has, and all that is true of it."""

    worker: int
    serves_at: float | None  # when it says that it serves; None = never
    started_at: float
    served_since: float | None = None
    is_alive: bool = True
    is_beating: bool = True
    is_standing: bool = False  # it gives signs of life, and does not get on with what waits for it
    is_stopped: bool = False  # by somebody
    seen_stopped: bool = False  # when it was looked at last
    code: int | None = None  # that it ended with, unless we have killed it
    was_condemned: bool = False
    has_hung_up: bool = False
    talked_nonsense: bool = False
    silent_for: float = 0.0  # witnessed
    stands_for: float = 0.0  # witnessed
    aborted_for: float | None = None  # witnessed
    starting_for: float = 0.0  # witnessed
    hung_up_for: float | None = None  # witnessed, since it was seen
    said: deque[Message] = field(default_factory=deque)  # and not read yet
    asked: list[int] = field(default_factory=list)  # and not answered yet
    connections: dict[int, Peer] = field(default_factory=dict)
    told: dict[int, set[bytes]] = field(default_factory=dict)  # what those want who are to come
    resuming: list[Peer] = field(default_factory=list)  # that it is to go on with
    releasing: list[Peer] = field(default_factory=list)  # that it is to give up


@dataclass(eq=False, slots=True)
class Peer:
    """A subscriber."""

    connection: Accepted
    descriptor: int
    is_ready: bool = False  # as its worker knows it
    wants: set[bytes] = field(default_factory=set)  # as its worker knows it
    was_connected: bool = False  # as the coordinator has read it
    told_wants: set[bytes] = field(default_factory=set)  # as the coordinator has read it
    kind: Kind | None = None  # of its record
    needed: int = 0  # the message from which on it needs the log by that


class Flag:
    """What one who asks waits for."""

    def __init__(self) -> None:
        self.times = 0

    def set(self) -> None:
        self.times += 1
