"""A short soak with slow subscribers of every policy: all that is counted is what was received."""

from __future__ import annotations

import pytest

from soaking.slow.session import Session, report

SECONDS = 3.0


@pytest.mark.unmeasured
@pytest.mark.slow
def test_every_counter_and_every_marker_is_what_slow_subscribers_have_received() -> None:
    session = Session(SECONDS, count=40, slow=20, per_second=500, limit=16_384)

    found = session.run()

    assert found.wrong == [], report(found)
    assert found.groups["drop_oldest", "stalls"]["lost"] > 0
    assert found.groups["disconnect", "stalls"]["closed"] == 2
    assert found.groups["drop_oldest", "stalls"]["lost by age"] > 0
    assert found.groups["conflate", "stalls"]["conflated"] > 0
    assert found.groups["conflate", "rests"]["conflated"] > 0
    assert found.groups["drop_newest", "paced"]["lost"] > 0
