"""The table as text, for `--once`: nothing but the standard library. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.cli.top.columns import COLUMNS, cut
from fanout.cli.top.end_columns import END_COLUMNS
from fanout.cli.top.headlines import WORKER_TITLES, headlines, warnings, worker_cells
from fanout.cli.units import width_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fanout.cli.top.figures import Frame

GAP = "  "


def lines_of(frame: Frame) -> Iterator[str]:
    """The whole table, line by line, each without its newline."""
    yield from headlines(frame.publisher)
    yield from warnings(frame.publisher)
    yield ""
    cells = [worker_cells(worker) for worker in frame.workers]
    yield from _table(WORKER_TITLES, cells, (False,) * len(WORKER_TITLES))
    yield ""
    yield from _subscribers(frame) if frame.ended is None else _ended(frame)
    hidden = len(frame.order) - len(frame.shown)
    if hidden > 0:
        yield f"and {hidden:,} more"


def _subscribers(frame: Frame) -> Iterator[str]:
    titles = [column.title for column in COLUMNS]
    rows = [[cut(column, column.show(one)) for column in COLUMNS] for one in frame.subscribers]
    return _table(titles, rows, [column.is_text for column in COLUMNS])


def _ended(frame: Frame) -> Iterator[str]:
    now = frame.publisher.now
    titles = [column.title for column in END_COLUMNS]
    rows = [
        [cut(column, column.show(one.statistics, now)) for column in END_COLUMNS]
        for one in frame.ended or ()
    ]
    return _table(titles, rows, [column.is_text for column in END_COLUMNS])


def _table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], is_left: Sequence[bool]
) -> Iterator[str]:
    lines = [titles, *rows]
    widths = [max(map(width_of, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [
            cell + " " * (width - width_of(cell)) if left else " " * (width - width_of(cell)) + cell
            for cell, width, left in zip(line, widths, is_left, strict=True)
        ]
        yield GAP.join(cells).rstrip()
