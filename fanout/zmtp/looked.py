"""What becomes of bytes that are looked at, and left where they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fanout.zmtp.events import SessionEvent


class Looked(NamedTuple):
    """What has become of bytes that were looked at."""

    events: list[SessionEvent]
    used: int  # of the bytes: these were acted upon
    missing: int  # so many more must come before there is a whole frame, at least


class NoRoomError(Exception):
    """There is no room for one more answer."""
