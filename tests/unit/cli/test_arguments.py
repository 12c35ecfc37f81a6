"""Arguments: sizes, seconds, counts, and complaints."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

from fanout.cli.arguments import byte_size, complain, count, joined, positive_count, seconds

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("line", "read"),
    [
        (["--since", "-10s", "a"], ["--since=-10s", "a"]),
        (["a", "--since", "-1000"], ["a", "--since=-1000"]),
        (["--since", "10s"], ["--since", "10s"]),
        (["--since=-10s"], ["--since=-10s"]),
        (["--since"], ["--since"]),
        (["--since", "--last"], ["--since", "--last"]),
        (["--count", "-1"], ["--count", "-1"]),
        (["--", "--since", "-10s"], ["--", "--since", "-10s"]),
    ],
)
def test_a_value_with_a_minus_is_no_option(line: list[str], read: list[str]) -> None:
    assert joined(line, {"--since"}) == read


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("65536", 65_536),
        ("64K", 65_536),
        ("64k", 65_536),
        ("64M", 64 * 1024**2),
        ("64MiB", 64 * 1024**2),
        ("64 MB", 64 * 1024**2),
        ("1.5G", 3 * 1024**3 // 2),
        ("2T", 2 * 1024**4),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert byte_size(text) == size


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (byte_size, ""),
        (byte_size, "M"),
        (byte_size, "-1"),
        (byte_size, "1.5"),
        (byte_size, "64X"),
        (seconds, "soon"),
        (seconds, "-1"),
        (seconds, "nan"),
        (seconds, "inf"),
        (count, "-1"),
        (count, "1.0"),
        (count, "²"),
        (positive_count, "0"),
    ],
)
def test_what_is_no_number_is_refused(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        read(text)


def test_numbers() -> None:
    assert (seconds("0.5"), count("0"), positive_count("7")) == (0.5, 0, 7)


def test_a_complaint_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    complain("fanout sub", "two\nlines")
    assert capsys.readouterr().err == "fanout sub: two lines\n"
