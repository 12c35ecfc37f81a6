"""Numbers and texts for people."""

from __future__ import annotations

import pytest

from fanout.cli.units import printable, short_count, short_size, short_time, width_of


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (999.6, "1.0k"), (1_200, "1.2k"), (34_000, "34k"), (5.6e6, "5.6M")],
)
def test_short_counts(value: float, text: str) -> None:
    assert short_count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (1_023, "1023 B"), (1_024, "1.0 KiB"), (64 * 1024**2, "64 MiB")],
)
def test_short_sizes(value: float, text: str) -> None:
    assert short_size(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 s"),
        (0.96, "1.0 s"),
        (9.94, "9.9 s"),
        (12.3, "12 s"),
        (119, "119 s"),
        (120, "2 min"),
        (3_600 * 2, "2 h 0 min"),
        (86_400 * 3 + 3_600 * 4.5, "3 d 4 h"),
        (-5, "0.0 s"),
    ],
)
def test_short_times(seconds: float, text: str) -> None:
    assert short_time(seconds) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("desk7", "desk7"),
        ("B\u00fcro 7", "B\u00fcro 7"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp", "\\u202egnp"),
    ],
)
def test_no_text_speaks_to_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(("text", "cells"), [("abc", 3), ("\u5e97", 2), ("e\u0301", 1), ("", 0)])
def test_a_text_is_as_wide_as_a_terminal_shows_it(text: str, cells: int) -> None:
    assert width_of(text) == cells
