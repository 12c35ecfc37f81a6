"""Requests for keyframes: each topic once a second, and no more topics than some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.connections import keyframe_requests
from fanout.workers.connections.keyframe_requests import EACH_NS, TOPICS_MAX, KeyframeRequests

if TYPE_CHECKING:
    import pytest

    from fanout.control.messages import KeyframeWanted


class Channel:
    """Keeps what is posted."""

    def __init__(self) -> None:
        self.topics: list[bytes] = []
        self.pending = 0  # that wait for the publisher to read

    def post(self, message: KeyframeWanted) -> None:
        self.topics += message.topics


def test_each_topic_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyframe_requests, "TOPICS_MAX", 3)
    channel, now = Channel(), [5]
    requests = KeyframeRequests(channel, lambda: now[0])  # type: ignore[arg-type]
    for topic in (b"a", b"b", b"a", b"c", b"d", b"b"):
        requests.ask(topic)
    assert channel.topics == [b"a", b"b", b"c"], "the fourth one is left for later"
    now[0] += EACH_NS - 1
    requests.ask(b"a")
    assert channel.topics == [b"a", b"b", b"c"]
    now[0] += 1
    requests.ask(b"d")
    requests.ask(b"a")
    assert channel.topics == [b"a", b"b", b"c", b"d", b"a"]


def test_none_is_asked_for_while_too_much_waits_for_the_publisher() -> None:
    channel, now = Channel(), [5]
    requests = KeyframeRequests(channel, lambda: now[0])  # type: ignore[arg-type]
    channel.pending = TOPICS_MAX - 1
    requests.ask(b"a")
    channel.pending = TOPICS_MAX
    requests.ask(b"b")
    assert channel.topics == [b"a"]
    channel.pending = 0
    requests.ask(b"b")
    assert channel.topics == [b"a", b"b"], "it was not noted as asked for"
