"""`python -m demonstration`: a real feed, stock subscribers, and one that never reads.

Exit status: 0 every healthy subscriber got everything, 1 not, 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import textwrap
import time
from typing import TYPE_CHECKING

from demonstration.observation import Observer
from demonstration.processes import HealthySubscriber, StalledSubscriber
from demonstration.screen import TableScreen
from demonstration.tally import END_TOPIC, expected, shortfall
from demonstration.telemetry import Telemetry
from demonstration.texts import Row, Totals, paragraph, table
from fanout import Publisher
from fanout.errors import FanoutError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SAMPLES_PER_S = 50  # some 2,000 messages: enough to fill the buffers of who does not read
LOG_BYTES = 1024 * 1024
"""A small log: half of it is a few seconds of this feed, so that falling behind can be seen."""

KERNEL_QUEUE_BYTES = 64 * 1024
"""What the kernel may hold for a subscriber; a quarter of the default, for the same reason."""

CONNECT_TIMEOUT_S = 30.0  # subscribers start an interpreter each
FINISH_TIMEOUT_S = 20.0


class Demonstration:
    """A publisher and its subscribers; `run` shows them."""

    def __init__(self, publisher: Publisher, observer: Observer, screen: TableScreen) -> None:
        self._publisher = publisher
        self._observer = observer
        self._screen = screen
        self._telemetry = Telemetry()
        self._healthy: list[HealthySubscriber] = []
        self._stalled_endpoint = ""
        self._began = 0.0
        self._ended: float | None = None  # None while the feed runs

    @contextlib.contextmanager
    def subscribers(self, folder: str) -> Iterator[None]:
        """Binds, starts the subscribers and waits until all their subscriptions have arrived."""
        publisher = self._publisher
        for endpoint in ("tcp://127.0.0.1:*", f"ipc://{folder}/feed.sock", "tcp://127.0.0.1:*"):
            publisher.bind(endpoint)
        tcp, ipc, self._stalled_endpoint = publisher.endpoints
        self._screen.say(f"publishing this machine's telemetry on {tcp} and {ipc}")
        wanted = [
            ("everything, over tcp", tcp, ("",)),
            ("everything, over ipc", ipc, ("",)),
            ("cpu., over tcp", tcp, ("cpu.",)),
            ("memory, over ipc", ipc, ("memory",)),
            ("disks and nets, tcp", tcp, ("disk.", "net.")),
        ]
        with contextlib.ExitStack() as stack:
            for name, endpoint, prefixes in wanted:
                self._healthy.append(HealthySubscriber(name, endpoint, prefixes))
                stack.callback(self._healthy[-1].stop)
            stalled = StalledSubscriber(self._stalled_endpoint)
            stack.callback(stalled.stop)
            self._wait_for_subscriptions()
            yield

    def _wait_for_subscriptions(self) -> None:
        # libzmq sends subscriptions one by one: each of them must be there before counting starts.
        prefixes = {prefix for one in self._healthy for prefix in one.prefixes} | {END_TOPIC}
        for topic in prefixes - {b""}:
            takers = [one for one in self._healthy if topic.startswith(one.prefixes)]
            count = len(self._healthy if topic == END_TOPIC else takers) + 1  # the stalled one
            self._publisher.wait_for_subscribers(count, topic=topic, timeout=CONNECT_TIMEOUT_S)

    def run(self, seconds: float) -> int:
        """Publishes for so many seconds, shows it, and returns the exit status."""
        self._began = now = time.monotonic()
        sample_at, draw_at = now, now + self._screen.redraw_s
        while now < self._began + seconds:
            if now >= sample_at:
                self._publish(self._telemetry.sample())
                sample_at = max(sample_at + 1 / SAMPLES_PER_S, now)
            self._look()
            if now >= draw_at:
                draw_at = now + self._screen.redraw_s
                self._screen.table(table(self._totals(), self._rows(), self._observer.stalled))
            time.sleep(max(sample_at - time.monotonic(), 0))
            now = time.monotonic()
        self._ended = now
        self._publisher.publish(END_TOPIC, b"")
        self._finish()
        return self._conclude()

    def _publish(self, messages: Sequence[tuple[bytes, bytes]]) -> None:
        with self._publisher.batch() as batch:
            for topic, payload in messages:
                batch.publish(topic, payload)

    def _finish(self) -> None:
        deadline = time.monotonic() + FINISH_TIMEOUT_S
        for one in self._healthy:
            one.wait(max(deadline - time.monotonic(), 0))

    def _conclude(self) -> int:
        self._look()
        problems = list(self._problems())
        totals, rows, stalled = self._totals(), self._rows(), self._observer.stalled
        self._screen.table(table(totals, rows, stalled))
        text = paragraph(totals, rows, stalled, problems)
        self._screen.say("\n" + textwrap.fill(text, 96))
        return 1 if problems else 0

    def _problems(self) -> Iterator[str]:
        for one in self._healthy:
            if one.report.by_topic is None:
                yield f"{one.name} did not reach the end of the feed"
                continue
            missed = shortfall(
                expected(self._telemetry.published, one.prefixes), one.report.by_topic
            )
            if missed:
                yield f"{one.name} got {', '.join(missed[:3])}"
            if one.report.missing or one.report.disordered:
                gaps = f"{one.report.missing:,} gaps, {one.report.disordered:,} out of order"
                yield f"{one.name} saw {gaps}"
        yield from self._observer.troubles

    def _look(self) -> None:
        subscribers = self._publisher.subscribers()
        self._observer.look(subscribers, self._stalled_endpoint, self._began)

    def _elapsed(self) -> float:
        return (self._ended or time.monotonic()) - self._began

    def _totals(self) -> Totals:
        published = self._telemetry.published
        return Totals(
            elapsed_s=self._elapsed(),
            messages=published.total(),
            message_bytes=self._publisher.statistics().published_bytes,
            topics=len(published),
        )

    def _rows(self) -> list[Row]:
        elapsed = max(self._elapsed(), 0.001)
        return [Row(one.name, one.report, one.report.messages / elapsed) for one in self._healthy]


def main() -> int:
    """Runs the demonstration; returns its exit status."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__, allow_abbrev=False)
    parser.add_argument("--seconds", type=float, default=15.0, help="how long (default: 15)")
    parser.add_argument("--workers", type=int, default=2, help="worker processes (default: 2)")
    arguments = parser.parse_args()
    if not 0 < arguments.seconds < 86_400:
        parser.error("--seconds must be more than 0 and less than a day")
    observer = Observer()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="fanout-") as folder,
            Publisher(
                workers=arguments.workers,
                log_bytes=LOG_BYTES,
                kernel_queue_bytes=KERNEL_QUEUE_BYTES,
                on_event=observer.on_event,
            ) as publisher,
        ):
            demonstration = Demonstration(publisher, observer, TableScreen())
            with demonstration.subscribers(folder):
                return demonstration.run(arguments.seconds)
    except (FanoutError, TimeoutError, BrokenPipeError) as error:
        print(f"scripts/demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("scripts/demo: interrupted", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
