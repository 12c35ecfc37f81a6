"""Subscribers that are too slow for all, and get the newest message of each topic: what it costs.

libzmq has a ZMQ_CONFLATE, which keeps one message, of whatever topic, of one frame: with topics it
is no peer. So what is beside is who loses messages instead: fanout by `drop_oldest`, and libzmq at
its high-water mark.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from benchmarks.children import Child
from benchmarks.hosted import HostedPeer
from benchmarks.readers import BUFFER_BYTES, speeds
from benchmarks.session import PACE_SLACK, InvalidRun
from benchmarks.traffic import PROBE_TOPIC, Traffic
from benchmarks.wire import DIALECTS
from benchmarks.workloads.base import Case, Metric, Sample, Settings, Workload, dropping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.peers import PeerKind

SUBSCRIBERS = (1, 100, 1000)
MOST = SUBSCRIBERS[-1]
TOPICS = 1000
WATCHED = 100  # of those who have a list, which ten of them share
SHARED = 10
PAYLOAD_BYTES = 128
PER_SECOND, MORE_PER_SECOND = 10_000, 40_000  # messages
# Of what the feed is at the lower rate: 7 times to 110 times too slow for it, on loopback.
SLOWEST, FASTEST = 1 / 64, 1 / 4
WARM_UP_SECONDS = 2.0  # until buffers are full, and who loses messages does so all the time
WARM_UPS = 5  # at most, until all are served
PASS_SECONDS = 1.0  # at least: a subscriber's passes begin at any time
LIMIT_BYTES = 1024 * 1024  # of those who lose: less than a warm-up
HWM = LIMIT_BYTES // 142  # the same in messages
CALL_SECONDS = 60.0
MICRO, NANO = 1e-6, 1e-9


@dataclass(frozen=True)
class Load(Case):
    """A case with its rate."""

    per_second: int = PER_SECOND


class Conflate(Workload):
    """CPU of all processes for each published message, above what it is with no subscriber.

    Beside it the bytes that were sent for each published message, to all together.
    """

    name = "conflate"
    summary = "slow subscribers that get the newest of each of 1,000 topics, at their own speeds"
    metrics = (
        Metric("cpu_per_message", "CPU us per message", 1 / MICRO, higher_is_better=False),
        Metric("bytes_per_message", "bytes sent per message"),
        Metric("cpu_per_byte", "CPU ns per byte", 1 / NANO, higher_is_better=False),
        Metric("cpu_alone", "us per message alone", 1 / MICRO, higher_is_better=False),
    )
    peers = ("fanout", "libzmq-1io")

    def kinds(self, settings: Settings) -> Sequence[PeerKind]:
        found = []
        for kind in super().kinds(settings):
            if not kind.has_workers:
                found.append(dropping(kind, HWM // 2).variant(kind.name, send_bytes=BUFFER_BYTES))
                continue
            slow = dropping(kind, 0, kernel_bytes=BUFFER_BYTES)
            found.append(slow.variant(kind.name, conflate=1))
            found.append(slow.variant(f"{kind.name}-oldest", slow_limit_bytes=LIMIT_BYTES))
        return found

    def cases(self, settings: Settings) -> Sequence[Case]:
        loads = [(count, PER_SECOND, 0) for count in settings.subscribers or SUBSCRIBERS]
        most = max(settings.subscribers or SUBSCRIBERS)
        loads += [(most, MORE_PER_SECOND, 0), (most, PER_SECOND, WATCHED)]
        return [
            _load(count, size, per_second, watched)
            for size in settings.sizes or (PAYLOAD_BYTES,)
            for count, per_second, watched in loads
        ]

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        assert isinstance(case, Load)
        seconds = max(settings.seconds, PASS_SECONDS)
        count = int(case.per_second * seconds)
        hosted = HostedPeer(peer, case.traffic)
        readers = None
        try:
            _spread(hosted, count // 2, case.per_second)
            alone = _spread(hosted, count, case.per_second)
            readers = _readers(hosted, peer.dialect, case.traffic)
            for _ in range(WARM_UPS):
                _spread(hosted, int(case.per_second * WARM_UP_SECONDS), case.per_second)
                if not readers.ask(CALL_SECONDS)["without"]:
                    break
            cpu = _spread(hosted, count, case.per_second)
            read = readers.ask(CALL_SECONDS)
        finally:
            if readers is not None:
                readers.close()
            hosted.close()
        if read["closed"] or read["without"]:
            raise InvalidRun(f"{read['closed']} were closed, {read['without']} got nothing")
        return Sample(figures_of(count, cpu, alone, read["bytes"]))


def _load(subscribers: int, size: int, per_second: int, watched: int) -> Load:
    wants = f" x {watched} of {TOPICS:,} topics" if watched else ""
    label = f"{subscribers:,} slow subscribers{wants}, {per_second:,} messages/s, {size:,} B"
    lists = -(-subscribers // SHARED) if watched else 0
    traffic = Traffic(subscribers, size, TOPICS, watched, lists)
    return Load(label, traffic, per_second=per_second)


def _readers(hosted: HostedPeer, dialect: str, traffic: Traffic) -> Child:
    """The subscribers, all there: each of them reads a share of what is for it."""
    size = DIALECTS[dialect].message_bytes(len(PROBE_TOPIC), traffic.payload_bytes)
    feed = PER_SECOND * size * (traffic.watched or TOPICS) / TOPICS
    settings = {
        "traffic": asdict(traffic),
        "per_second": speeds(traffic.subscribers, SLOWEST * feed, FASTEST * feed),
        "endpoints": hosted.endpoints,
        "dialect": dialect,
    }
    readers = Child("benchmarks.readers", json.dumps(settings))
    try:
        readers.answer(CALL_SECONDS)
    except BaseException:
        readers.close()
        raise
    return readers


def _spread(hosted: HostedPeer, count: int, per_second: float) -> float:
    """Publishes over all topics at a rate; CPU seconds of all processes meanwhile.

    Raises:
        InvalidRun: the pace was not kept.
    """
    cpu = hosted.processes.precise_cpu_seconds()
    seconds = hosted.spread(count, per_second)
    if seconds > PACE_SLACK * count / per_second + 0.1:
        raise InvalidRun(f"the pace was not kept: {seconds:.2f} s for {count:,} messages")
    return hosted.processes.precise_cpu_seconds() - cpu


def figures_of(count: int, cpu: float, alone: float, sent_bytes: int) -> dict[str, float]:
    """What so many messages come to.

    Args:
        cpu, alone: seconds with the subscribers, and without.
    """
    above = max(0.0, cpu - alone)
    return {
        "cpu_per_message": above / count,
        "bytes_per_message": sent_bytes / count,
        "cpu_per_byte": above / max(1, sent_bytes),
        "cpu_alone": alone / count,
    }
