"""One run: a publisher here, its subscribers in another process, and all heavy ones on worker 0."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from benchmarks.children import Child
from fanout import EventKind, NotMovedError, Publisher
from fanout.coordinator.balance import QUIET
from fanout.coordinator.rebalancing import WHY
from soaking.feeds import Schedule
from soaking.rebalance.feeds import HEAVY, LIGHT, payload_of
from soaking.rebalance.judging import WINDOW_S, Found, difference

if TYPE_CHECKING:
    from fanout import Event

ANSWER_S = 120.0
LOOK_S = 0.25
STEP_S = 0.001


@dataclass(frozen=True)
class Settings:
    """What there is, and for how long.

    Args:
        subscribers: in all.
        heavy: of these, that get the feed of which much is published; the others get the other.
        per_second: messages of that feed.
        light_per_second: of the other.
        within: seconds by which the loads are to be equal.
        still: seconds after the window in which they are measured: nobody is to be moved then.
    """

    subscribers: int = 1_000
    heavy: int = 100
    per_second: float = 1_000.0
    light_per_second: float = 5.0
    workers: int = 2
    within: float = 10.0
    still: float = 30.0


class Session:
    """Runs once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.found = Found(settings.within)
        self._began = 0.0
        self._lock = threading.Lock()
        self._told: list[float] = []
        self._published = {HEAVY: 0, LIGHT: 0}

    def run(self) -> Found:
        """The whole of it."""
        settings, found = self._settings, self.found
        with Publisher(
            "tcp://127.0.0.1:*",
            workers=settings.workers,
            log_bytes="16M",
            max_subscribers=settings.subscribers + 10,
            heartbeat_interval=0.0,  # nothing but messages comes
            on_event=self._note,
        ) as publisher:
            host, _, port = publisher.endpoints[0].removeprefix("tcp://").rpartition(":")
            light = settings.subscribers - settings.heavy
            told = {"host": host, "port": int(port), "heavy": settings.heavy, "light": light}
            with contextlib.closing(
                Child("soaking.rebalance.audience", json.dumps(told))
            ) as audience:
                heavy = set(audience.answer(ANSWER_S)["heavy"])
                publisher.wait_for_subscribers(settings.subscribers, timeout=ANSWER_S)
                self._gather(publisher, heavy)
                self._publish(publisher)
                answer = audience.ask(ANSWER_S, do="finish", published=self._published)
                found.wrong += answer["wrong"]
                self._judge(publisher, heavy)
        found.published = sum(self._published.values())
        with self._lock:
            found.moves = [at - self._began for at in self._told if at >= self._began]
        return found

    def _note(self, event: Event) -> None:
        if event.kind is EventKind.SUBSCRIBER_MOVED and event.reason.endswith(WHY):
            with self._lock:
                self._told.append(time.monotonic())

    def _gather(self, publisher: Publisher, heavy: set[int]) -> None:
        """All heavy ones have come to worker 0; and that is so long ago that it counts."""
        began = time.monotonic()
        for one in publisher.subscribers():
            if _port_of(one.peer) in heavy and one.worker != 0:
                try:
                    publisher.move(one.id, 0)
                except NotMovedError as error:
                    self.found.wrong.append(f"it could not be moved to worker 0: {error}")
        time.sleep(max(0.0, began + QUIET + 1.0 - time.monotonic()))

    def _publish(self, publisher: Publisher) -> None:
        settings = self._settings
        processes = [psutil.Process(one.pid) for one in publisher.statistics().workers]
        self._began = began = now = time.monotonic()
        schedules = {
            HEAVY: Schedule(settings.per_second, began),
            LIGHT: Schedule(settings.light_per_second, began),
        }
        look_at = began
        while now < began + settings.within + WINDOW_S + settings.still:
            for feed, schedule in schedules.items():
                for _ in range(schedule.due(now)):
                    publisher.publish(feed.encode(), payload_of(self._published[feed]))
                    self._published[feed] += 1
            if now >= look_at:
                look_at = now + LOOK_S
                times = [one.cpu_times() for one in processes]
                self.found.looks.append((now - began, [one.user + one.system for one in times]))
            time.sleep(STEP_S)
            now = time.monotonic()

    def _judge(self, publisher: Publisher, heavy: set[int]) -> None:
        found, settings = self.found, self._settings
        placed = [0] * settings.workers
        for one in publisher.subscribers():
            placed[one.worker] += _port_of(one.peer) in heavy
        found.placed = placed
        totals = publisher.statistics()
        light = settings.subscribers - settings.heavy
        wanted = settings.heavy * self._published[HEAVY] + light * self._published[LIGHT]
        counted = totals.sent, totals.dropped, totals.evicted, totals.disconnected
        if counted != (wanted, 0, 0, 0):
            text = f"counted as sent, dropped, evicted, disconnected: {counted}"
            found.wrong.append(f"{text}, and {wanted} were to be sent")


def _port_of(peer: str) -> int:
    return int(peer.rpartition(":")[2])


def report(found: Found) -> str:
    """For people."""
    until = found.looks[-1][0] if found.looks else 0.0
    lines = ["second    load of each worker, in cores"]
    for second in range(0, int(until), int(WINDOW_S)):
        loads = found.loads(second, second + WINDOW_S)
        told = "  ".join(f"{load:.3f}" for load in loads)
        lines.append(
            f"{second:3} to {second + WINDOW_S:3g}  {told}   {difference(loads):.0%} apart"
        )
    moves = found.moves
    lines += [
        f"{len(moves)} moves" + (f", {min(moves):.1f} to {max(moves):.1f} s" if moves else ""),
        f"heavy ones of each worker in the end: {found.placed}",
        f"the loads differ by {found.first_difference:.0%} before the first move, and by "
        f"{found.later_difference:.0%} from {found.within:g} to {found.within + WINDOW_S:g} s",
        f"{found.published:,} messages",
    ]
    wrong = found.complaints()
    lines += [f"WRONG: {text}" for text in wrong]
    lines.append("held" if not wrong else "did not hold")
    return "\n".join(lines)
