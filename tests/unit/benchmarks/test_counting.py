"""Receivers count exactly: a byte too few or too many makes a run invalid."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from benchmarks.peers import PEERS
from benchmarks.peers.fanout import BATCH_BYTES, messages_per_batch
from benchmarks.receiver import Crowd
from benchmarks.session import (
    FIRST_BYTES,
    FIRST_COUNT,
    InvalidRun,
    Session,
    check_pace,
    first_count,
)
from benchmarks.traffic import LAST_MARK, PROBE_MARK, Traffic
from fanout.options import Options

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGE_BYTES = 1000
SECONDS = 5.0


class Sender:
    """A publisher by hand: one accepted connection for each subscriber."""

    def __init__(self, subscribers: int, stalled: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.crowd = Crowd(Traffic(subscribers, 16, stalled=stalled))
        port = self._listener.getsockname()[1]
        self.crowd.connect([f"127.0.0.1:{port}"], "plain")
        self.peers = [self._listener.accept()[0] for _ in range(subscribers)]
        self.stalled = [self._listener.accept()[0] for _ in range(stalled)]

    def send(self, *sizes: int) -> None:
        """Sends so many bytes to each subscriber."""
        for peer, size in zip(self.peers, sizes, strict=True):
            peer.sendall(bytes(size))

    def close(self) -> None:
        for each in (self._listener, *self.peers, *self.stalled, *self.crowd.sockets):
            each.close()


@pytest.fixture
def sender() -> Iterator[Sender]:
    made = Sender(2)
    yield made
    made.close()


def _verdict(sender: Sender, *sizes: int, chatter: int = 0, seconds: float = SECONDS) -> str:
    sender.crowd.expect([MESSAGE_BYTES, MESSAGE_BYTES])
    sender.send(*sizes)
    sender.crowd.count(time.monotonic() + seconds, traced=False)
    sender.crowd.settle()
    return sender.crowd.verdict(chatter)


def test_exactly_the_bytes_expected_count(sender: Sender) -> None:
    assert _verdict(sender, MESSAGE_BYTES, MESSAGE_BYTES) == ""


def test_a_byte_too_few_does_not_count(sender: Sender) -> None:
    found = _verdict(sender, MESSAGE_BYTES, MESSAGE_BYTES - 1, seconds=0.2)
    assert found == "1 subscribers got too little, 1 bytes in all"


def test_a_byte_too_many_does_not_count(sender: Sender) -> None:
    found = _verdict(sender, MESSAGE_BYTES + 1, MESSAGE_BYTES)
    assert found == "1 subscribers got too much, 1 bytes in all"


def test_one_keep_alive_of_the_peer_is_no_surplus(sender: Sender) -> None:
    assert _verdict(sender, MESSAGE_BYTES + 6, MESSAGE_BYTES, chatter=6) == ""


def test_a_closed_subscriber_does_not_count(sender: Sender) -> None:
    sender.peers[1].close()
    sender.crowd.expect([MESSAGE_BYTES, MESSAGE_BYTES])
    sender.peers[0].sendall(bytes(MESSAGE_BYTES))
    sender.crowd.count(time.monotonic() + SECONDS, traced=False)
    assert sender.crowd.verdict(0) == "1 subscribers were closed by the publisher"


def test_one_that_stalls_must_stay_whatever_it_has_not_read() -> None:
    """Else the others would be measured beside fewer of them."""
    sender = Sender(2, stalled=1)
    try:
        sender.stalled[0].sendall(bytes(MESSAGE_BYTES))
        assert _verdict(sender, MESSAGE_BYTES, MESSAGE_BYTES) == ""
        sender.stalled[0].close()
        found = _verdict(sender, MESSAGE_BYTES, MESSAGE_BYTES)
        assert found == "1 subscribers that stall were closed by the publisher"
    finally:
        sender.close()


def test_a_probe_is_seen_across_two_reads(sender: Sender) -> None:
    def send_halves() -> None:
        for peer in sender.peers:
            peer.sendall(b"..." + PROBE_MARK[:5])
        for peer in sender.peers:
            peer.sendall(PROBE_MARK[5:] + b"...")

    thread = threading.Thread(target=send_halves)
    thread.start()
    assert sender.crowd.await_probe(time.monotonic() + SECONDS)["subscribed"]
    thread.join()


def test_who_has_seen_its_probe_is_read_again_only_when_all_have(sender: Sender) -> None:
    """Its further probes would cost the harness more than the storm costs the publisher."""
    first, second = sender.peers
    first.sendall(PROBE_MARK)
    assert not sender.crowd.await_probe(time.monotonic() + 0.2)["subscribed"]
    before = time.monotonic_ns()
    second.sendall(PROBE_MARK)
    answer = sender.crowd.await_probe(time.monotonic() + SECONDS)

    assert answer["subscribed"]
    assert answer["began_ns"] < before < answer["served_ns"] < time.monotonic_ns()
    assert _verdict(sender, MESSAGE_BYTES, MESSAGE_BYTES) == "", "both are read"


def test_probes_that_come_late_are_not_counted(sender: Sender) -> None:
    """A starved publisher may have been silent for any time: only the last one says it was all."""
    deadline = time.monotonic() + SECONDS
    for peer in sender.peers:
        peer.sendall(PROBE_MARK)
    assert sender.crowd.await_probe(deadline)["subscribed"]
    assert not sender.crowd.await_probe(time.monotonic() + 0.05, LAST_MARK)["subscribed"]
    for peer in sender.peers:
        peer.sendall(PROBE_MARK + LAST_MARK)
    assert sender.crowd.await_probe(deadline, LAST_MARK)["subscribed"]
    assert _verdict(sender, MESSAGE_BYTES, MESSAGE_BYTES) == ""


def test_a_session_begins_when_all_have_seen_the_last_probe() -> None:
    calls = mock.Mock()
    calls.poll_probed.side_effect = [None, True, None, True]
    with (
        mock.patch("benchmarks.session.HostedPeer", return_value=calls),
        mock.patch("benchmarks.session.Audience", return_value=calls),
    ):
        Session(PEERS["limit"], FIREHOSE)
    asked = [call for call in calls.mock_calls if "prob" in call[0]]
    assert asked[-5:] == [
        mock.call.poll_probed(),
        mock.call.await_probe("last"),
        mock.call.probe(last=True),
        *[mock.call.poll_probed()] * 2,
    ]


@pytest.mark.parametrize(
    ("window", "counted", "first"), [((0, None), [10, 20, 30], 0), ((11, 20), [20], 1)]
)
def test_what_was_sent_outside_of_the_window_does_not_count(
    window: tuple[int, int | None], counted: list[int], first: int
) -> None:
    session: Any = mock.Mock()
    session.peer.paced.return_value = [10, 20, 30]

    Session.end_paced(session, 1e8, *window)

    session._audience.latencies.assert_called_once_with(counted, first)


def test_a_pace_that_was_not_kept_does_not_count() -> None:
    check_pace([0, 100_000_000, 200_000_000], 10)
    with pytest.raises(InvalidRun, match="pace"):
        check_pace([0, 100_000_000, 300_000_000], 10)


WATCHLISTS = Traffic(3, 64, topics=4, watched=2)
FIREHOSE = Traffic(3, 64)


@pytest.mark.parametrize(
    ("name", "traffic"),
    [
        ("limit", FIREHOSE),  # it matches nothing: everyone gets everything
        ("libzmq-1io", WATCHLISTS),
        ("fanout", WATCHLISTS),
        ("fanout-batch", FIREHOSE),
        ("libzmq-curve-1io", FIREHOSE),
        ("fanout-curve", FIREHOSE),
        ("fanout-tls", FIREHOSE),
    ],
)
def test_a_whole_session_counts_every_delivery(name: str, traffic: Traffic) -> None:
    with Session(PEERS[name], traffic) as session:
        run = session.run(10)
        assert session.peer.processes.members()
    assert run.messages == 10
    assert run.deliveries == sum(traffic.matches(10))
    assert not session.peer.processes.members()


@pytest.mark.parametrize("subscribers", [10, 100, 1000, 5000])
@pytest.mark.parametrize("size", [32, 128, 1024, 16 * 1024, 256 * 1024])
def test_a_warm_up_begins_small_whatever_is_asked_for(subscribers: int, size: int) -> None:
    traffic = Traffic(subscribers, size)
    count = first_count(traffic)
    assert 1 <= count <= FIRST_COUNT
    assert count == 1 or count * traffic.bytes_per_message <= FIRST_BYTES


def test_a_warm_up_of_small_messages_is_not_cut() -> None:
    assert first_count(Traffic(1000, 128)) == FIRST_COUNT


def test_batches_of_large_messages_fit_the_log() -> None:
    traffic = Traffic(2, 256 * 1024)
    count = Options().max_message_bytes // traffic.payload_bytes + 1  # more than one batch may take
    with Session(PEERS["fanout-batch"], traffic) as session:
        assert session.run(count).deliveries == 2 * count


@pytest.mark.parametrize(
    ("most", "message_bytes", "expected"),
    [
        (512, 140, 512),
        (512, BATCH_BYTES // 4, 4),
        (512, BATCH_BYTES // 4 + 1, 3),
        (512, 2 * BATCH_BYTES, 1),
        (0, 140, 0),
    ],
)
def test_a_batch_is_bounded_in_messages_and_in_bytes(
    most: int, message_bytes: int, expected: int
) -> None:
    assert messages_per_batch(most, message_bytes) == expected
