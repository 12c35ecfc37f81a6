"""`conflate`, `min_interval` and `max_rate`, with stock SUB sockets and raw connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import zmq

from fanout import Publisher, SlowPolicy, SlowRule, SubscriberStatistics
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.helpers.stock import Stock

TOPICS = 100
UPDATES = 50  # of each topic, while nobody reads
LAPS = 2
SMALL_BUFFER = 4_096
INTERVAL_S = 0.2
RATE = 40_000  # bytes a second
BURST = RATE // 10
RULES = [
    SlowRule(SlowPolicy("conflate"), name="ruled*"),
    SlowRule(SlowPolicy("conflate"), topic=b"t"),
]


class Reader(Protocol):
    """A subscriber of either kind."""

    def next(self) -> list[bytes]:
        """The frames of the next message."""

    def close(self) -> None:
        """Leave."""


class StockReader:
    """A SUB socket that reads ahead no more than it must."""

    def __init__(self, stock: Stock, endpoint: str, *topics: bytes) -> None:
        options = {zmq.RCVHWM: 5, zmq.RCVBUF: SMALL_BUFFER}
        self._socket = stock.connect(endpoint, *topics, options=options)

    def next(self) -> list[bytes]:
        return self._socket.recv_multipart()

    def close(self) -> None:
        self._socket.close(linger=0)


class RawReader:
    """A raw connection with a small window."""

    def __init__(self, _stock: Stock, endpoint: str, *topics: bytes) -> None:
        self._peer = RawPeer.version_3(endpoint, *topics, receive_buffer=SMALL_BUFFER)

    def next(self) -> list[bytes]:
        return self._peer.read_message()

    def close(self) -> None:
        self._peer.close()


@pytest.fixture(scope="module")
def publisher() -> Iterator[Publisher]:
    """Nobody is slow by default but who chooses it, or is chosen by a rule."""
    options: dict[str, Any] = {"kernel_queue_bytes": SMALL_BUFFER, "heartbeat_interval": 0}
    with Publisher(
        "tcp://127.0.0.1:*", workers=1, log_bytes=1 << 25, slow_rules=RULES, **options
    ) as publisher:
        yield publisher


def policy_of(said: Sequence[bytes]) -> SlowPolicy:
    """What that comes to; the rules say the same but for who chooses another one."""
    values = dict(one[8:].split(b"=") for one in said if one.startswith(b"\0"))
    return SlowPolicy(
        values.get(b"policy", b"conflate").decode(),  # type: ignore[arg-type]
        min_interval=float(values.get(b"min_interval", 0)),
        max_rate=int(values.get(b"max_rate", 0)),
    )


Come = Callable[..., Reader]


@pytest.fixture
def come(publisher: Publisher, stock: Stock) -> Iterator[Come]:
    """Makes a subscriber that says this of itself, when all of it is in force."""
    readers: list[Reader] = []

    def begin(kind: Callable[..., Reader], name: str, *said: bytes) -> Reader:
        wanted = [one for one in said if not one.startswith(b"\0")]
        named = b"\0fanout.name=" + name.encode()
        readers.append(kind(stock, publisher.endpoints[0], named, *said))
        counted(publisher, name, subscriptions=len(wanted), policy=policy_of(said))
        return readers[-1]

    yield begin
    for reader in readers:
        reader.close()


def find(publisher: Publisher, name: str) -> SubscriberStatistics:
    """The one of this name."""

    def named() -> list[SubscriberStatistics]:
        return [one for one in publisher.subscribers() if one.name == name]

    [found] = wait_until(named, "it came")
    return found


def counted(publisher: Publisher, name: str, **fields: object) -> SubscriberStatistics:
    """The one of this name, when its figures are these."""

    def at_these() -> list[SubscriberStatistics]:
        one = find(publisher, name)
        return [one] if all(getattr(one, key) == value for key, value in fields.items()) else []

    [found] = wait_until(at_these, f"its figures are {fields}")
    return found


def lap(publisher: Publisher, number: int) -> int:
    """Publish every topic so many times; returns the number of the next message."""
    for _ in range(UPDATES):
        with publisher.batch() as batch:
            for topic in range(TOPICS):
                batch.send_multipart([b"t%02d" % topic, b"%d" % number, bytes(100), b""])
                number += 1
    return number


def until(reader: Reader, last: int) -> list[int]:
    """The numbers of the messages up to this one; each is whole."""
    numbers: list[int] = []
    while not numbers or numbers[-1] != last:
        topic, number, *rest = reader.next()
        assert rest == [bytes(100), b""]
        assert topic == b"t%02d" % (int(number) % TOPICS)
        numbers.append(int(number))
    return numbers


SELF = b"\0fanout.policy=conflate"


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        (RawReader, "raw", (b"", SELF)),
        (RawReader, "raw-some", (b"t1", b"t55", b"t9", SELF)),
        (StockReader, "stock", (b"", SELF)),
        (StockReader, "stock-some", (b"t1", b"t55", b"t9", SELF)),
        (StockReader, "ruled", (b"",)),
        (RawReader, "by-topic", (b"t",)),
    ],
)
def test_who_reads_now_and_then_gets_the_newest_of_each_topic(
    publisher: Publisher, come: Come, kind: type, name: str, said: tuple[bytes, ...]
) -> None:
    """However much was published meanwhile, it is behind by no more than what it has begun."""
    wants = tuple(one for one in said if not one.startswith(b"\0"))
    reader = come(kind, name, *said)
    wanted = [topic for topic in range(TOPICS) if (b"t%02d" % topic).startswith(wants)]
    numbers: list[int] = []
    number = 0
    for _ in range(LAPS):
        number = lap(publisher, number)
        matched = number // TOPICS * len(wanted)
        before = counted(publisher, name, matched=matched)
        assert len(numbers) <= before.sent <= matched
        assert before.dropped == 0
        numbers += until(reader, number - TOPICS + wanted[-1])
        newest = [number - TOPICS + topic for topic in wanted]
        assert numbers[-len(newest) :] == newest
    assert numbers == sorted(set(numbers))

    after = counted(publisher, name, queued=0)
    assert (after.matched, after.sent) == (LAPS * UPDATES * len(wanted), len(numbers))
    assert (after.conflated, after.dropped) == (after.matched - after.sent, 0)
    assert after.sent - before.sent <= 2 * len(wanted)
    assert after.matched_bytes == after.sent_bytes + after.conflated_bytes
    if len(wanted) == TOPICS:  # who wants little has much of it in the buffers
        assert after.conflated > after.matched // 2


@contextmanager
def publishing_times(publisher: Publisher, topics: Sequence[bytes]) -> Iterator[None]:
    """Beside this, each few milliseconds a message of each topic, with the time of its own."""
    ended = threading.Event()

    def publish() -> None:
        while not ended.wait(0.005):
            for topic in topics:
                publisher.send_multipart([topic, repr(time.monotonic()).encode(), b""])

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=DEADLINE_S)


@pytest.mark.parametrize("kind", [RawReader, StockReader])
def test_no_topic_comes_more_often_than_its_interval_says(
    publisher: Publisher, come: Come, kind: type
) -> None:
    name = f"rests-{kind.__name__}"
    reader = come(kind, name, b"t", SELF, b"\0fanout.min_interval=%g" % INTERVAL_S)
    publisher.send_multipart([b"t00", b"0", b""])  # what is chosen is shown before its worker knows
    assert reader.next()[0] == b"t00"
    topics = [b"t00", b"t01"]
    came: dict[bytes, list[tuple[float, float]]] = {topic: [] for topic in topics}
    with publishing_times(publisher, topics):
        while min(map(len, came.values())) < 4:
            topic, published, *_rest = reader.next()
            came[topic].append((float(published), time.monotonic()))
            assert len(came[topic]) < 40, f"only {topic!r} comes, or what comes has no interval"

    for times in came.values():
        # Each was sent after it was published, and the next one an interval after that at least,
        # however late a busy machine read either of them.
        gaps = [later[1] - earlier[0] for earlier, later in pairwise(times)]
        assert min(gaps) >= INTERVAL_S, gaps
    assert find(publisher, name).dropped == 0


@pytest.mark.parametrize("policy", [b"drop_oldest", b"conflate"])
@pytest.mark.parametrize("kind", [RawReader, StockReader])
def test_nobody_is_sent_more_bytes_a_second_than_it_wants(
    publisher: Publisher, come: Come, kind: type, policy: bytes
) -> None:
    name = f"{policy.decode()}-{kind.__name__}"
    said = [b"\0fanout.policy=" + policy, b"\0fanout.max_rate=%d" % RATE]
    reader = come(kind, name, b"t", *said)
    publisher.send_multipart([b"t00", b"first"])  # what is chosen is shown before its worker knows
    assert reader.next() == [b"t00", b"first"]
    began = time.monotonic()
    number = lap(publisher, 0)
    if policy == b"conflate":
        received = len(until(reader, number - 1))
    else:
        received = sum(1 for _ in range(RATE // 2 // 115) if reader.next())
    passed = time.monotonic() - began

    size = 2 + 3 + 2 + 4 + 2 + 100 + 2  # of one message
    assert received * size * 0.98 <= RATE * passed + BURST
    assert received * size > BURST
