"""One run: a publisher here, subscribers in processes of their own, and workers that are lost."""

from __future__ import annotations

import contextlib
import json
import os
import random
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.children import Child
from fanout import Again, Event, EventKind, Publisher, SlowPolicy, SlowRule
from soaking.chaos.audience import Counter
from soaking.chaos.calling import calls_of
from soaking.chaos.judging import Found, add_heard, complaints, without_numbers
from soaking.chaos.messages import payload_of, topic_of
from soaking.chaos.people import NETWORK, POLICIES, index_of, people
from soaking.chaos.tormenting import Tormentor
from soaking.feeds import Schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from soaking.chaos.silence import Window

HOST = "127.0.0.1"
START_S = 60.0
ROOM_S = 0.02  # for which a `publish()` waits, before it is looked whether something is to happen
ROOM_MAX_S = 60.0  # for which it waits when nothing happens any more
READ_S = 60.0  # for all to read what is left
DRAIN_S = 60.0  # for the counters of all to be written, on a busy machine too
LONG_S = 3_600.0  # nobody is closed for its silence: that is another matter
LIMIT_PART = 8  # of the log may wait for one that may lose messages
TICK_S = 0.002
LOST = (EventKind.SUBSCRIBER_EVICTED, EventKind.SUBSCRIBER_DISCONNECTED)


@dataclass(frozen=True)
class Settings:
    """What a run is to be.

    Attributes:
        per_second: messages; 0 = as many as there is room for.
        processes: of subscribers; 0 = one for a hundred of them, two at least.
        wait: seconds until the first fault.
    """

    seconds: float
    subscribers: int
    seed: int
    kinds: tuple[str, ...]
    per_second: float = 0.0
    workers: int = 2
    log_bytes: int = 16 << 20
    worker_timeout: float = 1.0
    processes: int = 0
    wait: float = 0.3

    def options(self, folder: str) -> dict[str, Any]:
        """Of the publisher, with socket files in this folder."""
        limit = self.log_bytes // LIMIT_PART
        policies = {
            "drop_oldest": SlowPolicy("drop_oldest", limit_bytes=limit),
            "drop_newest": SlowPolicy("drop_newest", limit_bytes=limit),
            "conflate": SlowPolicy("conflate"),
            "paced": SlowPolicy("drop_oldest", limit_bytes=limit, max_rate=100_000),
        }
        return {
            "workers": self.workers,
            "log_bytes": self.log_bytes,
            "worker_timeout": self.worker_timeout,
            "slow_policy": "block",
            "slow_rules": [
                SlowRule(policy, address=f"127.{NETWORK + POLICIES.index(name)}.0.0/16")
                for name, policy in policies.items()
            ]
            + [
                SlowRule(policy, endpoint=f"ipc://{folder}/{name}")
                for name, policy in policies.items()
            ],
            "kernel_queue_bytes": 32 << 10,
            "heartbeat_interval": 1.0,
            "heartbeat_timeout": LONG_S,
            "send_timeout": LONG_S,
            "stall_timeout": LONG_S,
            "tcp_user_timeout": LONG_S,
        }


@dataclass
class Told:
    """What the publisher tells of those who are lost; its thread of events."""

    reasons: list[str] = field(default_factory=list)
    workers: list[str] = field(default_factory=list)
    handshakes: int = 0  # that have failed
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, event: Event) -> None:
        if event.kind in LOST:
            with self._lock:
                self.reasons.append(without_numbers(event.reason))
        elif event.kind is EventKind.HANDSHAKE_FAILED:
            self.handshakes += event.count
        elif event.kind in (EventKind.WORKER_LOST, EventKind.WORKER_GIVEN_UP):
            with self._lock:
                self.workers.append(without_numbers(event.reason.partition(";")[0]))

    def all(self) -> tuple[list[str], list[str]]:
        """Every one so far: of subscribers, and of workers."""
        with self._lock:
            return list(self.reasons), list(self.workers)


