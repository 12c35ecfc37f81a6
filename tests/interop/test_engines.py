"""Other ZMTP engines, as far as `scripts/interop --build` has built their programs.

Nothing is built here, since that takes toolchains and a network.
"""

from __future__ import annotations

import pytest

from interoperation.building import is_built
from interoperation.cli import attempt, lacking
from interoperation.registry import ENGINES, Engine
from interoperation.scenarios import SCENARIOS

CASES = [
    pytest.param(engine, scenario, id=f"{engine.name}-{scenario}")
    for engine in ENGINES.values()
    if is_built(engine)
    for scenario in SCENARIOS
    if not lacking(engine, scenario)
]


if CASES:  # a test without any case would count as skipped

    @pytest.mark.slow
    @pytest.mark.parametrize(("engine", "scenario"), CASES)
    def test_an_engine_is_served(engine: Engine, scenario: str) -> None:
        failure, _note = attempt(engine, scenario)
        if failure and (why := engine.known_failure(scenario, failure)):
            pytest.xfail(why)
        assert failure == ""
