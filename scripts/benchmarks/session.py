"""One publisher under test with its subscribers, for as long as a round takes."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from benchmarks.audience import RUN_SECONDS, Arrival, Audience, Latencies
from benchmarks.hosted import HostedPeer
from benchmarks.system_calls import SystemCalls

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from benchmarks.peers import PeerKind
    from benchmarks.traffic import Traffic

SAMPLE_SECONDS = 0.25  # between looks at the memory: a look costs the publisher about 1 ms
WARM_UP_SHARE = 0.25  # a warm-up of this share of a run says how fast the peer is
FIRST_COUNT = 64
# Bytes that the first run of a warm-up delivers at most, to all together: a tenth of a second for
# a fast peer. Without it 64 x 256 KiB to 5,000 subscribers would be 80 GB, which some peers queue.
FIRST_BYTES = 256 * 1024 * 1024
GROWTH = 4
NANO = 1e-9


@dataclass(frozen=True)
class Run:
    """What one run was measured at."""

    messages: int
    deliveries: int
    seconds: float  # from the first publish to the last byte of the last subscriber
    publish_seconds: float  # the publisher's calls alone
    stretch_seconds: list[float]  # the same, for each stretch of them
    publish_cpu_seconds: float  # of the publishing thread in these calls
    cpu_seconds: float  # of all the publisher's processes
    receiver_cpu_seconds: float
    memory_bytes: int  # peak of all the publisher's processes


class InvalidRun(Exception):
    """Not every subscriber got exactly the bytes expected, or the pace was not kept."""


class Session:
    """Starts a peer and its subscribers; `run` publishes and counts."""

    def __init__(self, kind: PeerKind, traffic: Traffic) -> None:
        self._traffic = traffic
        self.peer = HostedPeer(kind, traffic)
        self._audience = Audience(traffic, kind.dialect)
        try:
            self._audience.connect(self.peer.endpoints)
            self.serve(self._audience)
        except BaseException:
            self.close()
            raise

    def serve(self, audience: Audience) -> None:
        """Waits until all of these, which have connected, have been sent what is published.

        Raises:
            TimeoutError: not all were served in time.
        """
        await_served(audience, lambda last: self.peer.probe(last=last))

    def run(self, count: int, stretches: int = 1) -> Run:
        """Publishes `count` messages and waits until every subscriber has its share.

        Args:
            stretches: as for `HostedPeer.publish`.

        Raises:
            InvalidRun: what came in is not what was expected.
        """
        matches = self._traffic.matches(count)
        self._audience.expect(matches)
        cpu = self.peer.processes.cpu_seconds()
        self.peer.publish(count, stretches)
        arrival, memory = self._await_arrival()
        cpu = self.peer.processes.cpu_seconds() - cpu
        published = self.peer.published()
        return Run(
            messages=count,
            deliveries=sum(matches),
            seconds=(arrival.last_ns - published.start_ns) * NANO,
            publish_seconds=published.seconds,
            stretch_seconds=published.stretch_seconds,
            publish_cpu_seconds=published.thread_cpu_seconds,
            cpu_seconds=cpu,
            receiver_cpu_seconds=arrival.cpu_seconds,
            memory_bytes=memory,
        )

    def calls_per_delivery(self, count: int) -> float | None:
        """System calls of the publisher's processes in a further run; None if nobody can count.

        Raises:
            InvalidRun: as with `run`.
        """
        with SystemCalls([one.pid for one in self.peer.processes.members()]) as calls:
            if not calls.is_counting:
                return None
            run = self.run(count)
        return None if calls.counted is None else calls.counted / run.deliveries

    def begin_paced(self, count: int, per_second: float, after: float = 0.0) -> None:
        """Begins to send `count` messages to everyone at a fixed rate; returns `after` seconds."""
        self._audience.expect([count] * self._traffic.subscribers, traced=True)
        self.peer.pace(count, per_second)
        time.sleep(after)

    def end_paced(
        self, per_second: float, since_ns: int = 0, until_ns: int | None = None
    ) -> Latencies:
        """Waits for the end of `begin_paced`; returns what the messages took.

        Args:
            since_ns, until_ns: on CLOCK_MONOTONIC; only those sent between count.

        Raises:
            InvalidRun: what came in is not what was expected, or the pace was not kept.
        """
        # No looks at the memory here: each would hold up a message that just passes.
        self._await_arrival(2 * RUN_SECONDS)
        sent_ns = self.peer.paced()
        check_pace(sent_ns, per_second)
        first = bisect_left(sent_ns, since_ns)
        stop = len(sent_ns) if until_ns is None else bisect_right(sent_ns, until_ns)
        return self._audience.latencies(sent_ns[first:stop], first)

    def paced(self, count: int, per_second: float) -> tuple[Latencies, float]:
        """A whole paced run; returns also the CPU seconds of all the publisher's processes.

        Raises:
            InvalidRun: as with `end_paced`.
        """
        cpu = self.peer.processes.precise_cpu_seconds()
        self.begin_paced(count, per_second)
        latencies = self.end_paced(per_second)
        return latencies, self.peer.processes.precise_cpu_seconds() - cpu

    def _await_arrival(self, sample_seconds: float = SAMPLE_SECONDS) -> tuple[Arrival, int]:
        memory = 0
        deadline = time.monotonic() + 2 * RUN_SECONDS
        while (arrival := self._audience.poll_arrival(sample_seconds)) is None:
            if time.monotonic() > deadline:
                raise TimeoutError("the subscribers' process does not answer")
            memory = max(memory, self.peer.processes.memory_bytes())
        if arrival.invalid:
            raise InvalidRun(arrival.invalid)
        return arrival, memory or self.peer.processes.memory_bytes()

    def count_for(self, seconds: float) -> int:
        """Warms up, and says how many messages take about so long."""
        count = first_count(self._traffic)
        while (took := self.run(count).seconds) < seconds * WARM_UP_SHARE:
            count *= GROWTH
        return max(1, int(count * seconds / took))

    def close(self) -> None:
        """Ends all processes."""
        self._audience.close()
        self.peer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


def await_served(audience: Audience, probe: Callable[[bool], object]) -> None:
    """Has probes published until every subscriber has seen one, and then the last one.

    A starved worker may have probes to send when nothing has come for a while; behind the last
    one none is under way, which would be counted with the messages.

    Args:
        probe: publishes one; True = the last one, which has a mark of its own.

    Raises:
        TimeoutError: not all were served in time.
    """
    audience.await_probe()
    probe(False)
    while audience.poll_probed() is None:
        probe(False)
    audience.await_probe("last")
    probe(True)
    while audience.poll_probed() is None:
        pass


def first_count(traffic: Traffic) -> int:
    """How many messages a warm-up begins with, at least one."""
    return min(FIRST_COUNT, max(1, int(FIRST_BYTES / max(1.0, traffic.bytes_per_message))))


PACE_SLACK = 1.1  # a publisher that needs a tenth more time than planned has not kept the pace


def check_pace(sent_ns: list[int], per_second: float) -> None:
    """Raises InvalidRun if the messages went out too slowly."""
    seconds = (sent_ns[-1] - sent_ns[0]) * NANO
    planned = (len(sent_ns) - 1) / per_second
    if seconds > planned * PACE_SLACK:
        raise InvalidRun(f"the pace was not kept: {seconds:.2f} s instead of {planned:.2f} s")
