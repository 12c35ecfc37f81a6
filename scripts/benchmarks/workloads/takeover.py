"""Takeover: how long subscribers hear nothing when a worker is lost, or the whole publisher."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.children import Child
from benchmarks.peers import PEERS
from benchmarks.peers.base import free_port
from benchmarks.traffic import Traffic
from benchmarks.workloads.base import Case, Metric, Sample, Settings, Workload, milliseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.channel import Message
    from benchmarks.peers import PeerKind

SUBSCRIBERS, QUICK_SUBSCRIBERS = (200, 2_000), (200,)
DELIVERIES = 40_000  # a second at most: far below what two cores can do
PER_SECOND = 200.0  # messages at most
PAYLOAD_BYTES = 128
TIMES, QUICK_TIMES = 6, 3  # that it happens in a round
START_S, SERVED_S = 60.0, 60.0
LOOK_S = 0.02
CALM_S = 1.0  # from one to the next, once all are served again
NANO = 1e-9
SURVIVOR, ONLY, MOVE, PROCESS = "a survivor", "the only worker", "moved", "the process"
HUNG = "a survivor, the other hangs"
SEALED = "a survivor, by CURVE"
SEALED_DELIVERIES = 10_000  # a second there: what is measured is who comes back, and not this
SEALED_MOST = 500  # subscribers there: beyond it is measured how fast one program has them greeted
HUNG_AFTER_S = 1  # `worker_timeout` there


@dataclass(frozen=True)
class Losing(Case):
    """A case, and what is lost in it."""

    what: str = SURVIVOR


@dataclass
class Felt:
    """What all subscribers have felt, over all times."""

    pauses: list[float] = field(default_factory=list)  # seconds
    lacking: list[int] = field(default_factory=list)  # messages

    def add(self, served: Message) -> None:
        """What one loss has come to."""
        self.pauses += [pause * NANO for pause in served["pauses_ns"]]
        self.lacking += served["lacking"]

    def sample(self) -> Sample:
        """The figures."""
        if not self.pauses:
            return Sample(invalid="nobody has felt anything")
        ordered = sorted(self.pauses)
        return Sample(
            {
                "p50": ordered[len(ordered) // 2],
                "p99": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)],
                "max": ordered[-1],
                "lacking": sum(self.lacking) / len(self.lacking),
            }
        )


class Feeding:
    """A feed by a peer, which may be lost as a whole and started again, and its subscribers.

    Args:
        listeners: whose subscribers they are: the name of a module in `pausing`.
    """

    def __init__(
        self, kind: PeerKind, traffic: Traffic, per_second: float, listeners: str = "listeners"
    ) -> None:
        self._kind = kind
        self._described = json.dumps(asdict(traffic))
        self._rate = per_second
        self._options: dict[str, Any] = dict(kind.options)
        self._options["port"] = free_port()  # that it is started again on
        self._feed = self._start(0)
        try:
            [endpoint] = self._feed.answer(START_S)["endpoints"]
            self._listeners = Child(f"benchmarks.pausing.{listeners}", self._described, endpoint)
            self._listeners.answer(START_S)
        except BaseException:
            self._feed.close()
            raise

    def _start(self, first: int) -> Child:
        options = json.dumps(self._options)
        arguments = (self._kind.location, options, self._described, str(self._rate), str(first))
        return Child("benchmarks.pausing.feed", *arguments)

    def lose(self, what: str) -> Message:
        """Something is lost, now; what subscribers have felt of it, once they are served again."""
        if what == PROCESS:
            return self.served(self._lose_process(), None)
        if what == MOVE:
            moved = self._feed.ask(START_S, do="move")
            times = {"begin_ns": moved["lost_ns"], "end_ns": moved["ended_ns"]}
            return self._answer(do="slowest", **times)
        lost = self._feed.ask(START_S, do="hang-worker" if what == HUNG else "lose-worker")
        return self.served(lost["lost_ns"], lost["whom"])

    def _lose_process(self) -> int:
        """As a supervisor does that starts it again at once; what it did not publish is missing."""
        state = self._feed.ask(START_S, do="state")  # it goes on while it answers
        os.kill(self._feed.pid, signal.SIGKILL)
        lost_ns = time.monotonic_ns()
        self._feed.close()
        self._feed = self._start(
            state["number"] + int((time.monotonic() - state["at_s"]) * self._rate)
        )
        self._feed.answer(START_S)
        return lost_ns

    def served(self, moment_ns: int, whom: Sequence[str] | None) -> Message:
        """Wait until each has a message that was published since.

        Raises:
            TimeoutError: somebody had none in time.
        """
        return self._answer(do="since", moment_ns=moment_ns, whom=whom)

    def _answer(self, **request: Any) -> Message:
        until = time.monotonic() + SERVED_S
        while time.monotonic() < until:
            served: Message | None = self._listeners.ask(START_S, **request)["served"]
            if served is not None:
                return served
            time.sleep(LOOK_S)
        raise TimeoutError(f"not all were served again within {SERVED_S:g} s")

    def await_workers(self) -> None:
        """Until all workers serve again, each as many, and for a moment."""
        until = time.monotonic() + START_S
        while self._kind.has_workers and not self._feed.ask(START_S, do="ready")["ready"]:
            if time.monotonic() > until:
                raise TimeoutError(f"not all workers serve within {START_S:g} s")
            time.sleep(LOOK_S)
        if self._kind.has_workers:
            self._feed.ask(START_S, do="spread")
        time.sleep(CALM_S)

    def close(self) -> None:
        """End all."""
        self._listeners.close()
        self._feed.close()


class Takeover(Workload):
    """A pause is from the loss until a subscriber has a message that was published after it.

    One is published right after it where the publisher goes on. Those count whose worker was lost;
    or all, where the whole process is. Of those who are moved it is what the slowest message took
    meanwhile, of one each millisecond. A worker that hangs is stopped by a signal, and found by its
    `worker_timeout`, which is HUNG_AFTER_S there. Encrypted connections end with their worker: it
    is until stock SUB sockets with CURVE, which wait for 0.1 to 0.2 s by default, are served again.
    `lacking` is what a subscriber misses of the numbers of the feed, what was not published
    meanwhile among it.
    """

    name = "takeover"
    summary = "a worker is killed or hangs, or the process is: how long subscribers hear nothing"
    metrics = (
        milliseconds("p50", "pause p50 ms"),
        milliseconds("p99", "p99"),
        milliseconds("max", "max"),
        Metric("lacking", "messages lacking", 1.0, higher_is_better=False),
    )
    peers = ("fanout", "fanout-1w", "fanout-curve", "libzmq-1io")

    def kinds(self, settings: Settings) -> Sequence[PeerKind]:
        two = {name: PEERS[name].variant(name, workers=2) for name in ("fanout", "fanout-curve")}
        known = {**PEERS, **two}
        return [known[name] for name in settings.peers or self.peers]

    def cases(self, settings: Settings) -> Sequence[Case]:
        counts = settings.subscribers or (QUICK_SUBSCRIBERS if settings.quick else SUBSCRIBERS)
        whose = {
            SURVIVOR: ("fanout",),
            HUNG: ("fanout",),
            SEALED: ("fanout-curve",),
            ONLY: ("fanout-1w",),
            MOVE: ("fanout",),
            PROCESS: ("fanout", "libzmq-1io"),
        }
        return [
            Losing(f"{count:,} subscribers, {what}", Traffic(count, PAYLOAD_BYTES), peers, what)
            for count in counts
            for what, peers in whose.items()
            if what != SEALED or count <= SEALED_MOST
        ]

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        assert isinstance(case, Losing)
        is_sealed = case.what == SEALED
        deliveries = SEALED_DELIVERIES if is_sealed else DELIVERIES
        rate = min(PER_SECOND, deliveries / case.traffic.subscribers)
        felt = Felt()
        if case.what == HUNG:
            peer = peer.variant(peer.name, worker_timeout=HUNG_AFTER_S)
        listeners = "stock_listeners" if is_sealed else "listeners"
        feeding = Feeding(peer, case.traffic, rate, listeners)
        try:
            feeding.served(time.monotonic_ns(), None)
            for _ in range(QUICK_TIMES if settings.quick else TIMES):
                feeding.await_workers()
                felt.add(feeding.lose(case.what))
        finally:
            feeding.close()
        return felt.sample()
