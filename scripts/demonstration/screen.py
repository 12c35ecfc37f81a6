"""Shows the table: in place on a terminal, now and then where lines stay."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

REDRAW_TERMINAL_S = 0.25
REDRAW_PLAIN_S = 5.0


class TableScreen:
    """Draws on standard output.

    Attributes:
        redraw_s: seconds between two tables.
    """

    def __init__(self) -> None:
        self._in_place = sys.stdout.isatty()
        self._drawn = 0  # lines of the table that is on the terminal now
        self.redraw_s = REDRAW_TERMINAL_S if self._in_place else REDRAW_PLAIN_S

    def say(self, text: str) -> None:
        """Prints a line that stays."""
        print(text, flush=True)
        self._drawn = 0

    def table(self, lines: Sequence[str]) -> None:
        """Shows a table, in place of the one before on a terminal."""
        if not self._in_place:
            print("\n".join(lines), flush=True)
            return
        width = shutil.get_terminal_size().columns - 1  # a line that wraps would shift the others
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        print(up + "".join(f"\x1b[K{line[:width]}\n" for line in lines), end="", flush=True)
        self._drawn = len(lines)
