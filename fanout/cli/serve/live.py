"""The live line drawn by rich; importing this without rich (extra `live`) is an `ImportError`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable


class LiveScreen:
    """A `Screen` on a terminal, with colours and a line that follows the width of the window."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False)
        # Drawn when told, not by a timer: an idle publisher must not wake up for its screen.
        # The user's own output is not ours to redirect.
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()
        self._broken = False

    def line(self, text: str) -> None:
        """Prints a line that stays, above the live one."""
        self._attempt(lambda: self._console.print(Text(text), soft_wrap=True))

    def status(self, text: str) -> None:
        """Replaces the live line."""
        shown = Text(text, style="bold", no_wrap=True, overflow="ellipsis")
        self._attempt(lambda: self._live.update(shown, refresh=True))

    def close(self) -> None:
        """Takes the live line away, which would be out of date below the last lines."""
        self._attempt(self._live.stop)

    def _attempt(self, draw: Callable[[], None]) -> None:
        if self._broken:
            return
        try:
            draw()
        except (OSError, ValueError):  # the terminal is gone: publishing goes on without it
            self._broken = True
