"""CURVE connections go from worker to worker while both live: stock subscribers see nothing of it.

Each reads all that it is sent, and its monitor says whether it has ever connected again.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from fanout import EventKind, NotMovedError, Publisher, Reason, auth
from fanout.coordinator import balance, rebalancing
from fanout.coordinator.rebalancing import WHY
from tests.helpers.curve import BEATING, HEARD_S, CurveSeen, new_keys
from tests.helpers.happenings import Happenings
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers.stock import Stock

SERVER = new_keys()
TOPICS = (b"A", b"B", b"C", b"D")
LAST = b"last"
SIZES = (0, 30, 200, 300, 2_000)  # of payloads; those above are sent now and then
LARGE = 70_000


class Reader:
    """A stock subscriber that reads on a thread of its own, up to the last message."""

    def __init__(self, stock: Stock, endpoint: str, topic: bytes) -> None:
        self.topic = topic
        self.seen = CurveSeen(stock, SERVER.public, options=BEATING, topic=topic)
        self.seen.socket.subscribe(LAST)
        self.numbers: list[int] = []
        self.error: BaseException | None = None
        self.seen.connect(endpoint)
        self._thread = threading.Thread(target=self._read)

    def start(self) -> None:
        self._thread.start()

    def _read(self) -> None:
        try:
            while True:
                topic, number, payload = self.seen.socket.recv_multipart()
                if topic == LAST:
                    return
                assert topic == TOPICS[int(number) % len(TOPICS)]
                assert payload == payload_of(int(number))
                self.numbers.append(int(number))
        except BaseException as error:  # told by whoever joins it
            self.error = error

    def end(self) -> None:
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()
        assert self.error is None, repr(self.error)

    def check(self, count: int) -> None:
        """It got each of these once, in order, by one connection."""
        wanted = [n for n in range(count) if TOPICS[n % len(TOPICS)].startswith(self.topic)]
        assert self.numbers == wanted
        assert self.seen.saw(zmq.Event.HANDSHAKE_SUCCEEDED) == 1
        assert self.seen.saw(zmq.Event.DISCONNECTED) == 0


def payload_of(number: int) -> bytes:
    size = LARGE if number % 500 == 499 else SIZES[number % len(SIZES)]
    return b"%d:" % number + b"x" * size


class Feed:
    """Publishes as fast as all take it, on a thread of its own."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._ends = threading.Event()
        self.count = 0
        self._thread = threading.Thread(target=self._publish)

    def __enter__(self) -> Feed:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join(DEADLINE_S)

    def _publish(self) -> None:
        while not self._ends.is_set():
            number = self.count
            message = [TOPICS[number % len(TOPICS)], b"%d" % number, payload_of(number)]
            self._publisher.send_multipart(message, timeout=DEADLINE_S)
            self.count += 1
        self._publisher.send_multipart([LAST, b"", b""], timeout=DEADLINE_S)


def opened(**options: Any) -> tuple[Publisher, Happenings]:
    happenings = Happenings()
    given: dict[str, Any] = {"workers": 2, "log_bytes": 4 << 20, "slow_policy": "block"}
    given |= {"heartbeat_interval": 0.1, "heartbeat_timeout": HEARD_S, "rebalance": False}
    given |= {"security": auth.Curve(SERVER.secret), "on_event": happenings}
    return Publisher("tcp://127.0.0.1:*", **(given | options)), happenings


def readers_of(stock: Stock, publisher: Publisher, *topics: bytes) -> list[Reader]:
    readers = [Reader(stock, publisher.endpoints[0], topic) for topic in topics]
    publisher.wait_for_subscribers(len(readers), timeout=DEADLINE_S)

    def have_said() -> bool:
        return all(one.subscriptions == 2 for one in publisher.subscribers())

    wait_until(have_said, "all have said what they want")
    return readers


def by_moves(publisher: Publisher) -> None:
    """Each again and again to the other worker, for longer than silence is borne."""
    until = time.monotonic() + HEARD_S + 1.0
    moves, ends = 0, time.monotonic() + DEADLINE_S
    while time.monotonic() < until or moves < 30:
        assert time.monotonic() < ends, "hardly anybody is moved"
        for one in publisher.subscribers():
            try:
                publisher.move(one.id, 1 - one.worker)
            except NotMovedError:  # it says something just then: it is moved the next time
                continue
            moves += 1


def by_restarts(publisher: Publisher) -> None:
    for _ in range(2):
        publisher.restart_workers()
        publisher.wait_for_workers(timeout=DEADLINE_S)


