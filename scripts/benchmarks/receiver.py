"""The process that holds every subscriber: raw sockets whose bytes the kernel discards.

`recv` with MSG_TRUNC takes bytes off a TCP socket without copying them, so that counting costs as
little as it can and the publisher is what is measured.
"""

from __future__ import annotations

import json
import select
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.children import require_descriptors, run_child
from benchmarks.latency import arrival_times, summarise
from benchmarks.traffic import LAST_MARK, PROBE_MARK, Traffic
from benchmarks.wire import DIALECTS, Dialect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from benchmarks.by_tls import RecordCount
    from benchmarks.channel import Channel, Message

    Opens: TypeAlias = Callable[[bytes], bytes]

READ_BYTES = 1 << 20  # one system call takes all that a socket can reasonably hold
QUIET_SECONDS = 0.05  # nothing arrives for so long: nothing is under way any more (loopback)
SMALL_READ_BYTES = 16 * 1024  # below this on average, a read is not worth its system call:
NAP_SECONDS = 0.001  # let more come in; a thousandth of a run
CONNECT_SECONDS = 10.0
CONNECT_AT_ONCE = 1_000  # a storm, and below fanout's default limit of half-open connections
SETTLE_SECONDS = 10.0  # a publisher that goes on for so long after a run has gone wrong
EVENTS_AT_ONCE = 16_384
MARKS = {"any": PROBE_MARK, "last": LAST_MARK}


@dataclass
class Subscriber:
    """One connection and what has come in on it."""

    socket: socket.socket
    missing: int = 0  # bytes still expected; negative: too many came
    opened: Opens = bytes  # what has come, as it was before it was encrypted
    records: RecordCount | None = None  # counts what comes by TLS
    tail: bytes = b""  # the last bytes seen while the probe is awaited
    subscribed: bool = False
    closed: bool = False
    trace: list[tuple[int, int]] = field(default_factory=list)  # (time, bytes) of each read


@dataclass
class Arrival:
    """When the last byte of a run came, on CLOCK_MONOTONIC in nanoseconds; 0 = never."""

    last_ns: int = 0
    reads: int = 0


