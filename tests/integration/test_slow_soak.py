"""A short soak with slow subscribers of every policy: all that is counted is what was received."""

from __future__ import annotations

from collections import Counter

import pytest

from soaking.slow.session import Session, report

SECONDS = 2.5
SUBSCRIBERS, SLOW = 200, 20


@pytest.mark.unmeasured
@pytest.mark.slow
@pytest.mark.usefixtures("children")
def test_every_counter_and_every_marker_is_what_slow_subscribers_have_received() -> None:
    session = Session(SECONDS, SUBSCRIBERS, SLOW, per_second=600, limit=16_384)

    found = session.run()

    assert found.wrong == [], report(found)
    paces = Counter[str]()
    for (_policy, pace), group in found.groups.items():
        paces[pace] += group["subscribers"]
    assert paces.total() == SUBSCRIBERS
    assert sum(paces[pace] for pace in ("stalls", "crawls", "stops")) == SLOW
    assert found.groups["drop_oldest", "stalls"]["lost"] > 0
    assert found.groups["disconnect", "stalls"]["closed"] == 2
    assert found.groups["drop_oldest", "stalls"]["lost by age"] > 0
    assert found.groups["conflate", "stalls"]["conflated"] > 0
    assert found.groups["conflate", "rests"]["conflated"] > 0
    assert found.groups["drop_newest", "paced"]["lost"] > 0
