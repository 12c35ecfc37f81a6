"""Arguments of `fanout top`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.cli.arguments import UsageError
from fanout.cli.main import build_parser
from fanout.cli.top.arguments import INTERVAL_S, ONCE_S, interval_of
from fanout.cli.top.columns import COLUMNS

if TYPE_CHECKING:
    import argparse


def parsed(*line: str) -> argparse.Namespace:
    return build_parser().parse_args(["top", *line])


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ([], INTERVAL_S),
        (["--once"], ONCE_S),
        (["--once", "--interval", "0"], 0.0),
        (["--interval", "2.5", "--json"], 2.5),
        (["--once", "--interval", "3"], 3.0),
    ],
)
def test_the_interval(line: list[str], seconds: float) -> None:
    assert interval_of(parsed(*line)) == seconds


def test_no_interval_at_all_is_for_one_look() -> None:
    with pytest.raises(UsageError, match="needs --once"):
        interval_of(parsed("--interval", "0"))


def test_help_names_the_keys_of_all_columns(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--help")
    text = capsys.readouterr().out
    assert " ".join(column.key for column in COLUMNS) in text