class Session:
    """Runs once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._people = people(settings.subscribers, settings.kinds, settings.seed)
        self._found = Found()
        self._told = Told()
        self._children: list[Child] = []

    def run(self) -> Found:
        """The whole of it."""
        settings, found = self._settings, self._found
        with contextlib.ExitStack() as stack:
            folder = self._folder = stack.enter_context(tempfile.TemporaryDirectory())
            endpoints = [f"tcp://{HOST}:*", *(f"ipc://{folder}/{name}" for name in POLICIES)]
            publisher = stack.enter_context(
                Publisher(endpoints, on_event=self._told, **settings.options(folder))
            )
            counter = Counter(self._new_counter(folder))
            self._start(stack, publisher)
            self._await_all(publisher)
            calls = calls_of(publisher, random.Random(f"calls {settings.seed}"))
            rng = random.Random(f"faults {settings.seed}")
            tormentor = Tormentor(publisher, rng, self._tell, calls)
            self._publish(publisher, counter, tormentor)
            tormentor.stop()
            found.hits = tormentor.counts
            found.failures += tormentor.failures
            heard = self._read_all()
            publisher.drain(DRAIN_S)
            self._judge(publisher, heard)
        return found

    def _new_counter(self, folder: str) -> str:
        self._counter_path = os.path.join(folder, "published")
        with open(self._counter_path, "wb") as file:
            file.write(bytes(8))
        return self._counter_path

    def _start(self, stack: contextlib.ExitStack, publisher: Publisher) -> None:
        settings = self._settings
        count = settings.processes or max(2, (settings.subscribers + 99) // 100)
        port = int(publisher.endpoints[0].rpartition(":")[2])
        for share in range(count):
            described = {
                "port": port,
                "folder": self._folder,
                "seed": settings.seed,
                "counter": self._counter_path,
                "people": [asdict(one) for one in self._people[share::count]],
            }
            child = Child("soaking.chaos.audience", json.dumps(described))
            self._children.append(stack.enter_context(child))
        for child in self._children:
            child.answer(START_S)

    def _await_all(self, publisher: Publisher) -> None:
        """All have come, and what they want is in force."""
        until = time.monotonic() + START_S
        ready = 0
        while ready < len(self._people):
            if time.monotonic() > until:
                raise TimeoutError(f"{ready} of {len(self._people)} have come")
            rows = publisher.subscribers()
            known = [(row, index) for row in rows if (index := index_of(row)) is not None]
            ready = sum(
                row.subscriptions >= len(self._people[index].prefixes) for row, index in known
            )
            time.sleep(TICK_S)

    def _tell(self, window: Window) -> None:
        for child in self._children:
            child.tell(do="happened", **asdict(window))

    def _publish(self, publisher: Publisher, counter: Counter, tormentor: Tormentor) -> None:
        settings, found = self._settings, self._found
        began = now = time.monotonic()
        tormentor.begin(began + settings.wait)
        schedule = Schedule(settings.per_second, began) if settings.per_second else None
        until = began + settings.seconds
        while now < until:
            tormentor.turn(now)
            due = schedule.due(now) if schedule else 1
            if not due:
                time.sleep(TICK_S)
            for _ in range(due):
                counter.value = found.published + 1
                if not self._publish_next(publisher, tormentor, now, until):
                    return
            now = time.monotonic()
            found.seconds = now - began

    def _publish_next(
        self, publisher: Publisher, tormentor: Tormentor, began: float, until: float
    ) -> bool:
        """Wait for room; whether there was any, while workers are lost."""
        found = self._found
        frames = topic_of(found.published), payload_of(found.published)
        while True:
            try:
                publisher.publish(*frames, timeout=ROOM_S)
            except Again:
                now = time.monotonic()
                found.waits += 1
                found.most = max(found.most, now - began)
                if now > until + ROOM_MAX_S:
                    found.failures.append(f"no room for {ROOM_MAX_S:g} s after the last fault")
                    return False
                if now < until:
                    tormentor.turn(now)
                continue
            found.published += 1
            return True

    def _read_all(self) -> dict[int, dict[str, Any]]:
        heard: dict[int, dict[str, Any]] = {}
        for child in self._children:
            child.tell(do="read_all", published=self._found.published, seconds=READ_S)
        for child in self._children:
            answer = child.answer(2 * READ_S)
            heard |= {int(index): figures for index, figures in answer["heard"].items()}
            self._found.merge_pauses(answer["pauses"])
        return heard

    def _judge(self, publisher: Publisher, heard: dict[int, dict[str, Any]]) -> None:
        found = self._found
        totals = publisher.statistics()
        found.takeovers, found.resumed = totals.takeovers, totals.resumed
        found.published_bytes = totals.published_bytes
        accounts = {index_of(row): row for row in publisher.subscribers()}
        subscribers, workers = self._told.all()
        found.disconnects.update(subscribers)
        found.lost.update(workers)
        found.handshakes = self._told.handshakes
        for person in self._people:
            one = heard[person.index]
            add_heard(found, person, one)
            if one["wrong"] or one["ended"] or one["half_open"]:
                continue
            texts: Sequence[str] = ["it is not there"]
            if account := accounts.get(person.index):
                texts = list(complaints(person, one, account, found.published))
            found.counters += [f"{person.kind} {person.index}: {text}" for text in texts]
