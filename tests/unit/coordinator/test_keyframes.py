"""Keyframes that are wanted: told once a second, whichever workers ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.control.messages import KeyframeWanted
from fanout.coordinator import actions as do
from fanout.coordinator import keyframes, reports
from fanout.coordinator.keyframes import KeyframesWanted
from fanout.events import EventKind
from tests.unit.coordinator.test_reports import NOW, served

if TYPE_CHECKING:
    import pytest


def test_each_topic_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyframes, "TOPICS_MAX", 2)
    wanted = KeyframesWanted()

    def told(*topics: bytes, now: float) -> list[bytes | None]:
        return [event.topic for event in wanted.told(topics, now)]

    assert told(b"a", b"b", b"a", b"c", now=1.0) == [b"a", b"b"]
    assert told(b"a", b"c", now=1.9) == []
    assert told(b"c", b"a", now=2.0) == [b"c", b"a"]


def test_what_workers_ask_for_is_told() -> None:
    state = served()
    [tell] = reports.take(state, 0, KeyframeWanted([b"book.A"]), NOW)
    assert isinstance(tell, do.Tell)
    assert (tell.event.kind, tell.event.topic) == (EventKind.KEYFRAME_WANTED, b"book.A")
    assert "topic=b'book.A'" in str(tell.event)
    assert reports.take(state, 1, KeyframeWanted([b"book.A"]), NOW + 0.5) == []
