"""CURVE attacked over real sockets; `curve_attacked.py` does it for longer."""

from __future__ import annotations

from random import Random

import pytest

from tests.faults.curve_attacked import one_round


@pytest.mark.parametrize("seed", range(2))
def test_each_attack_has_its_end_and_nobody_else_feels_it(seed: int) -> None:
    one_round(Random(seed))
