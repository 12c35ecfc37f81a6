"""The process of the publisher: paces feeds, and times each `publish()`."""

from __future__ import annotations

import json
import resource
import select
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from benchmarks.children import run_child
from fanout import FanoutError, Publisher
from soaking.feeds import HEALTHY, Feed, Schedule
from soaking.figures import Histogram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.channel import Channel, Message
    from fanout import Event

TICK_S = 0.001
COUNTED = (
    *("subscribers", "accepted", "refused", "evicted", "disconnected", "failed_handshakes"),
    *("sent", "dropped", "discarded"),
)
PROBE_S = 0.1  # between two looks at whether the program still gets a descriptor


class Publishing:
    """One publisher with its feeds; the first one is for the healthy audience."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._feeds: list[Feed] = []
        self._schedules: list[Schedule] = []
        self._published: list[int] = []
        self._cost = Histogram()
        self._probed = 0.0
        self._no_descriptor = 0
        self._broken = ""

    def begin(self, feeds: Sequence[Feed]) -> None:
        """Pace these feeds besides those that are there, and time calls from now on."""
        for feed in feeds:
            self._feeds.append(feed)
            self._schedules.append(Schedule(feed.per_second, time.monotonic()))
            self._published.append(0)
        self._cost.clear()

    def end(self) -> None:
        """Publish no more."""
        self._schedules.clear()

    def turn(self) -> None:
        """Publish what is due."""
        now = time.monotonic()
        for feed, schedule in enumerate(self._schedules):
            for _ in range(schedule.due(now)):
                if not self._broken:
                    self._publish(feed)
        if now >= self._probed + PROBE_S:
            self._probed = now
            self._probe()

    def _publish(self, feed: int) -> None:
        number = self._published[feed]
        stamped_ns = time.monotonic_ns()
        message = self._feeds[feed].frames(feed, number, stamped_ns)
        began_ns = time.perf_counter_ns()
        try:
            if len(message) == 2:
                self._publisher.publish(*message)
            else:
                self._publisher.send_multipart(message)
        except FanoutError as error:
            self._broken = f"{type(error).__name__}: {error}"
            return
        self._cost.add(time.perf_counter_ns() - began_ns)
        self._published[feed] = number + 1

    def _probe(self) -> None:
        """A program opens files of its own now and then."""
        try:
            with open("/dev/null"):
                pass
        except OSError:
            self._no_descriptor += 1

    def figures(self) -> Message:
        """What has been counted so far."""
        return {
            "published": self._published,
            "cost": self._cost.as_pairs(),
            "no_descriptor": self._no_descriptor,
            "broken": self._broken,
        }


class Told:
    """Counts events by kind, and those that are summed up by what they stand for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._counts[str(event.kind)] += event.count
            self._first.setdefault(f"{event.kind} {event.cause}", event.reason)

    def summary(self) -> Message:
        """How many of each kind, and the first reason of each cause."""
        with self._lock:
            return {"events": dict(self._counts), "reasons": dict(self._first)}


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Starts the publisher, serves the harness until it closes the channel, and closes it."""
    settings = json.loads(arguments[0])
    if settings["descriptors"]:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (settings["descriptors"], hard))
    told = Told()
    publisher = Publisher(settings["endpoints"], on_event=told, **settings["options"])
    publishing = Publishing(publisher)
    try:
        channel.send(endpoints=list(publisher.endpoints))
        while True:
            if select.select([channel], [], [], TICK_S)[0]:
                channel.send(**_serve(publisher, publishing, told, channel.receive()))
            publishing.turn()
    finally:
        publisher.close(timeout=0)


def _serve(publisher: Publisher, publishing: Publishing, told: Told, request: Message) -> Message:
    match request["do"]:
        case "wait":
            count, topic = request["count"], HEALTHY.topic.encode()
            publisher.wait_for_subscribers(count, topic=topic, timeout=request["within"])
            return {}
        case "begin":
            publishing.begin([Feed(**feed) for feed in request["feeds"]])
            return {}
        case "end":
            publishing.end()
            statistics = publisher.statistics()
            counted = {name: getattr(statistics, name) for name in COUNTED}
            return publishing.figures() | told.summary() | {"statistics": counted}
        case other:
            raise ValueError(f"no request {other!r}")


if __name__ == "__main__":
    run_child(main)
