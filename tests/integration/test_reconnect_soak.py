"""A short soak with subscribers that lose everything but their position, again and again."""

from __future__ import annotations

import pytest

from soaking.reconnect.session import Session, report

PLAN = ("stop", "kill", "restart", "lose worker")


@pytest.mark.unmeasured
@pytest.mark.slow
@pytest.mark.usefixtures("children")
def test_each_union_has_no_hole_and_no_double_but_what_was_told() -> None:
    session = Session(0.0, count=24, plan=PLAN)

    found = session.run()

    assert found.wrong == [], report(found)
    assert found.counts["evicted"] > 0, report(found)
    assert found.counts["replayed"] > 0, report(found)
    assert found.counts["received"] > found.counts["published"], report(found)
