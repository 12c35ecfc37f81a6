"""Which messages a soak publishes, and when."""

from __future__ import annotations

import pytest

from soaking.feeds import Feed, Schedule, read_stamp


def test_a_message_has_a_topic_a_size_and_a_stamp() -> None:
    topic, payload = Feed(1, "T%d", topics=3, payload_bytes=200).frames(2, 7, 10**18)
    assert (topic, len(payload), read_stamp(payload)) == (b"T1", 200, (2, 7, 10**18))


def test_one_frame_begins_with_the_topic_and_ends_in_the_stamp() -> None:
    (frame,) = Feed(1, "P%d/", topics=100, payload_bytes=400, one_frame=True).frames(1, 42, 5)
    assert (frame[:4], len(frame), read_stamp(frame)) == (b"P42/", 400, (1, 42, 5))


def test_a_message_is_never_shorter_than_its_stamp() -> None:
    _, payload = Feed(1, "F", payload_bytes=0).frames(0, 1, 2)
    assert read_stamp(payload) == (0, 1, 2)


def test_messages_are_due_at_their_rate() -> None:
    schedule = Schedule(per_second=100, now=1.0)
    due = [schedule.due(1.0 + tick / 1000) for tick in range(1000)]
    assert sum(due) == 100
    assert max(due) == 1


def test_a_delay_is_made_up_for_up_to_a_limit() -> None:
    schedule = Schedule(per_second=100, now=0.0)
    assert schedule.due(0.1) == pytest.approx(11, abs=1)
    assert schedule.due(60.0) == pytest.approx(100 * Schedule.CATCH_UP_S, abs=2)
    assert schedule.due(60.0) == 0
