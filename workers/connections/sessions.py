"""Which session a peer gets: by the protocol that its listener speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.zmtp import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.zmtp import SessionLimits

SESSIONS: dict[str, Callable[[SessionLimits], Session]] = {"zmtp": Session}
