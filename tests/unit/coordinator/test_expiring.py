"""Which messages are too old, by notes of how far the log had come."""

from __future__ import annotations

import pytest

from fanout.coordinator.expiring import NOTES, Expiring

EACH = 64  # between two notes, at least
AGE = EACH * NOTES


def test_without_an_age_nothing_is_ever_too_old() -> None:
    assert Expiring(0).expired(5, 1 << 60) is None


def test_what_was_there_when_that_was_noted_is_too_old_an_age_later() -> None:
    expiring = Expiring(AGE)
    assert expiring.expired(7, 1_000) is None
    assert expiring.expired(9, 1_000 + AGE - 1) is None
    assert expiring.expired(12, 1_000 + AGE) == 7
    assert expiring.expired(12, 1_000 + AGE) is None, "nothing has changed since"


@pytest.mark.parametrize("step", [1, EACH // 3, EACH])
def test_nothing_is_too_old_too_early_and_all_is_before_long(step: int) -> None:
    """With one message at each look, which is as far as a message may be from the next note."""
    expiring, below = Expiring(AGE), 0
    for now in range(0, 3 * AGE, step):
        head = now // step + 1
        below = max(below, expiring.expired(head, now) or 0)
        first = max(0, (now - AGE) // step + 1)  # that is not too old
        assert first - 2 * EACH // step <= below <= first
        assert len(expiring._notes) <= NOTES + 1
    assert below > AGE // step
