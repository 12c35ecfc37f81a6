"""Subscribers that are slow or never read: what they lose, and that nobody else does."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import zmq

from fanout import Again, EventKind, Publisher, Reason, SlowPolicy, SubscriberStatistics
from fanout.engine.questions import BLOCKERS_EACH
from tests.helpers.happenings import Happenings
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers.stock import Stock

PAYLOAD = bytes(1000)
GAP = b"\0fanout.gap"
SMALL: dict[str, Any] = {
    "workers": 2,
    "log_bytes": 1 << 20,
    "kernel_queue_bytes": 4096,
    "heartbeat_interval": 0,
}


def publish_to_the_limit(publisher: Publisher) -> int:
    """Publish numbered messages until there is no room; returns how many."""
    number = 0
    while True:
        payload = b"%d." % number + PAYLOAD
        number = 1 + publisher.publish(b"t%d" % (number % 2), payload, timeout=0)


def start(**options: Any) -> Publisher:
    """A publisher with little room."""
    return Publisher("tcp://127.0.0.1:*", **SMALL, **options)


def stalled(publisher: Publisher, topic: bytes = b"") -> RawPeer:
    """A subscriber that does not read, with a small window."""
    return RawPeer.version_3(publisher.endpoints[0], topic, receive_buffer=4096)


def publish_until(publisher: Publisher, condition: Callable[[], object]) -> int:
    """Publish numbered messages until the condition holds; returns how many."""
    deadline = time.monotonic() + DEADLINE_S
    published = 0
    while not condition():
        assert time.monotonic() < deadline
        for _ in range(50):
            publisher.publish(b"t%d" % (published % 2), b"%d." % published + PAYLOAD)
            published += 1
    return published


def number_of(message: list[bytes]) -> int:
    """The number of a message, if it is whole."""
    number, _, rest = message[1].partition(b".")
    assert rest == PAYLOAD
    assert message[0] == b"t%d" % (int(number) % 2)
    return int(number)


def all_counted(publisher: Publisher) -> tuple[SubscriberStatistics, ...]:
    """The statistics, when nothing is queued any more."""
    wait_until(lambda: not any(s.queued for s in publisher.subscribers()), "all is counted")
    return publisher.subscribers()


@pytest.mark.parametrize("topic", [b"", b"t1"])
def test_drop_oldest_loses_the_oldest_and_counts_them(topic: bytes) -> None:
    happenings = Happenings()
    with (
        start(slow_limit_bytes=1 << 18, on_event=happenings) as publisher,
        stalled(publisher, topic) as peer,
    ):
        publisher.wait_for_subscribers(1, topic=topic or None, timeout=DEADLINE_S)
        published = publish_until(publisher, lambda: happenings.of(EventKind.SUBSCRIBER_SLOW))
        # It is about to lose something; now it loses more than the log holds.
        for _ in range(2000):
            publisher.publish(b"t%d" % (published % 2), b"%d." % published + PAYLOAD)
            published += 1
        publisher.send_multipart([topic + b"last"])
        matching = range(1 if topic else 0, published, 2 if topic else 1)
        (slow,) = publisher.subscribers()
        assert slow.queued * len(PAYLOAD) <= 1 << 18
        assert slow.matched == len(matching) + 1
        numbers = []
        while (message := peer.read_message()) != [topic + b"last"]:
            numbers.append(number_of(message))
        assert numbers == sorted(set(numbers))
        assert len(numbers) + 1 == slow.sent + slow.queued  # it has lost nothing since
        assert set(numbers) <= set(matching)
        # The newest: all that fits well within the limit.
        kept = (1 << 17) // (len(PAYLOAD) + 20) // (2 if topic else 1)
        assert numbers[-kept:] == list(matching)[-kept:]
        (slow,) = all_counted(publisher)
        assert (slow.matched, slow.sent) == (len(matching) + 1, len(numbers) + 1)
        assert slow.dropped == len(matching) - len(numbers) > 1000 // (2 if topic else 1)
        happenings.wait_for(EventKind.SUBSCRIBER_RECOVERED)
        publisher.publish(b"t1", b"1." + PAYLOAD)
        assert number_of(peer.read_message()) == 1


def publish_in_a_batch(publisher: Publisher, count: int) -> None:
    """Publish so many at once if there is room."""
    with publisher.batch(timeout=0) as batch:
        for _ in range(count):
            batch.publish(b"t1", PAYLOAD)


@pytest.mark.unmeasured
@pytest.mark.parametrize("topic", [b"", b"t1"])
def test_block_loses_nothing(topic: bytes) -> None:
    total = 4000
    with start(slow_policy="block", send_timeout=60) as publisher, ExitStack() as stack:
        reader = stack.enter_context(stalled(publisher, topic))
        publisher.wait_for_subscribers(1, topic=topic or None, timeout=DEADLINE_S)
        with pytest.raises(Again, match="nothing was sent"):
            publish_to_the_limit(publisher)
        published = publisher.statistics().published
        (one,) = publisher.subscribers()  # it has blocked for longer than one looks back
        with pytest.raises(Again, match=f"subscriber {one.id} \\({one.peer}\\)") as caught:
            publisher.send(bytes(1 << 17), timeout=2 * BLOCKERS_EACH)
        assert caught.value.subscriber == one.id
        assert 500 < published < total
        with pytest.raises(Again):
            publish_in_a_batch(publisher, 100)
        with pytest.raises(Again):
            publisher.send(bytes(1 << 17), timeout=0.01)
        assert publisher.statistics().published == published
        wanted = list(range(1 if topic else 0, total, 2 if topic else 1))
        numbers: list[int] = []
        while published < total:
            payload = b"%d." % published + PAYLOAD
            try:
                assert publisher.publish(b"t%d" % (published % 2), payload, timeout=0) == published
                published += 1
            except Again:
                numbers.append(number_of(reader.read_message()))
        while len(numbers) < len(wanted):
            numbers.append(number_of(reader.read_message()))
        assert numbers == wanted
        (only,) = all_counted(publisher)
        assert (only.matched, only.sent, only.dropped) == (len(wanted), len(wanted), 0)


def test_of_several_who_block_each_is_named_until_it_is_let_go() -> None:
    """One gets another policy, one is sent away, one leaves; who may not block is never named."""
    with start(slow_policy="block", send_timeout=60) as publisher, ExitStack() as stack:
        peers = {}
        for count in range(1, 5):
            peer = stack.enter_context(stalled(publisher))
            publisher.wait_for_subscribers(count, timeout=DEADLINE_S)
            peers[max(one.id for one in publisher.subscribers())] = peer
        declined = min(peers)  # as if it had asked for `block` and not got it
        publisher.set_slow_policy(declined, "drop_newest")
        named: list[int] = []
        with pytest.raises(Again):
            publish_to_the_limit(publisher)
        deadline = time.monotonic() + DEADLINE_S
        while len(named) < 3:
            assert time.monotonic() < deadline, f"{named} of {peers.keys()} were named"
            with pytest.raises(Again) as caught:
                publish_in_a_batch(publisher, 100)
            who = caught.value.subscriber
            if who is None:  # its worker has not written it down yet
                continue
            assert who not in named, "it does not block any more"
            named.append(who)
            if len(named) == 1:
                publisher.set_slow_policy(who, "drop_oldest")
                wait_until(partial(has_action, publisher, who, "drop_oldest"), "it has that")
            elif len(named) == 2:
                publisher.disconnect(who)
                wait_until(partial(has_action, publisher, who, ""), "it is away")
            else:
                peers[who].close()
        assert set(named) == peers.keys() - {declined}
        publisher.send(bytes(1 << 17), timeout=DEADLINE_S)


def has_action(publisher: Publisher, subscriber: int, action: str) -> bool:
    """Whether this happens to it when it is behind; empty = it has left."""
    found = [one.policy.action for one in publisher.subscribers() if one.id == subscriber]
    return found == ([action] if action else [])


def test_block_waits_for_subscribers_that_match_only() -> None:
    with (
        start(slow_policy="block", send_timeout=60) as publisher,
        stalled(publisher, b"other") as silent,
        stalled(publisher, b"t") as reader,
    ):
        publisher.wait_for_subscribers(1, topic=b"t", timeout=DEADLINE_S)
        publisher.wait_for_subscribers(1, topic=b"other", timeout=DEADLINE_S)
        for number in range(5000):
            publisher.publish(b"t%d" % (number % 2), b"%d." % number + PAYLOAD, timeout=DEADLINE_S)
            assert number_of(reader.read_message()) == number
        publisher.publish(b"other", b"")
        assert silent.read_message() == [b"other", b""]


def test_block_goes_on_when_the_slowest_is_evicted() -> None:
    with start(slow_policy="block", send_timeout=0.3) as publisher, stalled(publisher):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        for number in range(3000):
            publisher.publish(b"t", b"%d." % number + PAYLOAD, timeout=DEADLINE_S)
        assert publisher.statistics().evicted == 1
        assert publisher.subscribers() == ()


@pytest.mark.unmeasured
def test_one_that_never_reads_is_evicted_and_twenty_others_lose_nothing() -> None:
    happenings = Happenings()
    # It can lose something long before its time is up: a limit of two slices, two seconds. A slice
    # is more than half of the limit: whoever is behind by one would be reported, harmed or not.
    policy = SlowPolicy(limit_bytes=1 << 15, soft=1.0)
    small = start(slow_policy=policy, send_timeout=2.0, on_event=happenings)
    with small as publisher, ExitStack() as stack:
        silent = stack.enter_context(stalled(publisher))
        name = f"127.0.0.1:{silent.socket.getsockname()[1]}"
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        healthy = [
            stack.enter_context(RawPeer.version_3(publisher.endpoints[0], b"")) for _ in range(20)
        ]
        publisher.wait_for_subscribers(21, timeout=DEADLINE_S)
        published = 0
        named: tuple[str, ...] = ()
        while not happenings.of(EventKind.SUBSCRIBER_EVICTED):
            for _ in range(20):
                publisher.publish(b"t%d" % (published % 2), b"%d." % published + PAYLOAD)
                published += 1
            for peer in healthy:
                assert [number_of(peer.read_message()) for _ in range(20)] == list(
                    range(published - 20, published)
                )
            named = named or tuple(s.peer for s in publisher.subscribers() if s.blocked_s)
        assert named == (name,)
        (evicted,) = happenings.of(EventKind.SUBSCRIBER_EVICTED)
        assert (evicted.peer, evicted.dropped > 0) == (name, True)
        assert "send_timeout" in evicted.reason
        assert evicted.subscriber is not None
        slow = happenings.of(EventKind.SUBSCRIBER_SLOW)
        assert {event.peer for event in slow} == {name}
        rest = all_counted(publisher)
        assert len(rest) == 20
        assert {(s.sent, s.dropped) for s in rest} == {(published, 0)}
        total = publisher.statistics()
        assert total.evicted == 1
        assert total.dropped == evicted.dropped
        taken = total.sent - 20 * published
        assert published - 20 <= taken + total.dropped + total.discarded <= published
        silent.read_to_end()  # what was in flight, and then the end


def test_who_stands_still_while_the_log_has_all_it_wants_is_reported_and_loses_nothing() -> None:
    """Its program is in a debugger, or collects garbage; the feed is slow enough."""
    happenings = Happenings()
    with start(send_timeout=0.3, on_event=happenings) as publisher, stalled(publisher) as peer:
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        published = publish_until(publisher, lambda: publisher.subscribers()[0].blocked_s)
        (event,) = happenings.wait_for(EventKind.SUBSCRIBER_STALLED)
        assert re.fullmatch(r"has taken nothing for \d+\.\d s", event.reason)
        assert event.peer == f"127.0.0.1:{peer.socket.getsockname()[1]}"
        wait_until(lambda: publisher.subscribers()[0].blocked_s > 3 * 0.3, "three timeouts passed")

        for number in range(published):
            assert number_of(peer.read_message()) == number
        happenings.wait_for(EventKind.SUBSCRIBER_RECOVERED)
        assert not happenings.of(EventKind.SUBSCRIBER_EVICTED)
        assert not happenings.of(EventKind.SUBSCRIBER_SLOW)
        assert publisher.statistics().dropped == 0


def test_who_stands_still_for_longer_is_evicted_and_told_what_it_lost() -> None:
    happenings = Happenings()
    with (
        start(send_timeout=0.5, stall_timeout=2.0, on_event=happenings) as publisher,
        stalled(publisher),
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        publish_until(publisher, lambda: publisher.subscribers()[0].blocked_s)
        (evicted,) = happenings.wait_for(EventKind.SUBSCRIBER_EVICTED)
        assert evicted.cause is Reason.STALL_TIMEOUT
        assert (evicted.dropped, evicted.discarded > 0) == (0, True)
        assert happenings.of(EventKind.SUBSCRIBER_STALLED)


def test_a_slow_subscriber_may_change_its_subscriptions() -> None:
    with start(slow_limit_bytes=1 << 18) as publisher, stalled(publisher, b"t0") as peer:
        publisher.wait_for_subscribers(1, topic=b"t0", timeout=DEADLINE_S)
        published = publish_until(
            publisher, lambda: any(one.blocked_s for one in publisher.subscribers())
        )
        # Subscriptions change at the front of its worker, which may be behind the head.
        wait_until(
            lambda: [one.matched for one in publisher.subscribers()] == [published // 2],
            "the front is the head",
        )
        peer.send(b"\x04\x0c\x09SUBSCRIBEt1" + b"\x04\x09\x06CANCELt0")
        publisher.wait_for_subscribers(1, topic=b"t1", timeout=DEADLINE_S)
        wait_until(lambda: not publisher.has_subscribers(b"t0"), "the cancellation is seen")
        for number in range(published, published + 50):
            publisher.publish(b"t%d" % (number % 2), b"%d." % number + PAYLOAD)
        numbers = [number_of(peer.read_message()) for _ in range(published // 2 + 25)]
        before, after = numbers[:-25], numbers[-25:]
        assert before == list(range(0, published, 2))
        assert after == [n for n in range(published, published + 50) if n % 2]
        (only,) = all_counted(publisher)
        assert (only.matched, only.sent, only.dropped) == (len(numbers), len(numbers), 0)


def test_a_stock_subscriber_is_told_of_exactly_what_it_has_lost(stock: Stock) -> None:
    """It reads nothing, loses messages, reads again: markers and messages make up all there was."""
    with start(slow_limit_bytes=1 << 17) as publisher:  # of its own: half of all there is
        small = {zmq.RCVHWM: 1, zmq.RCVBUF: 4096}
        subscriber = stock.connect(publisher.endpoints[0], GAP, b"t1", options=small)
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        (before,) = publisher.subscribers()
        published = publish_until(publisher, lambda: publisher.subscribers()[0].dropped > 50)
        last = publisher.publish(b"t1", b"%d.last" % published)

        expected, markers = 1, 0
        while expected <= last:
            topic, body = subscriber.recv_multipart()
            if topic == GAP:
                marker = msgpack.unpackb(body)
                lost = range(marker["first"], marker["last"] + 1, 2)  # of its own, those on t1
                assert (marker["first"], marker["count"]) == (expected, len(lost))
                assert marker["reason"] == Reason.LAG.label
                assert marker["epoch"] > 0
                expected, markers = marker["last"] + 2, markers + 1
                continue
            number = int(body.partition(b".")[0])
            assert number == min(expected, published)
            expected = last + 1 if body.endswith(b".last") else expected + 2

        (after,) = all_counted(publisher)
        assert markers > 0
        assert after.dropped > 50
        assert (before.dropped, after.subscriptions) == (0, 1)
