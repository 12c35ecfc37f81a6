"""The table of engines and scenarios."""

from __future__ import annotations

import pytest

from interoperation.registry import ENGINES, Engine, Known
from interoperation.report import Row, missing_of, table
from interoperation.scenarios import SCENARIOS


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
    known = Known("it does not come back", r"\w+ did not come about within \d+ s")
    monkeypatch.setitem(ENGINES["go"].known, "restart", known)
    row = Row("go", failures={"restart": "coming did not come about within 30 s"})
    assert not row.has_failed
    assert "known: go restart: it does not come back" in table([row])


def test_what_else_fails_where_something_is_known_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES["go"].known, "restart", Known("it does not come back", "not in"))
    row = Row("go", failures={"restart": "it is served, though not in time"})
    assert row.has_failed
    assert "FAILED: go restart: it is served, though not in time" in table([row])


@pytest.mark.parametrize(
    ("engine", "scenario"),
    [(engine, scenario) for engine in ENGINES.values() for scenario in engine.known],
    ids=lambda one: getattr(one, "name", one),
)
def test_who_is_known_to_come_back_is_not_known_to_be_served(engine: Engine, scenario: str) -> None:
    came = "it came 3 times in 30 s and less: 3 connections; it has no monitor"
    assert engine.known_failure(scenario, came)
    for failure in ("it is served", "being refused did not come about within 30 s"):
        assert engine.known_failure(scenario, failure) == ""
