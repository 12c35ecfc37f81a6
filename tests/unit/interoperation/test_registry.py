"""The engines are data that can be built and run."""

from __future__ import annotations

import pytest

from interoperation.cli import lacking
from interoperation.registry import ENGINES, SOURCES, Engine
from interoperation.scenarios import NEEDS, SCENARIOS


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_an_engine_has_a_source_and_a_way_to_run(engine: Engine) -> None:
    assert (SOURCES / engine.source).is_dir()
    assert engine.build
    assert any("{build}" in word for word in engine.run)
    assert bool(engine.python) == any("{python}" in step for step in engine.build)


def test_what_is_known_of_an_engine_is_about_a_scenario() -> None:
    known = {scenario for engine in ENGINES.values() for scenario in engine.known}
    assert known <= SCENARIOS.keys()


def test_what_an_engine_lacks_is_a_mechanism_that_some_scenario_needs() -> None:
    lacked = {mechanism for engine in ENGINES.values() for mechanism in engine.lacks}
    assert lacked <= {*NEEDS.values()} == {"PLAIN", "CURVE"}
    assert NEEDS.keys() <= SCENARIOS.keys()
    assert lacking(ENGINES["go"], "curve") == "no CURVE: it has NULL and PLAIN"
    assert lacking(ENGINES["go"], "plain") == lacking(ENGINES["go"], "curve-null") == ""


def test_every_source_belongs_to_an_engine() -> None:
    folders = {path.name for path in SOURCES.iterdir() if path.is_dir()}
    assert {engine.source for engine in ENGINES.values()} == folders - {"__pycache__"}
