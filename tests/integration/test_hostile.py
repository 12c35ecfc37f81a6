"""Every attack of `scripts/soak`, in small: it can be made, it arrives, and it does no harm."""

from __future__ import annotations

from dataclasses import replace

import pytest

from soaking.attacks import ATTACKS, Attack
from soaking.session import AUDIENCE, Session

STRANGERS_MAX = 40
SECONDS = 1.0


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_in_small_does_no_harm(attack: Attack) -> None:
    small = replace(attack, count=min(attack.count, STRANGERS_MAX))
    outcome = Session(small, SECONDS, outside=None).run()
    assert outcome.held, outcome
    assert min(outcome.healthy_wanted, outcome.everything_wanted) > 0
    assert outcome.published_per_second > 0
    if attack.crowd and attack.crowd != "Halfway":
        assert outcome.events["subscriber_connected"] > AUDIENCE, "no stranger was served"
