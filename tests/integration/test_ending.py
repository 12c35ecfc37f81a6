"""drain(), close(), stop(): what was delivered, what was not, and that nothing is left."""

from __future__ import annotations

import asyncio
import gc
import math
import threading
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

import fanout.asyncio
from fanout import EventKind, Options, Publisher
from tests.helpers.happenings import Happenings
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from fanout import SubscriberStatistics, Undelivered

COUNT = 500
PAYLOAD = bytes(1000)


def start(**options: Any) -> Publisher:
    """A publisher whose subscribers' kernel queues are small."""
    return Publisher(
        "tcp://127.0.0.1:*", workers=2, log_bytes=1 << 22, kernel_queue_bytes=4096, **options
    )


def stalled(publisher: Publisher) -> RawPeer:
    """A subscriber that does not read."""
    return RawPeer.version_3(publisher.endpoints[0], b"", receive_buffer=4096)


def publish(publisher: Publisher) -> None:
    for number in range(COUNT):
        publisher.publish(b"t", b"%d." % number + PAYLOAD)


def read_all(peer: RawPeer) -> list[int]:
    """Numbers of the messages until the publisher closes the connection."""
    return [int(peer.read_message()[1].split(b".")[0]) for _ in range(COUNT)]


def test_drain_waits_for_delivery() -> None:
    with start() as publisher, stalled(publisher) as peer:
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        publish(publisher)
        (undelivered,) = publisher.drain(timeout=0.05)
        (slow,) = publisher.subscribers()
        assert undelivered.subscriber == slow.id
        assert undelivered.peer == slow.peer
        assert 0 < slow.queued <= undelivered.messages < COUNT
        results: list[tuple[Undelivered, ...]] = []
        draining = threading.Thread(
            target=lambda: results.append(publisher.drain(timeout=DEADLINE_S))
        )
        draining.start()
        assert read_all(peer) == list(range(COUNT))
        draining.join(DEADLINE_S)
        assert results == [()]
        assert publisher.drain(timeout=0) == ()
        publisher.publish(b"t", b"0.more")  # it goes on
        assert peer.read_message() == [b"t", b"0.more"]


def test_drain_without_subscribers_is_at_once() -> None:
    with start() as publisher:
        publish(publisher)
        assert publisher.drain(timeout=0) == ()


def test_close_delivers_what_is_queued() -> None:
    publisher = start()
    with stalled(publisher) as peer, RawPeer.version_3(publisher.endpoints[0], b"") as other:
        publisher.wait_for_subscribers(2, timeout=DEADLINE_S)
        publish(publisher)
        results: list[tuple[Undelivered, ...]] = []
        closing = threading.Thread(
            target=lambda: results.append(publisher.close(timeout=DEADLINE_S))
        )
        closing.start()
        assert read_all(peer) == read_all(other) == list(range(COUNT))
        assert peer.read_to_end() == other.read_to_end() == b""
        closing.join(DEADLINE_S)
    assert results == [()]
    assert publisher.closed


def blocked(publisher: Publisher) -> list[SubscriberStatistics]:
    """Those that stand still, if what the others have read is known."""
    queued = [one for one in publisher.subscribers() if one.queued]
    return queued if all(one.blocked_s for one in queued) and len(queued) == 1 else []


def test_close_names_those_that_did_not_take_it() -> None:
    happenings = Happenings()
    publisher = start(on_event=happenings)
    with stalled(publisher) as peer, RawPeer.version_3(publisher.endpoints[0], b"") as other:
        publisher.wait_for_subscribers(2, timeout=DEADLINE_S)
        publish(publisher)
        assert read_all(other) == list(range(COUNT))
        (slow,) = wait_until(partial(blocked, publisher), "one of them is stalled")
        result = publisher.close(timeout=0.2)
        (undelivered,) = result
        assert (undelivered.subscriber, undelivered.peer) == (slow.id, slow.peer)
        assert 0 < undelivered.messages < COUNT
        assert undelivered.kernel_bytes > 0
        assert publisher.close() == publisher.stop() == result
        assert other.read_to_end() == b""
        peer.read_to_end()
    assert len(happenings.wait_for(EventKind.SUBSCRIBER_DISCONNECTED, 2)) == 2


def test_stop_ends_at_once_and_says_what_was_queued() -> None:
    publisher = start(drain_timeout=60)
    with stalled(publisher) as peer:
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        publish(publisher)
        wait_until(lambda: publisher.subscribers()[0].blocked_s, "it is stalled")
        (undelivered,) = publisher.stop()
        assert 0 < undelivered.messages < COUNT
        peer.read_to_end()


