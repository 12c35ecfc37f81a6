"""Sealed members: those whose streams go out in boxes, as the pump sees them. Pure.

To seal what one member gets takes as long as to send it to fifty others. So it is never done in a
round: there a sealed member takes nothing, and goes on by itself when the others have had their
turn, for as much as one may have in a turn. Between two turns it has not been let do anything; its
socket may have room all the same, and so it is runnable.
"""

from __future__ import annotations

from typing import Protocol


class Sealed(Protocol):
    """What sends boxes in place of what it is handed, which takes time: so it is let do so.

    Attributes:
        more: whether it has more to do for which it was not let.
        wire_bytes: bytes that the socket has taken.
    """

    more: bool
    wire_bytes: int

    def __call__(self, data: bytes | memoryview, /) -> int:
        """As `send` of a socket; BlockingIOError = also if it was not let."""

    def let(self) -> None:
        """It may do so much as one member may in a turn."""

    def stop(self) -> None:
        """It may do no more until it is let again."""
