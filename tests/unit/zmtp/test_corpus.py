"""Every captured stream has the outcome that the table says, whole and byte by byte."""

from __future__ import annotations

import pytest

from fanout.zmtp import Session, SessionState, Violation
from tests.unit.zmtp.corpus import CORPUS, HEALTHY, Capture
from tests.unit.zmtp.wire import drive, each_byte


@pytest.mark.parametrize("capture", CORPUS, ids=lambda capture: capture.name)
@pytest.mark.parametrize("cut", [lambda wire: [wire], each_byte], ids=["whole", "each byte"])
def test_outcome(capture: Capture, cut: object) -> None:
    assert callable(cut)
    session = Session(capture.limits)
    outcome = drive(session, cut(capture.wire))
    events = [event for event in outcome.events if not isinstance(event, Violation)]
    assert tuple(events) == capture.events
    assert outcome.output == capture.output
    if capture.violation is None:
        assert outcome.violation is None
        assert session.state is SessionState.TRAFFIC
    else:
        assert outcome.violation is not None
        assert capture.violation in outcome.violation
        assert session.state is SessionState.CLOSED


@pytest.mark.parametrize("capture", HEALTHY, ids=lambda capture: capture.name)
def test_subscriptions_are_what_the_events_add_up_to(capture: Capture) -> None:
    session = Session(capture.limits)
    outcome = drive(session, [capture.wire])
    expected: set[bytes] = set()
    for event in outcome.events:
        prefix = getattr(event, "prefix", None)
        if prefix is not None:
            expected ^= {prefix}  # each event is a change
    assert session.subscriptions == expected
