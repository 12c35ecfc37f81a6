"""How the live table is looked at, and what each key changes about it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fanout.cli.top.columns import BY_KEY, COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.cli.top.columns import Column

FILTER_MAX = 200  # characters
INTERVALS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class View:
    """How it is looked at.

    Attributes:
        typing: whether keys go into the filter.
        selected: the id of a subscriber; None = nobody.
        details: whether all figures of the selected one are shown.
        first: place of the first subscriber on the screen.
        ended: whether those that have ended are shown.
        quits: whether that was enough.
    """

    sort: Column
    descending: bool
    filter: str = ""
    typing: bool = False
    selected: int | None = None
    details: bool = False
    help: bool = False
    paused: bool = False
    interval_s: float = 1.0
    first: int = 0
    ended: bool = False
    quits: bool = False


def press(view: View, key: str, ids: Sequence[int], order: Sequence[int]) -> View:
    """The view after a key.

    Args:
        ids: of the subscribers on the screen.
        order: of all that match, in order; while it is paused, those on the screen.
    """
    if view.typing:
        return _typed(view, key)
    if view.ended and (key in BY_KEY or key in _SORTS):
        return view  # they are in the order of their ends
    column = BY_KEY.get(key)
    if column is not None:
        return sorted_by(view, column)
    if key in _MOVES:
        return _moved(view, key, ids, order)
    if key == "enter":
        return replace(view, details=not view.details and view.selected is not None)
    if key == "escape":
        return _back(view)
    if key in ("left", "<", "right", ">"):
        return _beside(view, -1 if key in ("left", "<") else 1)
    if key in ("+", "=", "-"):
        return _paced(view, -1 if key == "-" else 1)
    return _switched(view, key)


def sorted_by(view: View, column: Column) -> View:
    """Sorted by this column; the other way round if it was already."""
    if view.sort is column:
        return replace(view, descending=not view.descending, first=0)
    return replace(view, sort=column, descending=not column.is_text, first=0)


_SORTS = {"left", "<", "right", ">", "r"}  # beside the keys of columns
_MOVES = {"up", "down", "k", "j", "page up", "page down", "home", "end"}


def _switched(view: View, key: str) -> View:
    match key:
        case "q" | "end of input":
            return replace(view, quits=True)
        case " ":
            return replace(view, paused=not view.paused)
        case "r":
            return replace(view, descending=not view.descending, first=0)
        case "/" | "f":
            return replace(view, typing=True)
        case "?" | "h":
            return replace(view, help=not view.help)
        case "c":
            return replace(view, ended=not view.ended, selected=None, details=False, first=0)
    return view


def _typed(view: View, key: str) -> View:
    if key == "enter":
        return replace(view, typing=False)
    if key in ("escape", "end of input"):
        return replace(view, typing=False, filter="", first=0)
    if key == "backspace":
        return replace(view, filter=view.filter[:-1], first=0)
    if key == "clear":
        return replace(view, filter="", first=0)
    if len(key) == 1 and len(view.filter) < FILTER_MAX:
        return replace(view, filter=view.filter + key, first=0)
    return view


def _moved(view: View, key: str, ids: Sequence[int], order: Sequence[int]) -> View:
    if not order or not ids:
        return replace(view, selected=None)
    if view.selected not in order:  # nobody is selected, or it has left: begin on the screen
        at_end = key in ("up", "k", "page up", "end")
        return replace(view, selected=order[-1] if key == "end" else ids[-1 if at_end else 0])
    place = order.index(view.selected)
    page = max(1, len(ids) - 1)
    steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -page, "page down": page}
    place = {"home": 0, "end": len(order) - 1}.get(key, place + steps.get(key, 0))
    return replace(view, selected=order[min(max(place, 0), len(order) - 1)])


def _back(view: View) -> View:
    """Out of what was opened last."""
    if view.help:
        return replace(view, help=False)
    if view.details:
        return replace(view, details=False)
    if view.filter:
        return replace(view, filter="", first=0)
    if view.selected is not None:
        return replace(view, selected=None)
    return replace(view, ended=False, first=0) if view.ended else view


def _beside(view: View, step: int) -> View:
    place = (COLUMNS.index(view.sort) + step) % len(COLUMNS)
    return sorted_by(view, COLUMNS[place])


def _paced(view: View, step: int) -> View:
    """Look more often (1), or less (-1)."""
    if step > 0:
        choices = [one for one in INTERVALS_S if one < view.interval_s]
        return replace(view, interval_s=choices[-1] if choices else view.interval_s)
    choices = [one for one in INTERVALS_S if one > view.interval_s]
    return replace(view, interval_s=choices[0] if choices else view.interval_s)
