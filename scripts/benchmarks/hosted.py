"""A peer in its own process, as the harness sees it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from benchmarks.children import Child
from benchmarks.resources import ProcessTree

if TYPE_CHECKING:
    from benchmarks.peers import PeerKind
    from benchmarks.traffic import Traffic

START_SECONDS = 30.0
CALL_SECONDS = 60.0  # for one request; a run is made to take one or two
NANO = 1e-9


@dataclass(frozen=True)
class Published:
    """When and at what cost a run was published; times on CLOCK_MONOTONIC."""

    start_ns: int
    seconds: float
    stretch_seconds: list[float]
    thread_cpu_seconds: float  # of the publishing thread alone


class HostedPeer:
    """Starts the peer; one request at a time."""

    def __init__(self, kind: PeerKind, traffic: Traffic) -> None:
        options, described = json.dumps(dict(kind.options)), json.dumps(asdict(traffic))
        self._child = Child("benchmarks.host", kind.location, options, described)
        try:
            answer = self._child.answer(START_SECONDS)
            self.endpoints: list[str] = answer["endpoints"]
            self.processes = ProcessTree(answer["pid"])
        except BaseException:
            self.close()
            raise

    def probe(self, *, last: bool = False) -> None:
        """Sends one message on the probe topic; the last one has a mark of its own."""
        self._child.ask(CALL_SECONDS, do="probe", last=last)

    def publish(self, count: int, stretches: int = 1) -> None:
        """Begins to publish the first `count` messages; `published` waits for the end.

        Args:
            stretches: timed one by one; more than one only if there is one topic, and `count` is
                a multiple.
        """
        self._child.tell(do="publish", count=count, stretches=stretches)

    def published(self) -> Published:
        """The end of `publish`."""
        answer = self._child.answer(CALL_SECONDS)
        marks: list[int] = answer["marks_ns"]
        stretches = [(end - start) * NANO for start, end in pairwise(marks)]
        seconds = (marks[-1] - marks[0]) * NANO
        return Published(marks[0], seconds, stretches, answer["thread_cpu_seconds"])

    def pace(self, count: int, per_second: float) -> None:
        """Begins to send `count` messages, some of them probes, at a fixed rate; `paced` waits."""
        self._child.tell(do="pace", count=count, per_second=per_second)

    def paced(self) -> list[int]:
        """The end of `pace`: when each message was sent, in nanoseconds on CLOCK_MONOTONIC."""
        sent: list[int] = self._child.answer(CALL_SECONDS)["sent_ns"]
        return sent

    def spread(self, count: int, per_second: float) -> float:
        """Publishes on topics drawn by chance, at a fixed rate; returns the seconds it took."""
        answer = self._child.ask(CALL_SECONDS, do="spread", count=count, per_second=per_second)
        seconds: float = answer["seconds"]
        return seconds

    def lose_worker(self) -> int:
        """Kills the worker of the first subscriber; when, in nanoseconds on CLOCK_MONOTONIC."""
        lost: int = self._child.ask(CALL_SECONDS, do="lose-worker")["lost_ns"]
        return lost

    def close(self) -> None:
        """Ends the peer and all its processes."""
        self._child.close()
