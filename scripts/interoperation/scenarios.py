"""What every engine must do; each scenario has a publisher and a subscriber of its own."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from fanout import EventKind, Publisher
from interoperation.foreign import Failed, Foreign
from interoperation.messages import describe, number_of, numbered, of_all_shapes, wrong
from interoperation.securing import (
    curve,
    curve_denied,
    curve_null,
    curve_wrong_server,
    plain,
    plain_null,
    plain_wrong,
)
from interoperation.steps import RETRY_S, SECONDS, deliver, expect, subscribe, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout import Event
    from interoperation.steps import Command

HEARTBEAT_S = 0.3
IDLE_S = 5 * HEARTBEAT_S
SMALL_MESSAGES = 20_000
SLOW_MESSAGES, SLOW_BYTES = 4_000, 10_000  # 40 MB: more than queues and kernels hold
SLOW_LOG_BYTES = 8 << 20
PAUSE_S = 1.5  # below `send_timeout`: nobody may be evicted
MIB = 1 << 20


def _cancel(publisher: Publisher, subscriber: Foreign, prefix: str) -> None:
    subscriber.tell(f"cancel {prefix}")
    topic = prefix.encode() or b"no topic that is subscribed"
    until(lambda: not publisher.has_subscribers(topic), f"cancelling {prefix!r}")


def _publish(publisher: Publisher, topics: str) -> list[str]:
    """One message on each topic; returns how those in capitals are described."""
    expected = []
    for topic in topics.split():
        message = [topic.lower().encode(), b"of " + topic.encode()]
        publisher.send_multipart(message)
        if topic.isupper():
            expected.append(describe(message))
    return expected


def subscriptions(command: Command) -> None:
    """Prefixes, several of them, a cancelled one, and the empty one."""
    with (
        Publisher("tcp://127.0.0.1:*") as publisher,
        Foreign(command, publisher.endpoints[0]) as it,
    ):
        subscribe(publisher, it, "a", "bc")
        expect(it, _publish(publisher, "A1 b BC2 c A3 d BC"))
        _cancel(publisher, it, "a")
        expect(it, _publish(publisher, "a4 BC5 a6 BC7"))
        subscribe(publisher, it, "")
        expect(it, _publish(publisher, "X1 BC8 A9 Z"))
        _cancel(publisher, it, "")
        expect(it, _publish(publisher, "x2 BC9 a9 BC"))


def messages(command: Command) -> None:
    """Frames of 0 bytes to 1 MiB, and many small messages: each once, in order."""
    with (
        Publisher("tcp://127.0.0.1:*", slow_policy="block") as publisher,
        Foreign(command, publisher.endpoints[0]) as it,
    ):
        subscribe(publisher, it, "n")
        deliver(publisher, it, of_all_shapes())
        deliver(publisher, it, (numbered(number, 50) for number in range(SMALL_MESSAGES)))


def heartbeats(command: Command) -> None:
    """Stays connected when all is quiet, and when it is not; no message that was not published."""
    with (
        Publisher("tcp://127.0.0.1:*", heartbeat_interval=HEARTBEAT_S) as publisher,
        Foreign(command, publisher.endpoints[0]) as it,
    ):
        subscribe(publisher, it, "n")
        connected = [one.id for one in publisher.subscribers()]
        time.sleep(IDLE_S)
        expected = []
        for number in range(int(IDLE_S / RETRY_S)):
            message = numbered(number, 50)
            publisher.send_multipart(message)
            expected.append(describe(message))
            time.sleep(RETRY_S)
        try:
            received = it.wait_for(expected[-1], SECONDS / 3)
        except Failed:
            received = it.take()
        if text := wrong(received, expected):
            raise Failed(f"{text}; it said: {it.said()}")
        if [one.id for one in publisher.subscribers()] != connected:
            raise Failed(f"it has connected again; it said: {it.said()}")


def restart(command: Command) -> None:
    """Comes back by itself, with its subscriptions, when the publisher does."""
    with Publisher("tcp://127.0.0.1:*") as publisher:
        endpoint = publisher.endpoints[0]
        it = Foreign(command, endpoint)
        with it:
            subscribe(publisher, it, "a", "bc")
            expect(it, _publish(publisher, "A1 BC2"))
            publisher.close()
            with Publisher(endpoint) as again:
                until(lambda: again.has_subscribers(b"a"), "coming back for 'a'")
                until(lambda: again.has_subscribers(b"bc"), "coming back for 'bc'")
                expect(it, _publish(again, "A3 b BC4"))


def slow_drop_oldest(command: Command) -> None:
    """A reader that pauses loses its oldest messages, exactly those that are counted."""
    with (
        Publisher("tcp://127.0.0.1:*", log_bytes=SLOW_LOG_BYTES) as publisher,
        Foreign(command, publisher.endpoints[0]) as it,
    ):
        subscribe(publisher, it, "n")
        it.tell("stop")
        described = [""] * SLOW_MESSAGES
        for number in range(SLOW_MESSAGES):
            message = numbered(number, SLOW_BYTES)
            described[number] = describe(message)
            publisher.send_multipart(message)
            if number % 100 == 0:
                time.sleep(PAUSE_S * 100 / SLOW_MESSAGES)
        it.tell("go")
        received = it.wait_for(described[-1], SECONDS)
        (row,) = publisher.subscribers()
        numbers = [number_of(message) for message in received]
        if [described[number] for number in numbers] != received:
            raise Failed("a message is not as it was published")
        if sorted(set(numbers)) != numbers:
            raise Failed("messages came twice, or not in order")
        if len(numbers) + row.dropped != SLOW_MESSAGES:
            raise Failed(f"{len(numbers):,} came, {row.dropped:,} are counted as dropped")


def slow_block(command: Command) -> None:
    """A reader that pauses holds the publisher up, and loses nothing."""
    with (
        Publisher("tcp://127.0.0.1:*", log_bytes=SLOW_LOG_BYTES, slow_policy="block") as publisher,
        Foreign(command, publisher.endpoints[0]) as it,
    ):
        subscribe(publisher, it, "n")
        it.tell("stop")
        going = threading.Timer(PAUSE_S, it.tell, ("go",))
        going.start()
        deliver(publisher, it, (numbered(number, SLOW_BYTES) for number in range(SLOW_MESSAGES)))
        going.join()


def end(command: Command) -> None:
    """Ends by itself; the publisher sees it leave, and evicts nobody."""
    happened: list[Event] = []
    with (
        Publisher("tcp://127.0.0.1:*", on_event=happened.append) as publisher,
        Foreign(command, publisher.endpoints[0]) as it,
    ):
        subscribe(publisher, it, "a")
        expect(it, _publish(publisher, "A1"))
        status = it.end()
        if status:
            raise Failed(f"exit status {status}; it said: {it.said()}")
        until(lambda: not publisher.subscribers(), "leaving")
        left = EventKind.SUBSCRIBER_DISCONNECTED
        until(lambda: any(event.kind is left for event in happened), "an event of its leaving")
        if publisher.statistics().evicted:
            raise Failed(f"it was evicted: {happened[-1]}")


# What comes of one is said beside "ok", if there is something to say.
SCENARIOS: dict[str, Callable[[Command], str | None]] = {
    scenario.__name__.replace("_", "-"): scenario
    for scenario in (
        *(subscriptions, messages, heartbeats, restart),
        *(slow_drop_oldest, slow_block, end),
        *(plain, plain_wrong, plain_null),
        *(curve, curve_denied, curve_wrong_server, curve_null),
    )
}

# Who has no such mechanism cannot do it. As a peer without one he can be refused for that.
NEEDS = {
    **dict.fromkeys(("plain", "plain-wrong"), "PLAIN"),
    **dict.fromkeys(("curve", "curve-denied", "curve-wrong-server"), "CURVE"),
}
