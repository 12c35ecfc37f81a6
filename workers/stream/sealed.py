"""Sealed members: those whose streams go out in boxes or records, as the pump sees them. Pure.

To seal what one member gets takes as long as to send it to fifty others. So it is never done in a
round: there a sealed member takes nothing, and goes on by itself when the others have had their
turn, for as much as one may have in a turn. Between two turns it has not been let do anything; its
socket may have room all the same, and so it is runnable.
"""

from __future__ import annotations

from typing import Protocol


class Sealed(Protocol):
    """What sends something else in place of what it is handed, which takes time: so it is let.

    Attributes:
        more: whether it has more to do for which it was not let.
        wire_bytes: bytes that the socket has taken.
        kept_from: a message below which it keeps nothing, None = it keeps nothing of any; set by
            the pump.
    """

    more: bool
    wire_bytes: int
    kept_from: int | None

    @property
    def kept_bytes(self) -> int:
        """Of the wire, for what was reported as done, that the socket has not taken; bounded.

        As long as there are any, the member is blocked, whatever there is for it.
        """

    def __call__(self, data: bytes | memoryview, /) -> int:
        """As `send` of a socket; BlockingIOError = also if it was not let."""

    def let(self) -> None:
        """It may do so much as one member may in a turn."""

    def flush(self) -> bool:
        """Send what it keeps; returns whether that is nothing any more. OSError = it is dead."""

    def stop(self) -> None:
        """It may do no more until it is let again."""

    def finish(self) -> None:
        """Say that nothing more will come, if it can be said, and the socket takes it."""
