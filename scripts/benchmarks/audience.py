"""The process with all subscribers, as the harness sees it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from benchmarks.children import Child
from benchmarks.traffic import PROBE_TOPIC
from benchmarks.wire import DIALECTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.traffic import Traffic

CALL_SECONDS = 30.0
RUN_SECONDS = 30.0  # a run is made to take one or two
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Arrival:
    """What came in, and when; `invalid` says why it does not count."""

    began_ns: int  # from when on it was waited for
    last_ns: int
    cpu_seconds: float
    invalid: str
    left_bytes: int  # that were expected and have not come, of all together


@dataclass(frozen=True)
class Served:
    """From the first connection to the last probe seen, on CLOCK_MONOTONIC in nanoseconds."""

    began_ns: int
    ended_ns: int


@dataclass(frozen=True)
class Latencies:
    """Percentiles of a paced run in seconds, each of p50, p99, p99.9 and the maximum."""

    every: tuple[float, float, float, float]  # of every delivery
    last: tuple[float, float, float, float]  # of each message's last subscriber
    spread: tuple[float, float, float, float]  # between its first and last


class Audience:
    """Starts the subscribers' process; one request at a time."""

    def __init__(self, traffic: Traffic, dialect: str) -> None:
        self._traffic = traffic
        self._dialect = dialect
        self._child = Child("benchmarks.receiver", json.dumps(asdict(traffic)))

    def connect(self, endpoints: Sequence[str], *, subscribes: bool = True) -> None:
        """Connects and subscribes everyone; that all of it has been served is another matter.

        Args:
            subscribes: now, and not with `expect`.
        """
        how = {"dialect": self._dialect, "subscribes": subscribes}
        self._child.ask(CALL_SECONDS, do="connect", endpoints=endpoints, **how)

    def await_probe(self, mark: str = "any") -> None:
        """Begins to wait until every subscriber has seen a probe; `poll_probed` asks.

        Args:
            mark: "last": until each has seen the last one, behind which nothing is under way.
        """
        self._child.tell(do="await-probe", allowed_seconds=CALL_SECONDS, mark=mark)

    def poll_probed(self, timeout: float = POLL_SECONDS) -> Served | None:
        """When all have seen a probe, None if not all have yet.

        Raises:
            TimeoutError: they will not.
        """
        try:
            answer = self._child.answer(timeout)
        except TimeoutError:
            return None
        if not answer["subscribed"]:
            raise TimeoutError(f"not every subscriber was served within {CALL_SECONDS:g} s")
        return Served(answer["began_ns"], answer["served_ns"])

    def expect(
        self,
        counts: Sequence[int],
        *,
        traced: bool = False,
        subscribes: bool = False,
        allowed_seconds: float = RUN_SECONDS,
    ) -> None:
        """From now on subscriber i waits for exactly `counts[i]` messages.

        Args:
            traced: for `latencies`.
            subscribes: all subscribe when that begins, who have not.
            allowed_seconds: for so long.
        """
        dialect = DIALECTS[self._dialect]
        size = dialect.message_bytes(len(PROBE_TOPIC), self._traffic.payload_bytes)
        self._child.ask(
            CALL_SECONDS,
            do="expect",
            sizes=[count * size for count in counts],
            message_bytes=size,
            chatter=dialect.chatter_bytes,
            traced=traced,
            subscribes=self._dialect if subscribes else "",
            allowed_seconds=allowed_seconds,
        )

    def poll_arrival(self, timeout: float) -> Arrival | None:
        """The end of what `expect` began, None if it has not come yet."""
        try:
            answer = self._child.answer(timeout)
        except TimeoutError:
            return None
        names = ("began_ns", "last_ns", "cpu_seconds", "invalid", "left_bytes")
        return Arrival(*(answer[name] for name in names))

    def await_arrival(self) -> Arrival:
        """The end of what `expect` began.

        Raises:
            TimeoutError: the process of the subscribers does not answer.
        """
        arrival = self.poll_arrival(2 * RUN_SECONDS)
        if arrival is None:
            raise TimeoutError("the subscribers' process does not answer")
        return arrival

    def latencies(self, sent_ns: Sequence[int], first: int = 0) -> Latencies:
        """After a traced run: how long the messages from `first` on took, given when sent."""
        answer = self._child.ask(CALL_SECONDS, do="latencies", first=first, sent_ns=sent_ns)
        return Latencies(*(tuple(answer[name]) for name in ("every", "last", "spread")))

    def close(self) -> None:
        """Ends all subscribers."""
        self._child.close()
