"""How long subscribers hear nothing when a worker is lost, and what they lack."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from benchmarks.pausing.feed import NO_NUMBER, STAMP, Feed
from benchmarks.pausing.listeners import Listener
from benchmarks.peers.base import Peer
from benchmarks.workloads import WORKLOADS, Settings, takeover

if TYPE_CHECKING:
    from collections.abc import Iterator

MS = 1_000_000


@pytest.fixture
def listener() -> Iterator[Listener]:
    with socket.socket() as nobody:
        yield Listener(socket=nobody)


def hear(listener: Listener, *heard: tuple[int, int, int]) -> None:
    listener.heard.extend((sent * MS, came * MS, number) for sent, came, number in heard)


def test_one_is_served_again_with_the_first_message_that_was_published_after_the_loss(
    listener: Listener,
) -> None:
    hear(listener, (10, 11, 7), (20, 75, 8), (30, 76, 12), (31, 77, NO_NUMBER), (40, 78, 13))

    assert listener.since(15 * MS) == (75 * MS, 0)
    assert listener.since(25 * MS) == (76 * MS, 3)
    assert listener.since(41 * MS) is None


def test_who_is_moved_has_felt_what_the_slowest_message_took_meanwhile(listener: Listener) -> None:
    hear(listener, (1, 50, 1), (10, 11, NO_NUMBER), (20, 27, NO_NUMBER), (29, 30, 2))

    assert listener.slowest(10 * MS, 29 * MS) is None  # what came after it may still come
    hear(listener, (31, 99, NO_NUMBER))
    assert listener.slowest(10 * MS, 29 * MS) == 7 * MS


def test_what_was_felt_is_told_by_its_median_its_99th_percentile_and_the_most() -> None:
    felt = takeover.Felt()
    felt.add({"pauses_ns": [n * MS for n in range(1, 101)], "lacking": [0] * 50 + [2] * 50})
    values = felt.sample().values

    assert values == pytest.approx({"p50": 0.051, "p99": 0.1, "max": 0.1, "lacking": 1.0})
    assert takeover.Felt().sample().invalid


class Written(Peer):
    """Keeps what is sent."""

    sent: list[tuple[bytes, bytes]]

    def start(self) -> list[str]:
        self.sent = []
        return []

    def send(self, topic: bytes, payload: bytes) -> None:
        self.sent.append((topic, payload))

    def publish(self, count: int) -> None:
        raise NotImplementedError

    def close(self) -> None:
        pass


def test_a_feed_leaves_no_number_out() -> None:
    [case, *_] = WORKLOADS["takeover"].cases(Settings(subscribers=(2,)))
    peer = Written(case.traffic)
    peer.start()
    feed = Feed(peer, case.traffic.payload_bytes, 1e5, number=5)

    assert feed.turn() <= 1e-5
    feed.publish_beside()
    feed.publish()
    numbers = [STAMP.unpack_from(payload)[0] for _, payload in peer.sent]
    assert numbers == [*range(5, feed.number - 1), NO_NUMBER, feed.number - 1]
    assert {len(payload) for _, payload in peer.sent} == {case.traffic.payload_bytes}
    assert len({len(topic) for topic, _ in peer.sent}) == 1


def test_libzmq_is_measured_where_the_whole_process_is_lost() -> None:
    workload = WORKLOADS["takeover"]
    cases = workload.cases(Settings())
    peers = {case.label: case.peers for case in cases}

    assert [case.traffic.subscribers for case in cases] == [200] * 6 + [2_000] * 5
    assert peers["200 subscribers, a survivor"] == ("fanout",)
    assert peers["2,000 subscribers, the process"] == ("fanout", "libzmq-1io")
    assert peers["200 subscribers, a survivor, by CURVE"] == ("fanout-curve",)
    assert {kind.name for kind in workload.kinds(Settings())} >= {"fanout", "fanout-1w"}


@pytest.mark.slow
def test_a_loss_is_measured_by_stock_sockets_with_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(takeover, "CALM_S", 0)
    workload = WORKLOADS["takeover"]
    [case] = [case for case in workload.cases(Settings(subscribers=(4,))) if "CURVE" in case.label]
    [kind] = [kind for kind in workload.kinds(Settings()) if kind.name == "fanout-curve"]
    feeding = takeover.Feeding(kind, case.traffic, 100, "stock_listeners")
    try:
        feeding.served(0, None)
        feeding.await_workers()
        felt = feeding.lose(takeover.SEALED)
    finally:
        feeding.close()

    assert 1 <= len(felt["pauses_ns"]) < 4, "those alone whose worker was lost"
    assert min(felt["pauses_ns"]) > 0
    assert min(felt["lacking"]) > 0, "what was published meanwhile is lost to them"


@pytest.mark.slow
@pytest.mark.parametrize("what", [[takeover.MOVE, takeover.SURVIVOR], [takeover.PROCESS]])
def test_a_loss_is_measured(what: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(takeover, "CALM_S", 0)
    workload = WORKLOADS["takeover"]
    cases = workload.cases(Settings(subscribers=(4,)))
    [case] = [case for case in cases if case.label.endswith(what[0])]
    kind = [kind for kind in workload.kinds(Settings()) if kind.name in (case.peers or ())][-1]
    feeding = takeover.Feeding(kind, case.traffic, 100)
    try:
        feeding.served(0, None)
        feeding.await_workers()
        felt = [feeding.lose(one) for one in what]
    finally:
        feeding.close()

    assert len(felt[0]["pauses_ns"]) == 4
    assert len(felt[-1]["pauses_ns"]) >= 1
    assert all(min(one["pauses_ns"]) > 0 for one in felt)
    assert (sum(felt[-1]["lacking"]) > 0) == (what == [takeover.PROCESS])
