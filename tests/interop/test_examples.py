"""The examples that need libzmq, or show what a network does, run and say what they promise."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.helpers.javascript import node_with_zeromq
from tests.helpers.programs import ROOT
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = ROOT / "examples"
PRICES = "price.EUR 99\nprice.GBP 99\nprice.USD 99\n"


def output_of(folder: Path, name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_feed_over_two_networks_loses_nothing_when_one_is_cut(tmp_path: Path) -> None:
    said = "1000 messages, each once; of 2 connections 1 is left\n"
    assert output_of(tmp_path, "ab_feed.py") == said


def test_a_dashboard_that_comes_late_shows_the_last_prices(tmp_path: Path) -> None:
    assert output_of(tmp_path, "dashboard.py") == PRICES


@pytest.mark.slow  # it may ask npm
def test_a_dashboard_in_javascript_shows_the_same(tmp_path: Path) -> None:
    program = str(EXAMPLES / "dashboard.mjs")
    assert output_of(tmp_path, "dashboard.py", node_with_zeromq(tmp_path), program) == PRICES
