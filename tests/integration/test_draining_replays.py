"""drain() while somebody is sent what it had missed: who is named, and whether that is all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fanout import LastValues, Publisher, SubscriberStatistics, Undelivered
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 4_000


@pytest.fixture(params=["tcp", "ipc"])
def endpoint(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "tcp://127.0.0.1:*" if request.param == "tcp" else f"ipc://{tmp_path}/feed"


def start(endpoint: str, **options: Any) -> Publisher:
    """A publisher whose subscribers' kernel queues are small, with something in its log."""
    options = {"workers": 1, "log_bytes": 8 << 20, "kernel_queue_bytes": 1 << 16, **options}
    publisher = Publisher(endpoint, **options)
    for number in range(COUNT):
        publisher.publish(b"%c%d" % (b"AB"[number % 2], number), bytes(480))
    return publisher


def comes(publisher: Publisher, *topics: bytes) -> RawPeer:
    """A subscriber that does not read, and has been sent a part of what it asks for."""
    peer = RawPeer.version_3(publisher.endpoints[0], *topics, receive_buffer=4096)
    wait_until(lambda: any(one.sent for one in publisher.subscribers()), "it has begun")
    return peer


def drained(publisher: Publisher) -> tuple[Undelivered, SubscriberStatistics]:
    """What a drain in vain says of who does not read, and its figures, both of one moment.

    What the kernel takes may grow by a little for some time.
    """

    def at_rest() -> tuple[Undelivered, SubscriberStatistics] | None:
        (before,) = publisher.subscribers()
        (early,) = publisher.drain(0.05)
        (after,) = publisher.subscribers()
        is_same = (before.sent, before.queued) == (after.sent, after.queued)
        return (early, after) if is_same else None

    found = wait_until(at_rest, "nothing more is sent")
    assert found is not None
    return found


def test_more_is_to_come_than_is_counted_of_a_replay(endpoint: str) -> None:
    """It is looked for, and counted, as it is come to."""
    with start(endpoint) as publisher, comes(publisher, b"\x00fanout.since=-3600s", b"A") as peer:
        early, one = drained(publisher)

        assert early.subscriber == one.id
        assert one.queued <= early.messages < COUNT // 2 - one.sent
        assert not early.exact
        for _ in range(COUNT // 2):
            peer.read_message()
        assert publisher.drain(DEADLINE_S) == ()


def test_all_of_a_replay_of_everything_is_counted_at_once(endpoint: str) -> None:
    with start(endpoint) as publisher, comes(publisher, b"\x00fanout.since=-3600s", b"") as peer:
        early, one = drained(publisher)

        assert (early.messages, early.exact) == (COUNT - one.sent, True)
        for _ in range(COUNT):
            peer.read_message()
        assert publisher.drain(DEADLINE_S) == ()


def test_last_values_that_are_still_to_come_are_waited_for(endpoint: str) -> None:
    """None of them is queued: they are looked for as there is room."""
    values = LastValues()
    with start(endpoint, last_values=values) as publisher, comes(publisher, b"A") as peer:
        (early,) = publisher.drain(0.05)

        assert not early.exact
        for _ in range(COUNT // 2):
            peer.read_message()
        assert publisher.drain(DEADLINE_S) == ()
