"""What the publisher's process sends at the harness' request."""

from __future__ import annotations

import pytest

from benchmarks.host import PROBE_EVERY, _serve
from benchmarks.peers.base import Peer
from benchmarks.traffic import PROBE_MARK, PROBE_TOPIC, Traffic, topic_name


class Recorder(Peer):
    """Keeps what it is asked to send."""

    def __init__(self, traffic: Traffic) -> None:
        super().__init__(traffic)
        self.sent: list[tuple[bytes, bytes]] = []
        self.published: list[int] = []

    def start(self) -> list[str]:
        return []

    def send(self, topic: bytes, payload: bytes) -> None:
        self.sent.append((topic, payload))

    def publish(self, count: int) -> None:
        self.published.append(count)

    def close(self) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("payload_bytes", [32, 256 * 1024])
def test_a_probe_is_short_whatever_the_messages_are(payload_bytes: int) -> None:
    peer = Recorder(Traffic(5000, payload_bytes))
    _serve(peer, peer.traffic, {"do": "probe", "last": False})
    assert peer.sent == [(PROBE_TOPIC, PROBE_MARK)]


def test_a_paced_message_weighs_what_all_do_and_some_are_probes() -> None:
    peer = Recorder(Traffic(10, 128))
    _serve(peer, peer.traffic, {"do": "pace", "count": PROBE_EVERY + 1, "per_second": 1e6})
    topics = [topic for topic, _ in peer.sent]
    assert topics == [PROBE_TOPIC, *[topic_name(0)] * (PROBE_EVERY - 1), PROBE_TOPIC]
    assert all(len(payload) == 128 for _, payload in peer.sent)
    assert all((PROBE_MARK in payload) == (topic == PROBE_TOPIC) for topic, payload in peer.sent)


def test_messages_that_are_spread_are_on_all_topics_at_a_rate() -> None:
    traffic = Traffic(10, 128, topics=20)
    peer = Recorder(traffic)
    answer = _serve(peer, traffic, {"do": "spread", "count": 400, "per_second": 20_000})

    assert {topic for topic, _ in peer.sent} == set(traffic.schedule)
    assert {payload for _, payload in peer.sent} == {traffic.payload}
    assert len(peer.sent) == 400
    assert answer["seconds"] >= 400 / 20_000


def test_stretches_are_parts_of_one_run_with_a_mark_between() -> None:
    peer = Recorder(Traffic(10, 128))
    answer = _serve(peer, peer.traffic, {"do": "publish", "count": 12, "stretches": 3})
    assert peer.published == [4, 4, 4]
    assert len(answer["marks_ns"]) == 4
    assert answer["marks_ns"] == sorted(answer["marks_ns"])
