"""The table as rich draws it."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest

from fanout.cli.top.columns import BY_NAME
from fanout.cli.top.view import View
from tests.helpers.frames import frame_of, frame_of_ends

rich_console = pytest.importorskip("rich.console")

VIEW = View(BY_NAME["queued"], descending=True)


def drawn(view: View, *, width: int = 170, ids: list[int] | None = None, **keywords: str) -> str:
    from fanout.cli.top.screen import picture

    make = frame_of_ends if view.ended else frame_of
    frame = make([5, 6] if ids is None else ids)
    console = rich_console.Console(file=io.StringIO(), width=width, height=30, highlight=False)
    selected = frame.shown[0] if frame.shown else ""
    problem = keywords.get("problem", "")
    console.print(picture(frame, view, selected, problem, width, 30), end="")
    text = console.file.getvalue()
    assert isinstance(text, str)
    return text


def test_all_is_on_the_screen_and_nothing_speaks_to_the_terminal() -> None:
    text = drawn(VIEW)
    lines = [line.rstrip() for line in text.splitlines()]

    assert lines[0].startswith("ticks (process 10): serving")
    assert any("Queued ▼" in line and "Address" in line for line in lines)
    assert any(line.startswith("5   \\x1b[31mdesk\\x07\\x7f\\x9…") for line in lines)
    assert lines[-1].startswith("1-2 of 2 subscribers")
    assert text.replace("\n", "").isprintable()


def test_no_line_is_wider_than_the_window() -> None:
    for width in (40, 60, 80, 100):
        lines = drawn(VIEW, width=width).splitlines()
        assert max(map(len, lines)) <= width
        assert len(lines) == len(drawn(VIEW).splitlines())


def test_those_who_ended_are_shown_in_any_window() -> None:
    view = replace(VIEW, ended=True)
    text = drawn(view)
    assert "closed by the subscriber" in text
    assert "1-2 of 2 subscribers that ended" in text
    assert text.replace("\n", "").isprintable()
    assert re.search(r"cause +left ", drawn(replace(view, details=True)))
    assert "0 subscribers that ended" in drawn(view, ids=[])
    for width in (50, 80, 100):
        lines = drawn(view, width=width).splitlines()
        assert max(map(len, lines)) <= width
        assert "Why" in drawn(view, width=width)


def test_details_help_and_problems_are_shown() -> None:
    assert re.search(r"rate +15 ", drawn(replace(VIEW, details=True)))
    assert "all figures of the selected one" in drawn(replace(VIEW, help=True))
    assert "IT HAS ENDED" in drawn(VIEW, problem="it has ended")


def test_markup_of_strangers_is_text() -> None:
    assert "[bold]" in drawn(replace(VIEW, filter="[bold]"))


def test_nobody_there() -> None:
    assert "0 subscribers" in drawn(VIEW, ids=[])


def test_rows_are_what_the_window_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from fanout.cli.top.screen import ROWS_MIN, RichScreen

    monkeypatch.setenv("LINES", "30")
    monkeypatch.setenv("COLUMNS", "140")
    screen = RichScreen(io.StringIO())
    rows = screen.rows(1)
    frame = frame_of(list(range(1, rows + 1)))
    screen.draw(frame, VIEW, "", "")
    assert len(drawn(VIEW, ids=list(range(1, rows + 1))).splitlines()) == 30
    assert screen.rows(100) == rows - 7
    screen.suspend()
    screen.resume()
    screen.close()
    monkeypatch.setenv("LINES", "5")
    small = RichScreen(io.StringIO())
    assert small.rows(1) == ROWS_MIN
    small.close()
