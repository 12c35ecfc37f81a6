"""The attacks ask for crowds that exist, and options that there are."""

from __future__ import annotations

import pytest

from fanout import Options
from soaking.attacks import ATTACKS, Attack
from soaking.crowds import CROWDS


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_can_be_made(attack: Attack) -> None:
    assert bool(attack.crowd) == bool(attack.count)
    assert not attack.crowd or attack.crowd in CROWDS
    Options(**attack.options)


def test_names_of_attacks_are_unique_and_every_crowd_attacks() -> None:
    assert [name for name, attack in ATTACKS.items() if name != attack.name] == []
    assert {attack.crowd for attack in ATTACKS.values()} - {""} == CROWDS.keys()