@dataclass
class Crowd:
    """All subscribers of a run."""

    traffic: Traffic
    subscribers: list[Subscriber] = field(default_factory=list)
    stalled: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._poller = select.epoll()
        self._stalled_poller = select.epoll()  # says only that they were closed
        self._connect_began_ns = 0
        self._by_descriptor: dict[int, Subscriber] = {}
        self._buffer = bytearray(READ_BYTES)
        self._discard_all = self._discard

    def connect(self, endpoints: Sequence[str], dialect: str, *, subscribes: bool = True) -> None:
        """Connects every subscriber, in turn over the endpoints, and subscribes, or not yet."""
        spoken = DIALECTS[dialect]
        wanted = [*self.traffic.subscriptions, *([()] * self.traffic.stalled)]
        requests = list(map(spoken.subscribe, wanted))  # not while the clock runs
        if not subscribes:
            requests = [b""] * len(wanted)
        require_descriptors(len(wanted))
        self._connect_began_ns = time.monotonic_ns()
        connections: list[tuple[socket.socket, Opens, RecordCount | None]] = []
        for first in range(0, len(requests), CONNECT_AT_ONCE):
            group = slice(first, first + CONNECT_AT_ONCE)
            if spoken.is_secured:
                connections += _connect_secured(endpoints, first, wanted[group])
            elif spoken.is_by_tls:
                connections += _connect_by_tls(endpoints, first, spoken, requests[group])
            else:
                plain = _connect_group(endpoints, first, spoken, requests[group])
                connections += [(connection, bytes, None) for connection in plain]
        for connection, opens, records in connections[: self.traffic.subscribers]:
            subscriber = Subscriber(connection, opened=opens, records=records)
            self.subscribers.append(subscriber)
            self._by_descriptor[connection.fileno()] = subscriber
            self._poller.register(connection, select.EPOLLIN)
        self.stalled = [one for one, _, _ in connections[self.traffic.subscribers :]]
        if spoken.is_by_tls:
            self._discard_all = self._discard_records
        for connection in self.stalled:
            self._stalled_poller.register(connection, select.EPOLLRDHUP)

    def await_probe(self, deadline: float, mark: bytes = PROBE_MARK) -> Message:
        """Reads until every subscriber has seen a probe with this mark, or the deadline passes."""
        if mark is LAST_MARK:
            for subscriber in self.subscribers:
                subscriber.subscribed = False
        waiting = sum(not subscriber.subscribed for subscriber in self.subscribers)
        served: list[int] = []
        while waiting and time.monotonic() < deadline:
            for descriptor, _ in self._poller.poll(QUIET_SECONDS, EVENTS_AT_ONCE):
                subscriber = self._by_descriptor[descriptor]
                received = subscriber.socket.recv(READ_BYTES)
                data = subscriber.tail + subscriber.opened(received)
                if not received:
                    return {"subscribed": False}  # closed by the publisher
                subscriber.tail = data[-len(mark) :]
                if not subscriber.subscribed and mark in data:
                    subscriber.subscribed = True
                    waiting -= 1
                    served.append(descriptor)
                    self._poller.unregister(descriptor)  # its next probes cost us nothing
        served_ns = 0 if waiting else time.monotonic_ns()
        for descriptor in served:
            self._poller.register(descriptor, select.EPOLLIN)
        return {
            "subscribed": not waiting,
            "began_ns": self._connect_began_ns,
            "served_ns": served_ns,
        }

    def settle(self) -> None:
        """Discards what is still under way, until nothing more comes."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            arrival = Arrival()
            self._discard_all(QUIET_SECONDS, arrival)
            if not arrival.reads:
                return

    @property
    def sockets(self) -> list[socket.socket]:
        """All connections, those of stalled subscribers too."""
        return [*(subscriber.socket for subscriber in self.subscribers), *self.stalled]

    def subscribe(self, dialect: str) -> None:
        """Have every subscriber want what it is to want."""
        requests = map(DIALECTS[dialect].subscribe, self.traffic.subscriptions)
        for subscriber, request in zip(self.subscribers, requests, strict=True):
            subscriber.socket.sendall(request)

    def expect(self, sizes: Sequence[int]) -> None:
        """From now on each subscriber waits for so many bytes."""
        for subscriber, size in zip(self.subscribers, sizes, strict=True):
            subscriber.missing = size
            subscriber.trace.clear()

    def count(self, deadline: float, traced: bool) -> Arrival:
        """Discards and counts until every subscriber has its bytes, or the deadline passes."""
        arrival = Arrival()
        discard = self._discard_traced if traced else self._discard_all
        unfinished = sum(1 for subscriber in self.subscribers if subscriber.missing > 0)
        while unfinished and time.monotonic() < deadline:
            unfinished -= discard(QUIET_SECONDS, arrival)
        if not unfinished:
            arrival.last_ns = time.monotonic_ns()
        return arrival

    def _discard(self, timeout: float, arrival: Arrival) -> int:
        """One turn; returns for how many subscribers the wait is over."""
        events = self._poller.poll(timeout, EVENTS_AT_ONCE)
        arrival.reads += len(events)
        buffer, subscribers, truncate = self._buffer, self._by_descriptor, socket.MSG_TRUNC
        finished = total = 0
        for descriptor, _ in events:
            subscriber = subscribers[descriptor]
            size = subscriber.socket.recv_into(buffer, READ_BYTES, truncate)
            total += size
            before = subscriber.missing
            subscriber.missing = before - size
            if size >= before > 0:
                finished += 1
            elif not size:
                finished += before > 0
                self._note_end(descriptor)
        _nap_after(total, len(events))
        return finished

    def _discard_records(self, timeout: float, arrival: Arrival) -> int:
        """As `_discard`, by TLS: what is in whole records counts, and no overhead of them."""
        events = self._poller.poll(timeout, EVENTS_AT_ONCE)
        arrival.reads += len(events)
        view = memoryview(self._buffer)
        finished = total = 0
        for descriptor, _ in events:
            subscriber = self._by_descriptor[descriptor]
            assert subscriber.records is not None
            came = subscriber.socket.recv_into(self._buffer)
            size = subscriber.records.take(view[:came])
            total += came
            finished += subscriber.missing > 0 and (size >= subscriber.missing or not came)
            subscriber.missing -= size
            if not came:
                self._note_end(descriptor)
        _nap_after(total, len(events))
        return finished

    def _discard_traced(self, timeout: float, arrival: Arrival) -> int:
        """As `_discard`, and notes when each read was; no naps."""
        finished = 0
        for descriptor, _ in self._poller.poll(timeout, EVENTS_AT_ONCE):
            arrival.reads += 1
            subscriber = self._by_descriptor[descriptor]
            size = subscriber.socket.recv_into(self._buffer, READ_BYTES, socket.MSG_TRUNC)
            subscriber.trace.append((time.monotonic_ns(), size))
            finished += size >= subscriber.missing > 0
            subscriber.missing -= size
            if not size:
                self._note_end(descriptor)
        return finished

    def _note_end(self, descriptor: int) -> None:
        """The publisher has closed the connection."""
        self._by_descriptor[descriptor].closed = True
        self._poller.unregister(descriptor)

    def latencies(self, message_bytes: int, first: int, sent_ns: Sequence[int]) -> Message:
        """After a traced count: percentiles of what each message took, from the `first` on."""
        stop = first + len(sent_ns)
        arrivals = [arrival_times(s.trace, message_bytes, stop)[first:] for s in self.subscribers]
        return summarise(arrivals, sent_ns)

    def verdict(self, chatter: int) -> str:
        """Why the run does not count; empty if every subscriber got exactly its bytes."""
        closed = sum(subscriber.closed for subscriber in self.subscribers)
        if closed:
            return f"{closed} subscribers were closed by the publisher"
        if gone := len(self._stalled_poller.poll(0)):
            return f"{gone} subscribers that stall were closed by the publisher"
        short = [subscriber.missing for subscriber in self.subscribers if subscriber.missing > 0]
        if short:
            return f"{len(short)} subscribers got too little, {sum(short):,} bytes in all"
        allowed = {0, -chatter}
        surplus = [s.missing for s in self.subscribers if s.missing not in allowed]
        if surplus:
            return f"{len(surplus)} subscribers got too much, {-sum(surplus):,} bytes in all"
        return ""


def _nap_after(total: int, reads: int) -> None:
    """Let more come before the next reads, if these have brought little."""
    if 0 < total < SMALL_READ_BYTES * reads:
        time.sleep(NAP_SECONDS)


def _connect_group(
    endpoints: Sequence[str], first: int, spoken: Dialect, requests: Sequence[bytes]
) -> list[socket.socket]:
    """Connects subscribers `first` and on, all at once, and sends each one's subscriptions."""
    connections = []
    for index in range(first, first + len(requests)):
        host, _, port = endpoints[index % len(endpoints)].rpartition(":")
        connections.append(socket.create_connection((host, int(port)), CONNECT_SECONDS))
        connections[-1].sendall(spoken.hello)
    for connection, request in zip(connections, requests, strict=True):
        _await_welcome(connection, spoken.welcome)
        connection.sendall(request)
        connection.setblocking(False)
    return connections


