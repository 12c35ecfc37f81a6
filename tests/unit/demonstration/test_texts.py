"""The table and the paragraph of the demonstration, from facts made up."""

from __future__ import annotations

from demonstration.observation import Observer, StalledFacts
from demonstration.processes import Report
from demonstration.texts import Row, Totals, last_value, paragraph, table
from fanout.events import Event, EventKind
from tests.helpers.fake_publisher import subscriber

TOTALS = Totals(elapsed_s=10.0, messages=2_000, message_bytes=204_800, topics=7)
ROWS = [Row("everything", Report(messages=2_000, topics=7), 200.0)]
STALLED_AT = "tcp://10.0.0.9:5556"  # the endpoint of the made-up subscriber


def evicted(subscriber_id: int) -> Event:
    return Event(
        EventKind.SUBSCRIBER_EVICTED, "took nothing", subscriber=subscriber_id, peer="p", dropped=9
    )


def test_success_is_told_with_the_stalled_one() -> None:
    stalled = StalledFacts(
        sent=100, dropped=9, blocked_at=2.0, evicted_at=7.0, evicted_reason="took nothing"
    )
    text = paragraph(TOTALS, ROWS, stalled, [])
    assert "2,000 messages on 7 topics (200/s, 200 KiB)" in text
    assert "none missing" in text
    assert "from 2.0 s on took nothing" in text
    assert "9 oldest waiting messages were dropped" in text
    assert "at 7.0 s it was evicted: took nothing; it hurt nobody but itself." in text


def test_failure_is_not_told_as_success() -> None:
    text = paragraph(TOTALS, ROWS, StalledFacts(blocked_at=2.0), ["everything got a: 1 of 2"])
    assert "Not everything arrived: everything got a: 1 of 2." in text
    assert "none missing" not in text
    assert "hurt nobody" not in text


def test_a_run_too_short_for_the_stall_says_so() -> None:
    assert "let the demonstration run for longer" in paragraph(TOTALS, ROWS, StalledFacts(), [])


def test_the_table_has_a_line_for_everybody() -> None:
    lines = table(TOTALS, ROWS, StalledFacts(sent=5, dropped=3, blocked_s=1.5))
    assert len(lines) == 4
    assert "everything" in lines[2]
    assert lines[3].endswith("takes nothing for 1.5 s")


def test_a_last_value_is_short() -> None:
    report = Report(last_topic="memory", last_values={"number": 7, "time": 1.0, "used": 1_234})
    assert last_value(report) == "memory used 1,234"
    report = Report(last_topic="process.1", last_values={"name": "x" * 100})
    assert last_value(report).endswith("…")


def test_the_observer_keeps_what_the_stalled_one_did_after_its_end() -> None:
    observer = Observer()
    observer.look([subscriber(id=4)], STALLED_AT, began=0.0)
    observer.on_event(evicted(4))
    observer.look([], STALLED_AT, began=0.0)
    assert observer.stalled.evicted_reason == "took nothing"
    assert observer.stalled.dropped == 9
    assert observer.troubles == []


def test_an_eviction_of_anybody_else_is_trouble() -> None:
    observer = Observer()
    observer.look([subscriber(id=4)], STALLED_AT, began=0.0)
    observer.on_event(evicted(5))
    observer.look([], STALLED_AT, began=0.0)
    assert len(observer.troubles) == 1
