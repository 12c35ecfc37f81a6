"""One publisher under test with its subscribers, for as long as a round takes."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

from benchmarks.children import Child
from benchmarks.resources import ProcessTree
from benchmarks.wire import DIALECTS

if TYPE_CHECKING:
    from types import TracebackType

    from benchmarks.channel import Message
    from benchmarks.peers import PeerKind
    from benchmarks.traffic import Traffic

START_SECONDS = 30.0
PROBE_SECONDS = 30.0
PROBE_INTERVAL = 0.02  # seconds between probes: short against a run, long against a delivery
RUN_SECONDS = 30.0  # a run is made to take one or two
SAMPLE_SECONDS = 0.25  # between looks at the memory: a look costs the publisher about 1 ms
WARM_UP_SECONDS = 0.1  # a run this long says how fast the peer is
FIRST_COUNT = 64
GROWTH = 4
NANO = 1e-9


@dataclass(frozen=True)
class Run:
    """What one run was measured at."""

    messages: int
    deliveries: int
    seconds: float  # from the first publish to the last byte of the last subscriber
    publish_seconds: float  # the publisher's calls alone
    cpu_seconds: float  # of all the publisher's processes
    receiver_cpu_seconds: float
    memory_bytes: int  # peak of all the publisher's processes
    invalid: str = ""  # why this run does not count


class Session:
    """Starts a peer and its receivers; `run` publishes and counts."""

    def __init__(self, peer: PeerKind, traffic: Traffic) -> None:
        self._traffic = traffic
        self._dialect = DIALECTS[peer.dialect]
        described = json.dumps(asdict(traffic))
        options = json.dumps(dict(peer.options))
        self._host = Child("benchmarks.host", peer.location, options, described)
        self._receiver = Child("benchmarks.receiver", described)
        self.publisher = ProcessTree(self._host.pid)
        try:
            endpoints = self._host.answer(START_SECONDS)["endpoints"]
            connect = {"do": "connect", "endpoints": endpoints, "dialect": peer.dialect}
            self._receiver.ask(START_SECONDS, **connect)
            self._await_subscribed()
        except BaseException:
            self.close()
            raise

    def _await_subscribed(self) -> None:
        deadline = time.monotonic() + PROBE_SECONDS
        self._receiver.tell(do="await-probe", allowed_seconds=PROBE_SECONDS)
        while time.monotonic() < deadline:
            self._host.ask(PROBE_SECONDS, do="probe")
            try:
                answer = self._receiver.answer(PROBE_INTERVAL)
            except TimeoutError:
                continue
            if answer["subscribed"]:
                return
            break
        raise TimeoutError(f"not every subscriber was served within {PROBE_SECONDS:g} s")

    def run(self, count: int) -> Run:
        """Publishes `count` messages and waits until every subscriber has its share."""
        matches = self._traffic.matches(count)
        topic = len(self._traffic.schedule[0])
        size = self._dialect.message_bytes(topic, self._traffic.payload_bytes)
        self._receiver.ask(
            START_SECONDS,
            do="expect",
            sizes=[number * size for number in matches],
            chatter=self._dialect.chatter_bytes,
            allowed_seconds=RUN_SECONDS,
        )
        cpu = self.publisher.cpu_seconds()
        self._host.tell(do="publish", count=count)
        arrival, memory = self._await_arrival()
        cpu = self.publisher.cpu_seconds() - cpu
        if arrival["invalid"]:
            return Run(count, sum(matches), 0, 0, cpu, 0, memory, arrival["invalid"])
        published = self._host.answer(RUN_SECONDS)
        return Run(
            messages=count,
            deliveries=sum(matches),
            seconds=(arrival["last_ns"] - published["start_ns"]) * NANO,
            publish_seconds=(published["end_ns"] - published["start_ns"]) * NANO,
            cpu_seconds=cpu,
            receiver_cpu_seconds=arrival["cpu_seconds"],
            memory_bytes=memory,
        )

    def _await_arrival(self) -> tuple[Message, int]:
        memory = 0
        deadline = time.monotonic() + RUN_SECONDS + START_SECONDS
        while True:
            try:
                arrival = self._receiver.answer(SAMPLE_SECONDS)
            except TimeoutError:
                if time.monotonic() > deadline:
                    raise
                memory = max(memory, self.publisher.memory_bytes())
                continue
            return arrival, memory or self.publisher.memory_bytes()

    def count_for(self, seconds: float) -> int:
        """Warms up, and says how many messages take about so long."""
        count = FIRST_COUNT
        while True:
            run = self.run(count)
            if run.invalid:
                return count
            if run.seconds >= WARM_UP_SECONDS:
                return max(1, int(count * seconds / run.seconds))
            count *= GROWTH

    def close(self) -> None:
        """Ends all processes."""
        self._receiver.close()
        self._host.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()