def _connect_by_tls(
    endpoints: Sequence[str], first: int, spoken: Dialect, requests: Sequence[bytes]
) -> list[tuple[socket.socket, Opens, RecordCount | None]]:
    """The same by TLS, one after the other."""
    from benchmarks.by_tls import connect_by_tls, connector  # only where it is measured

    begin = connector()
    connections: list[tuple[socket.socket, Opens, RecordCount | None]] = []
    for index, request in enumerate(requests, first):
        host, _, port = endpoints[index % len(endpoints)].rpartition(":")
        there = host, int(port)
        connections.append(connect_by_tls(there, begin(), spoken, request, CONNECT_SECONDS))
        connections[-1][0].setblocking(False)
    return connections


def _connect_secured(
    endpoints: Sequence[str], first: int, wanted: Sequence[Sequence[bytes]]
) -> list[tuple[socket.socket, Opens, RecordCount | None]]:
    """The same by CURVE, one after the other."""
    from benchmarks.secured import connect_secured  # PyNaCl, only where it is measured

    connections: list[tuple[socket.socket, Opens, RecordCount | None]] = []
    for index, topics in enumerate(wanted, first):
        host, _, port = endpoints[index % len(endpoints)].rpartition(":")
        connection, opens = connect_secured((host, int(port)), topics, CONNECT_SECONDS)
        connections.append((connection, opens, None))
        connections[-1][0].setblocking(False)
    return connections


def _await_welcome(connection: socket.socket, welcome: bytes) -> None:
    answer = b""
    while welcome not in answer:
        data = connection.recv(READ_BYTES)
        if not data:
            raise ConnectionError(f"the publisher closed a connection after {answer!r}")
        answer += data


def _run(crowd: Crowd, request: Message) -> Message:
    cpu, began_ns = time.process_time(), time.monotonic_ns()
    if request["subscribes"]:
        crowd.subscribe(request["subscribes"])
    arrival = crowd.count(time.monotonic() + request["allowed_seconds"], request["traced"])
    cpu = time.process_time() - cpu
    left = sum(subscriber.missing for subscriber in crowd.subscribers)
    crowd.settle()
    return {
        "began_ns": began_ns,
        "last_ns": arrival.last_ns,
        "cpu_seconds": cpu,
        "invalid": crowd.verdict(request["chatter"]),
        "left_bytes": left,
    }


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Serves the harness until it closes the channel."""
    crowd = Crowd(Traffic(**json.loads(arguments[0])))
    message_bytes = 0
    while True:
        request = channel.receive()
        match request["do"]:
            case "connect":
                how = request["endpoints"], request["dialect"]
                crowd.connect(*how, subscribes=request["subscribes"])
                channel.send(connected=len(crowd.subscribers))
            case "await-probe":
                deadline = time.monotonic() + request["allowed_seconds"]
                channel.send(**crowd.await_probe(deadline, MARKS[request["mark"]]))
            case "expect":
                message_bytes = request["message_bytes"]
                crowd.settle()
                crowd.expect(request["sizes"])
                channel.send(ready=True)
                channel.send(**_run(crowd, request))
            case "latencies":
                channel.send(**crowd.latencies(message_bytes, request["first"], request["sent_ns"]))


if __name__ == "__main__":
    run_child(main)
