"""The table of engines and scenarios."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interoperation.registry import ENGINES
from interoperation.report import Row, missing_of, table
from interoperation.scenarios import SCENARIOS

if TYPE_CHECKING:
    import pytest


def test_what_ran_what_failed_and_what_was_left_out() -> None:
    rows = [
        Row("go", failures={"subscriptions": "", "messages": "3 missing"}),
        Row("node", left_out="npm not installed"),
    ]
    text = table(rows)
    lines = text.splitlines()
    assert [cell.strip() for cell in lines[2].split("|")[2:5]] == ["ok", "FAILED", "-"]
    assert [cell.strip() for cell in lines[3].split("|")[2:-1]] == ["-"] * len(SCENARIOS)
    assert "FAILED: go messages: 3 missing" in text
    assert f"left out: {ENGINES['node'].title}: npm not installed" in text
    assert [row.has_failed for row in rows] == [True, False]


def test_what_an_engine_cannot_do_is_left_out_with_the_reason() -> None:
    row = Row("go", failures={"plain": ""}, lacking={"curve": "no CURVE"})
    text = table([row])
    assert (row.verdict("plain"), row.verdict("curve")) == ("ok", "-")
    assert "left out: go curve: no CURVE" in text
    assert not row.has_failed


def test_who_is_required_must_not_be_left_out() -> None:
    rows = [Row("go"), Row("node", left_out="npm not installed")]
    assert missing_of(rows, ["go"]) == []
    assert missing_of(rows, ["go", "node", "jeromq"]) == ["node", "jeromq"]
    assert missing_of([], []) == []


def test_what_is_known_of_an_engine_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES["go"].known, "restart", "it does not come back")
    row = Row("go", failures={"restart": "not within 30 s"})
    assert not row.has_failed
    assert "known: go restart: it does not come back" in table([row])