def test_the_block_closes_also_when_it_fails() -> None:
    with pytest.raises(RuntimeError, match="meant"), start() as publisher:
        raise RuntimeError("meant")
    assert publisher.closed
    assert repr(publisher) == "<fanout.Publisher closed>"


def test_a_block_logs_whom_it_leaves_without_everything(caplog: pytest.LogCaptureFixture) -> None:
    publisher = start(drain_timeout=0.1)
    with stalled(publisher), publisher:
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        publish(publisher)
        (slow,) = wait_until(partial(blocked, publisher), "it is stalled")
        publisher.__exit__(None, None, None)  # what the end of the block does, while it is there
    (undelivered,) = publisher.close()
    told = [one.getMessage() for one in caplog.records if "block has ended" in one.getMessage()]
    assert len(told) == 1
    assert f"subscriber {slow.id} ({slow.peer}): {undelivered.messages} messages queued" in told[0]
    assert "within 0.1 s (drain_timeout)" in told[0]


def test_who_has_closed_it_in_the_block_is_not_told_once_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    publisher = start()
    with stalled(publisher), publisher:
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        publish(publisher)
        wait_until(partial(blocked, publisher), "it is stalled")
        assert publisher.stop()
    assert "block has ended" not in caplog.text


def test_an_async_block_logs_it_too(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        options = Options(workers=1, log_bytes=1 << 20, kernel_queue_bytes=4096, drain_timeout=0.1)
        async with fanout.asyncio.Publisher("tcp://127.0.0.1:*", options=options) as publisher:
            peers.append(RawPeer.version_3(publisher.endpoints[0], b"", receive_buffer=4096))
            await publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            for number in range(COUNT):
                await publisher.publish(b"t", b"%d." % number + PAYLOAD)

    peers: list[RawPeer] = []
    asyncio.run(run())
    peers[0].close()
    assert caplog.text.count("block has ended") == 1


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    gc.collect()
    process = psutil.Process()
    shared = set(Path("/dev/shm").iterdir())
    descriptors, threads = process.num_fds(), threading.enumerate()
    children = process.children(recursive=True)
    for _ in range(3):
        with start() as publisher:
            publisher.bind(f"ipc://{tmp_path}/feed.sock")
            with RawPeer.version_3(publisher.endpoints[1], b"") as peer:
                publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
                publisher.publish(b"t", b"")
                peer.read_message()
        del publisher
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    assert set(Path("/dev/shm").iterdir()) <= shared
    wait_until(lambda: process.num_fds() == descriptors, "the end of all descriptors")
    assert set(threading.enumerate()) <= set(threads)  # one of an earlier test may end meanwhile
    assert set(process.children(recursive=True)) <= set(children)


def test_an_unclosed_publisher_warns_and_ends() -> None:
    publisher = start()
    name = repr(publisher)
    workers = [psutil.Process(worker.pid) for worker in publisher.statistics().workers]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del publisher
        gc.collect()
    found = [(w.category, str(w.message)) for w in caught if "fanout" in str(w.message)]
    caught.clear()  # a recorded warning keeps what it is about alive
    assert found == [(ResourceWarning, f"unclosed {name}")]
    gone, alive = psutil.wait_procs(workers, timeout=DEADLINE_S)
    assert (len(gone), alive) == (2, [])


@pytest.mark.parametrize("end", ["stop", "close"])
def test_connections_are_closed_over_time_and_the_rest_at_once_by_another_call(end: str) -> None:
    publisher = start()
    (endpoint,) = publisher.endpoints
    peers = [RawPeer.version_3(endpoint, b"t") for _ in range(6)]
    publisher.wait_for_subscribers(6, timeout=DEADLINE_S)
    connections = publisher._engine._coordinator.state.roster.connections
    publisher.publish(b"t", b"last")
    results: list[tuple[Undelivered, ...]] = []
    closing = threading.Thread(target=lambda: results.append(publisher.close(spread=3_600)))
    closing.start()
    wait_until(lambda: len(connections) < 6, "the first end")
    for peer in peers:
        assert peer.read_message() == [b"t", b"last"]
    assert closing.is_alive()
    assert len(connections) in (4, 5), "the first of each worker"
    left = publisher.stop() if end == "stop" else publisher.close(math.inf)
    closing.join(DEADLINE_S)
    assert results == [left]
    assert all(one.messages == 0 for one in left), "but what was not acknowledged just then"
    for peer in peers:
        assert peer.read_to_end() == b""
        peer.close()


@pytest.mark.parametrize("wrong", [-1, 86_401, float("nan"), None, True, "1"])
def test_what_is_no_time_to_close_over_is_refused(wrong: Any) -> None:
    with Publisher(workers=1) as publisher, pytest.raises((TypeError, ValueError), match="spread"):
        publisher.close(spread=wrong)
