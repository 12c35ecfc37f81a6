"""Ten thousand sessions attacked in memory; `sessions_attacked.py` does it for longer."""

from __future__ import annotations

from random import Random

import pytest

from tests.faults.sessions_attacked import A_ROUND, one_round

PARTS, ATTACKS = 5, 10_000


@pytest.mark.parametrize("part", range(PARTS))
def test_each_attack_has_its_end_and_neighbours_are_served(part: int) -> None:
    rounds = ATTACKS // PARTS // A_ROUND
    ended = sum(one_round(Random(part * rounds + number)) for number in range(rounds))
    assert ended > ATTACKS // PARTS // 3, "most of them do harm"
