"""Which session a peer gets: by the protocol that its listener speaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from fanout.zmtp import Session, SessionLimits

SessionMaker: TypeAlias = Callable[[SessionLimits], Session]

SESSIONS: dict[str, SessionMaker] = {"zmtp": Session}
