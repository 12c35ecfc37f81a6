"""What every engine must do; each scenario has a publisher and a subscriber of its own."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from fanout import EventKind, Publisher
from interoperation.foreign import Failed, Foreign
from interoperation.messages import describe, number_of, numbered, of_all_shapes, wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout import Event

SECONDS = 30.0  # for what takes less than one on an idle machine
RETRY_S = 0.05
HEARTBEAT_S = 0.3
IDLE_S = 5 * HEARTBEAT_S
SMALL_MESSAGES = 20_000
SLOW_MESSAGES, SLOW_BYTES = 4_000, 10_000  # 40 MB: more than queues and kernels hold
SLOW_LOG_BYTES = 8 << 20
PAUSE_S = 1.5  # below `send_timeout`: nobody may be evicted
MIB = 1 << 20

Command = list[str]


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"{what} did not come about within {SECONDS:g} s")
        time.sleep(RETRY_S)


def _subscribe(publisher: Publisher, subscriber: Foreign, *prefixes: str) -> None:
    for prefix in prefixes:
        subscriber.tell(f"subscribe {prefix}")
        topic = prefix.encode()
        _until(lambda topic=topic: publisher.has_subscribers(topic), f"subscribing {prefix!r}")  # type: ignore[misc]


def _cancel(publisher: Publisher, subscriber: Foreign, prefix: str) -> None:
    subscriber.tell(f"cancel {prefix}")
    topic = prefix.encode() or b"no topic that is subscribed"
    _until(lambda: not publisher.has_subscribers(topic), f"cancelling {prefix!r}")


def _publish(publisher: Publisher, topics: str) -> list[str]:
    """One message on each topic; returns how those in capitals are described."""
    expected = []
    for topic in topics.split():
        message = [topic.lower().encode(), b"of " + topic.encode()]
        publisher.send_multipart(message)
        if topic.isupper():
            expected.append(describe(message))
    return expected


def _expect(subscriber: Foreign, expected: Sequence[str]) -> None:
    received = subscriber.wait_for(expected[-1], SECONDS)
    if text := wrong(received, expected):
        raise Failed(text)


def subscriptions(command: Command) -> None:
    """Prefixes, several of them, a cancelled one, and the empty one."""
    with (
        Publisher("tcp://127.0.0.1:*") as publisher,
        Foreign(command, publisher.endpoints[0]) as it,
    ):
        _subscribe(publisher, it, "a", "bc")
        _expect(it, _publish(publisher, "A1 b BC2 c A3 d BC"))
        _cancel(publisher, it, "a")
        _expect(it, _publish(publisher, "a4 BC5 a6 BC7"))
        _subscribe(publisher, it, "")
        _expect(it, _publish(publisher, "X1 BC8 A9 Z"))
        _cancel(publisher, it, "")
        _expect(it, _publish(publisher, "x2 BC9 a9 BC"))


def messages(command: Command) -> None:
    """Frames of 0 bytes to 1 MiB, and many small messages: each once, in order."""
    with (
        Publisher("tcp://127.0.0.1:*", slow_policy="block") as publisher,
        Foreign(command, publisher.endpoints[0]) as it,
    ):
        _subscribe(publisher, it, "n")
        expected = []
        for message in of_all_shapes():
            publisher.send_multipart(message)
            expected.append(describe(message))
        _expect(it, expected)
        expected = []
        for number in range(SMALL_MESSAGES):
            message = numbered(number, 50)
            publisher.send_multipart(message)
            expected.append(describe(message))
        _expect(it, expected)


def heartbeats(command: Command) -> None:
    """Stays connected when all is quiet, and when it is not; no message that was not published."""
    with (
        Publisher("tcp://127.0.0.1:*", heartbeat_interval=HEARTBEAT_S) as publisher,
        Foreign(command, publisher.endpoints[0]) as it,
    ):
        _subscribe(publisher, it, "n")
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
            _subscribe(publisher, it, "a", "bc")
            _expect(it, _publish(publisher, "A1 BC2"))
            publisher.close()
            with Publisher(endpoint) as again:
                _until(lambda: again.has_subscribers(b"a"), "coming back for 'a'")
                _until(lambda: again.has_subscribers(b"bc"), "coming back for 'bc'")
                _expect(it, _publish(again, "A3 b BC4"))


def slow_drop_oldest(command: Command) -> None:
    """A reader that pauses loses its oldest messages, exactly those that are counted."""
    with (
        Publisher("tcp://127.0.0.1:*", log_bytes=SLOW_LOG_BYTES) as publisher,
        Foreign(command, publisher.endpoints[0]) as it,
    ):
        _subscribe(publisher, it, "n")
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
        _subscribe(publisher, it, "n")
        it.tell("stop")
        going = threading.Timer(PAUSE_S, it.tell, ("go",))
        going.start()
        expected = []
        for number in range(SLOW_MESSAGES):
            message = numbered(number, SLOW_BYTES)
            publisher.send_multipart(message)
            expected.append(describe(message))
        _expect(it, expected)
        going.join()


def end(command: Command) -> None:
    """Ends by itself; the publisher sees it leave, and evicts nobody."""
    happened: list[Event] = []
    with (
        Publisher("tcp://127.0.0.1:*", on_event=happened.append) as publisher,
        Foreign(command, publisher.endpoints[0]) as it,
    ):
        _subscribe(publisher, it, "a")
        _expect(it, _publish(publisher, "A1"))
        status = it.end()
        if status:
            raise Failed(f"exit status {status}; it said: {it.said()}")
        _until(lambda: not publisher.subscribers(), "leaving")
        left = EventKind.SUBSCRIBER_DISCONNECTED
        _until(lambda: any(event.kind is left for event in happened), "an event of its leaving")
        if publisher.statistics().evicted:
            raise Failed(f"it was evicted: {happened[-1]}")


SCENARIOS: dict[str, Callable[[Command], None]] = {
    scenario.__name__.replace("_", "-"): scenario
    for scenario in (
        *(subscriptions, messages, heartbeats, restart),
        *(slow_drop_oldest, slow_block, end),
    )
}
