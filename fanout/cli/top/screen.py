"""The live table drawn by rich; importing this without rich (extra `live`) is an `ImportError`.

Texts that come from strangers are printable when they arrive here, and are `Text`: rich reads no
markup in them.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Literal, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fanout.cli.top.columns import COLUMNS, cut, fitting, narrowed
from fanout.cli.top.end_columns import END_COLUMNS, END_DROPPED_FIRST
from fanout.cli.top.headlines import (
    WORKER_TITLES,
    detail_lines,
    headlines,
    help_lines,
    status_line,
    warnings,
    worker_cells,
)
from fanout.cli.units import width_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from fanout.cli.top.columns import Column
    from fanout.cli.top.figures import EndFigures, Frame, SubscriberFigures
    from fanout.cli.top.view import View

WORKERS_SHOWN = 8  # the busiest ones; the others would leave no room for subscribers
ROWS_MIN = 3
_FIXED_LINES = 3 + 1 + 1 + 1 + 1 + 1 + 1  # headlines, warning, gap, titles, gap, titles, status
_GAP = 2


class RichScreen:
    """A screen of its own in a terminal, which is as it was before when it is closed."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False)
        self._live = self._open()

    def rows(self, workers: int) -> int:
        """How many subscribers have room beside so many workers."""
        height: int = self._console.height
        return max(ROWS_MIN, height - _FIXED_LINES - min(workers, WORKERS_SHOWN))

    def draw(
        self,
        frame: Frame,
        view: View,
        selected: SubscriberFigures | EndFigures | str,
        problem: str,
    ) -> None:
        """Show this frame; a terminal that is gone is no reason to fail."""
        width, height = self._console.width, self._console.height
        with suppress(OSError, ValueError):
            self._live.update(picture(frame, view, selected, problem, width, height), refresh=True)

    def suspend(self) -> None:
        """Give the terminal back for a while."""
        with suppress(OSError, ValueError):
            self._live.stop()

    def resume(self) -> None:
        """Take it again."""
        self._live = self._open()

    close = suspend

    def _open(self) -> Live:
        live = Live(
            console=self._console,
            screen=True,
            auto_refresh=False,  # drawn when there is something new
            redirect_stdout=False,
            redirect_stderr=False,
        )
        live.start()
        return live


def picture(
    frame: Frame,
    view: View,
    selected: SubscriberFigures | EndFigures | str,
    problem: str,
    width: int,
    height: int,
) -> RenderableType:
    """All that is on the screen."""
    lines: list[RenderableType] = [
        Text(line, style="bold" if not place else "", no_wrap=True, overflow="ellipsis")
        for place, line in enumerate(headlines(frame.publisher))
    ]
    wrong = [problem.upper()] if problem else warnings(frame.publisher)
    lines.append(Text("; ".join(wrong), style="bold red", no_wrap=True, overflow="ellipsis"))
    lines += [Text(), _workers(frame), Text()]
    room = height - _FIXED_LINES - min(len(frame.workers), WORKERS_SHOWN) + 1  # without its titles
    if view.help:
        lines.append(_lines(help_lines(), room))
    elif view.details:
        details = detail_lines(selected, frame.publisher.now)
        lines.append(_lines(details, room, is_cut=True))
    elif frame.ended is not None:
        lines.append(_ended(frame, view, width))
    else:
        lines.append(_subscribers(frame, view, width))
    status = Text(status_line(frame, view), style="dim", no_wrap=True, overflow="ellipsis")
    return Group(*lines, status)


def _workers(frame: Frame) -> Table:
    table = _grid()
    for title in WORKER_TITLES:
        table.add_column(Text(title, style="dim"), justify="right", no_wrap=True)
    busiest = sorted(frame.workers, key=lambda one: -one.row.load)[:WORKERS_SHOWN]
    for worker in sorted(busiest, key=lambda one: one.row.index):
        table.add_row(*map(Text, worker_cells(worker)))
    return table


def _subscribers(frame: Frame, view: View, width: int) -> Table:
    cells = {
        column.name: [cut(column, column.show(one)) for one in frame.subscribers]
        for column in COLUMNS
    }
    # A title may have an arrow behind it.
    widths = {
        column.name: max(map(width_of, [f"{column.title} *", *cells[column.name]]))
        for column in COLUMNS
    }
    columns = fitting(widths, width, view.sort, _GAP)
    table = _grid()
    for column in columns:
        justify: Literal["left", "right"] = "left" if column.is_text else "right"
        table.add_column(_title(column, view), justify=justify, no_wrap=True)
    for place, one in enumerate(frame.subscribers):
        style = "yellow" if one.statistics.blocked_s else ""
        if one.statistics.id == view.selected:
            style += " reverse"
        row = [Text(cells[column.name][place]) for column in columns]
        table.add_row(*row, style=style.strip())
    return table


def _ended(frame: Frame, view: View, width: int) -> Table:
    now = frame.publisher.now
    ended = frame.ended or ()
    cells = {
        column.name: [cut(column, column.show(one.statistics, now)) for one in ended]
        for column in END_COLUMNS
    }
    widths = {
        column.name: max(map(width_of, [column.title, *cells[column.name]]))
        for column in END_COLUMNS
    }
    columns = narrowed(END_COLUMNS, END_DROPPED_FIRST, widths, width, _GAP)
    table = _grid()
    for column in columns:
        justify: Literal["left", "right"] = "left" if column.is_text else "right"
        table.add_column(Text(column.title, style="bold"), justify=justify, no_wrap=True)
    for place, one in enumerate(ended):
        style = "reverse" if one.statistics.id == view.selected else ""
        table.add_row(*[Text(cells[column.name][place]) for column in columns], style=style)
    return table


def _title(column: Column, view: View) -> Text:
    """The letter that sorts by it underlined, and an arrow if it sorts by it now."""
    title = Text(column.title, style="bold")
    place = column.title.find(column.key)
    title.stylize("underline", place, place + 1)
    if column is view.sort:
        title.append(" ▼" if view.descending else " ▲")
    return title


def _lines(lines: list[str], room: int, *, is_cut: bool = False) -> RenderableType:
    """As many lines as there is room for, in as many columns as that takes.

    Args:
        is_cut: a line that is too long is cut; else it takes another one, and the last are lost.
    """
    table = Table.grid(padding=(0, 4))
    rows = max(1, room)
    parts = [lines[first : first + rows] for first in range(0, len(lines), rows)]
    for place in range(rows):
        cells = [part[place] if place < len(part) else "" for part in parts]
        table.add_row(*(Text(cell, no_wrap=is_cut, overflow="ellipsis") for cell in cells))
    return table


def _grid() -> Table:
    return Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, show_edge=False)
