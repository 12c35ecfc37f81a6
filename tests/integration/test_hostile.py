"""The attacks of `scripts/soak` as a tool: each can be made, arrives, and is measured.

In so small a size hardly one could do harm: that is for the full run to show, by its verdict.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from soaking.attacks import ATTACKS, Attack
from soaking.session import Session

STRANGERS_MAX = 21  # the least with which each kind of them is there
SECONDS = 0.2
SEVERAL = "none"  # with several processes that listen, as in the full run


@pytest.mark.unmeasured
@pytest.mark.slow
@pytest.mark.usefixtures("children")
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_can_be_made_and_is_measured(attack: Attack) -> None:
    small = replace(
        attack, count=min(attack.count, STRANGERS_MAX), options={**attack.options, "workers": 1}
    )
    session = Session(small, SECONDS, outside=None, listening=2 if attack.name == SEVERAL else 1)
    outcome = session.run()
    assert outcome.unharmed, outcome
    assert min(outcome.healthy_wanted, outcome.everything_wanted) > 0
    assert outcome.published_per_second > 0
    if attack.crowd and attack.crowd != "Halfway":
        assert outcome.events["subscriber_connected"] > session.audience, "no stranger was served"