def by_sizes(publisher: Publisher) -> None:
    for workers in (3, 1, 2, 1):
        publisher.resize(workers)
        publisher.wait_for_workers(timeout=DEADLINE_S)


@pytest.mark.unmeasured
@pytest.mark.parametrize(("change", "moves"), [(by_moves, 30), (by_restarts, 10), (by_sizes, 2)])
def test_nothing_is_lost_or_doubled_at_full_rate(
    stock: Stock, change: Callable[[Publisher], None], moves: int
) -> None:
    publisher, happenings = opened()
    with publisher:
        readers = readers_of(stock, publisher, b"", b"", b"A", b"C", b"")
        ids = {one.id for one in publisher.subscribers()}
        for reader in readers:
            reader.start()
        with Feed(publisher) as feed:
            wait_until(lambda: feed.count > 1_000, "there is something to send")
            change(publisher)
            after = feed.count
            wait_until(lambda: feed.count > after + 1_000, "it goes on")
        for reader in readers:
            reader.end()
        assert {one.id for one in publisher.subscribers()} == ids
        figures = publisher.statistics()
        for reader in readers:
            reader.check(feed.count)
    assert figures.moved >= moves
    assert (figures.not_resumed, figures.resumed) == (0, 0)
    assert happenings.of(EventKind.SUBSCRIBER_EVICTED) == []


def to_other(publisher: Publisher) -> None:
    """Have the only one go to the other worker."""
    until = time.monotonic() + DEADLINE_S
    while True:
        [one] = publisher.subscribers()
        try:
            publisher.move(one.id, 1 - one.worker)
        except NotMovedError:
            assert time.monotonic() < until
        else:
            return


@pytest.mark.parametrize("policy", ["block", "drop_oldest"])
def test_boxes_that_are_not_out_go_along(stock: Stock, policy: str) -> None:
    """It reads nothing while it is moved; buffers are small on both sides."""
    publisher, _ = opened(slow_policy=policy, kernel_queue_bytes=8192, heartbeat_interval=0.0)
    small = {zmq.RCVBUF: 4096, zmq.RCVHWM: 2}
    subscriber = CurveSeen(stock, SERVER.public, options=small)
    count, payload, got = 60, bytes(range(250)) * 40, list[int]()
    with publisher:
        subscriber.connect(publisher.endpoints[0])
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        for number in range(count):
            publisher.send_multipart([b"n", b"%d" % number, payload * (number % 3)])
            if number % 6 == 5:
                to_other(publisher)
            if number % 10 == 9:
                got.append(int(subscriber.socket.recv_multipart()[1]))
        assert publisher.subscribers()[0].queued > 0
        publisher.restart_workers()
        publisher.wait_for_workers(timeout=DEADLINE_S)
        while got[-1] < count - 1:
            _, which, came = subscriber.socket.recv_multipart()
            assert came == payload * (int(which) % 3)
            got.append(int(which))
        wait_until(lambda: not publisher.subscribers()[0].queued, "all is sent")
        [one] = publisher.subscribers()
        assert got == sorted(set(got))
        assert len(got) == one.sent
        assert one.sent + one.dropped == one.matched == count
        if policy == "block":
            assert got == list(range(count))
        assert publisher.statistics().moved >= 12
        assert subscriber.saw(zmq.Event.HANDSHAKE_SUCCEEDED) == 1
        assert subscriber.saw(zmq.Event.DISCONNECTED) == 0


def test_who_one_is_and_what_one_may_goes_along(stock: Stock) -> None:
    def check(_request: auth.Request) -> auth.Verdict:
        return auth.Allow("desk7", subscribe=["A"])

    publisher, _ = opened(security=auth.Curve(SERVER.secret, check))
    subscriber = CurveSeen(stock, SERVER.public)
    with publisher:
        subscriber.connect(publisher.endpoints[0])
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        for number in range(4):
            to_other(publisher)
            subscriber.socket.subscribe(b"B%d" % number)  # its next box
            publisher.publish(b"B", b"secret")
            publisher.publish(b"A", b"%d" % number)
            assert subscriber.socket.recv_multipart() == [b"A", b"%d" % number]
            assert [one.user for one in publisher.subscribers()] == ["desk7"]
        publisher.permit("desk7", ["A", "B"])
        to_other(publisher)
        publisher.publish(b"B", b"no secret any more")
        assert subscriber.socket.recv_multipart() == [b"B", b"no secret any more"]
    assert subscriber.saw(zmq.Event.HANDSHAKE_SUCCEEDED) == 1


