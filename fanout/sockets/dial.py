"""An endpoint that is connected to, again and again. Pure: time is passed in.

IDLE ──► CONNECTING ──► UP
            │  ▲         │
            ▼  │         ▼
          BACK_OFF ◄─────┘ lost
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from fanout.subscriber.line import CONNECT_TIMEOUT_S

if TYPE_CHECKING:
    from fanout.subscriber.backoff import BackOff
    from fanout.transport.endpoints import Endpoint


class DialState(Enum):
    """Where it stands."""

    IDLE = "idle"
    CONNECTING = "connecting"
    UP = "up"
    BACK_OFF = "back off"


class Dial:
    """Owned by the actor.

    Attributes:
        state: see above.
        endpoint: where it leads to.
    """

    def __init__(self, endpoint: Endpoint, back_off: BackOff) -> None:
        self.state = DialState.IDLE
        self.endpoint = endpoint
        self._back_off = back_off
        self._until: float | None = None

    def is_due(self, now: float) -> bool:
        """Whether it is to be connected now."""
        return self.state is DialState.IDLE or (
            self.state is DialState.BACK_OFF and self._until is not None and now >= self._until
        )

    def connecting(self, now: float) -> None:
        """Somebody connects it from now on."""
        self.state = DialState.CONNECTING
        self._until = now + CONNECT_TIMEOUT_S

    def is_too_late(self, now: float) -> bool:
        """Whether connecting takes too long."""
        return self.state is DialState.CONNECTING and self._until is not None and now >= self._until

    def up(self) -> None:
        """There is a connection; whether it is of use says its handshake."""
        self.state = DialState.UP
        self._until = None

    def of_use(self) -> None:
        """The handshake is done."""
        self._back_off.succeeded()

    def lost(self, now: float) -> None:
        """The connection, or the attempt, has ended."""
        self.state = DialState.BACK_OFF
        self._until = now + self._back_off.failed()

    def next_at(self) -> float | None:
        """When it is to be looked at next; None: not by the clock."""
        return 0.0 if self.state is DialState.IDLE else self._until
