"""A small soak in which all who are sent much are with one worker: nobody sees that they move."""

from __future__ import annotations

import pytest

from fanout.coordinator import balance, rebalancing
from soaking.rebalance import session
from soaking.rebalance.session import Session, Settings, report

LOOK = 0.2  # seconds: of a fifth of the length that it has every day, as is all that follows


@pytest.mark.slow
@pytest.mark.usefixtures("children")
def test_who_are_sent_much_are_spread_and_every_byte_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (balance, rebalancing):
        monkeypatch.setattr(module, "LOOK", LOOK)
        monkeypatch.setattr(module, "WINDOW", 5 * LOOK)
        monkeypatch.setattr(module, "LOAD_MIN", 0.01)  # a busy machine gives workers little more
    monkeypatch.setattr(balance, "HOT_FOR", 3 * LOOK)
    for module in (balance, session):
        monkeypatch.setattr(module, "QUIET", 10 * LOOK)
    settings = Settings(60, 16, per_second=500.0, within=4.0, still=2.0)

    found = Session(settings).run()

    assert found.wrong == [], report(found)
    # How equal loads are is said by chance on a machine that has other work: that is not judged.
    assert found.moves
    assert found.placed[1] >= 2