class Rising:
    """Publishes one message after another, and reads meanwhile; the numbers of each only rise.

    Attributes:
        count: messages that were published.
    """

    def __init__(self, publisher: Publisher, seen: list[CurveSeen]) -> None:
        self._publisher = publisher
        self._last = dict.fromkeys(seen, -1)
        self.count = 0

    def step(self) -> None:
        """One message."""
        message = [b"n", b"%d" % self.count, b"x" * 3_000]
        self._publisher.send_multipart(message, timeout=DEADLINE_S)
        self.count += 1
        for one in self._last:
            while one.socket.poll(0):
                came = int(one.socket.recv_multipart()[1])
                assert came > self._last[one]
                self._last[one] = came

    def have_all_since(self, number: int) -> bool:
        """One more; whether each has one of those from this number on."""
        self.step()
        return all(last >= number for last in self._last.values())


def has_killed(publisher: Publisher, kill: int) -> bool:
    """Kill one; whether it was still there: who is replaced may end after a look at the workers."""
    pids = [one.pid for one in publisher.statistics().workers if one.pid]
    try:
        os.kill(pids[kill % len(pids)], signal.SIGKILL)
    except (ProcessLookupError, ZeroDivisionError):
        return False
    return True


def test_if_a_worker_dies_meanwhile_they_are_closed_and_counted_and_back(stock: Stock) -> None:
    """Whatever is on the way just then: nobody is sent a box that he takes for an attack."""
    publisher, happenings = opened(heartbeat_interval=0.0)
    seen = [CurveSeen(stock, SERVER.public) for _ in range(8)]
    kills = 6
    with publisher:
        for one in seen:
            one.connect(publisher.endpoints[0])
        publisher.wait_for_subscribers(len(seen), timeout=DEADLINE_S)
        rising = Rising(publisher, seen)

        def has_one_moved() -> bool:
            rising.step()
            return publisher.statistics().moved > 0

        for kill in range(kills):
            publisher.restart_workers()  # so that they move, all the time
            for _ in range(20 + 7 * kill):
                rising.step()
            wait_until(has_one_moved, "somebody has moved")  # before the first kill
            wait_until(partial(has_killed, publisher, kill), "a worker was killed")
            rising.step()
        publisher.restart_workers()
        publisher.wait_for_workers(timeout=DEADLINE_S)

        wait_until(partial(rising.have_all_since, rising.count), "all are served again")
        figures = publisher.statistics()
        closed = happenings.wait_for(EventKind.SUBSCRIBER_EVICTED, figures.not_resumed)
        assert len(closed) == figures.not_resumed
        causes = {Reason.WORKER_LOST, Reason.WORKER_RETIRED}
        assert {event.cause for event in closed} <= causes
        assert figures.moved > 0
    again = sum(one.saw(zmq.Event.HANDSHAKE_SUCCEEDED) for one in seen) - len(seen)
    assert again >= figures.not_resumed > 0
    assert not any(one.saw(zmq.Event.HANDSHAKE_FAILED_PROTOCOL) for one in seen)


@pytest.mark.unmeasured
def test_they_are_moved_to_who_has_less_to_do(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (balance, rebalancing):
        monkeypatch.setattr(module, "LOOK", 0.2)
        monkeypatch.setattr(module, "WINDOW", 1.0)
        monkeypatch.setattr(module, "LOAD_MIN", 0.01)  # a busy machine gives workers little more
    monkeypatch.setattr(balance, "HOT_FOR", 0.6)
    monkeypatch.setattr(balance, "QUIET", 2.0)
    publisher, happenings = opened(rebalance=True)
    with publisher:
        readers = readers_of(stock, publisher, *[b""] * 6)
        for one in publisher.subscribers():
            if one.worker == 1:
                publisher.move(one.id, 0)
        by_hand = publisher.statistics().moved
        for reader in readers:
            reader.start()
        with Feed(publisher) as feed:
            happenings.wait_for(EventKind.SUBSCRIBER_MOVED, by_hand + 1)
            after = feed.count
            wait_until(lambda: feed.count > after + 1_000, "it goes on")
        for reader in readers:
            reader.end()
            reader.check(feed.count)
    told = happenings.of(EventKind.SUBSCRIBER_MOVED)
    assert told[by_hand].reason == f"from worker 0 to worker 1: {WHY}"
    assert happenings.of(EventKind.SUBSCRIBER_EVICTED) == []
