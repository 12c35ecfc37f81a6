"""What each key changes about the view."""

from __future__ import annotations

import pytest

from fanout.cli.top.columns import BY_NAME, COLUMNS
from fanout.cli.top.view import FILTER_MAX, View, press

VIEW = View(BY_NAME["queued"], descending=True)
ORDER = [5, 6, 7, 8, 9, 10]
IDS = [6, 7, 8]  # on the screen


def after(*keys: str, view: View = VIEW, order: list[int] = ORDER) -> View:
    for key in keys:
        view = press(view, key, IDS, order)
    return view


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_each_column_has_a_key_which_turns_it_round_when_pressed_again(column: object) -> None:
    (wanted,) = [one for one in COLUMNS if one is column]
    start = View(next(one for one in COLUMNS if one is not wanted), descending=False)

    once = after(wanted.key, view=start)
    twice = after(wanted.key, view=once)

    assert once.sort is wanted
    assert once.descending is not wanted.is_text
    assert twice.descending is wanted.is_text
    assert wanted.key in wanted.title


def test_no_two_columns_have_one_key_or_name() -> None:
    assert len({column.key for column in COLUMNS}) == len(COLUMNS)
    assert len({column.name for column in COLUMNS}) == len(COLUMNS)


def test_the_columns_beside() -> None:
    place = COLUMNS.index(VIEW.sort)
    assert after("right").sort is after(">").sort is COLUMNS[place + 1]
    assert after("left").sort is after("<").sort is COLUMNS[place - 1]
    assert after("r").descending is False


@pytest.mark.parametrize(
    ("keys", "selected"),
    [
        (["down"], 6),
        (["up"], 8),
        (["down", "down"], 7),
        (["down", "up", "up", "up"], 5),
        (["down", "page down"], 8),
        (["end"], 10),
        (["end", "down"], 10),
        (["end", "page up"], 8),
        (["down", "home"], 5),
        (["j", "j", "k"], 6),
        (["down", "escape"], None),
    ],
)
def test_selecting(keys: list[str], selected: int | None) -> None:
    assert after(*keys).selected == selected


def test_who_has_left_is_selected_no_more_when_another_one_is() -> None:
    gone = View(VIEW.sort, descending=True, selected=99)
    assert after("down", view=gone).selected == 6
    assert after("down", view=gone, order=[]).selected is None


def test_details_are_of_who_is_selected() -> None:
    assert not after("enter").details
    assert after("down", "enter").details
    assert not after("down", "enter", "enter").details
    assert after("down", "enter", "escape").selected == 6


def test_a_filter_is_typed() -> None:
    typed = after("/", "a", "q", "R", " ", "backspace")
    assert (typed.filter, typed.typing, typed.quits) == ("aqR", True, False)
    assert after("enter", view=typed).typing is False
    assert after("escape", view=typed).filter == ""
    assert after("clear", view=typed).filter == ""
    assert after("enter", "escape", view=typed).filter == ""
    assert after("up", view=typed) == typed
    assert len(after("f", *"x" * (FILTER_MAX + 5)).filter) == FILTER_MAX


def test_pausing_and_quitting() -> None:
    assert after(" ").paused
    assert not after(" ", " ").paused
    assert after("q").quits
    assert after("end of input").quits
    assert after("?").help
    assert not after("h", "escape").help
    assert after("x", "home of nobody") == VIEW


def test_how_often_it_looks() -> None:
    assert after("+").interval_s == after("=").interval_s == 0.5
    assert after("-").interval_s == 2.0
    assert after(*"+" * 20).interval_s == 0.1
    assert after(*"-" * 20).interval_s == 60.0


def test_those_who_ended_and_back() -> None:
    ended = after("down", "enter", "c")
    assert (ended.ended, ended.selected, ended.details) == (True, None, False)
    assert after("down", view=ended).selected == 6
    assert not after("c", view=ended).ended
    assert after("down", "escape", view=ended).ended
    assert not after("down", "escape", "escape", view=ended).ended


@pytest.mark.parametrize("key", ["R", "r", "<", "right"])
def test_those_who_ended_are_not_sorted(key: str) -> None:
    ended = after("c")
    assert after(key, view=ended) == ended
