"""One run: a publisher here, subscribers in other processes, and all that happens to both."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.children import Child
from fanout import Publisher, SlowPolicy, Subscriber
from soaking.reconnect.judging import complaints
from soaking.reconnect.people import PAYLOAD_BYTES, TOPICS, Person, records_in, topic_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PROCESSES = 4
START_S = 60.0
CATCH_UP_S = 120.0  # until all have the last message, on a machine with other work, too
LOOK_S = 0.5
STEP_S = 0.005
EFFECT_S = 60.0  # until one thing that has happened is over for all, on such a machine, too
EACH_S = (0.3, 1.0)  # between two things that happen
STOPPED_S = (0.5, 2.0)
HAPPENINGS = {"kill": 3, "stop": 4, "lose worker": 2, "restart": 1}  # and how often, in parts
OPTIONS: dict[str, Any] = {
    "workers": 2,
    "log_bytes": "128M",  # a run fits: whoever comes to another run gets all of it
    "kernel_queue_bytes": 16 * 1024,
    "slow_policy": SlowPolicy("disconnect", limit_bytes=64 * 1024),
    "sequence_frame": True,
}


@dataclass
class Found:
    """What a run has shown.

    Attributes:
        wrong: what is not as it must be; empty = all is well.
        counts: of what has happened.
    """

    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


class Session:
    """Runs once.

    Args:
        seconds: in which is published, and all sorts of things happen.
        count: subscribers.
        per_second: messages.
        happenings: what may happen, and how often, in parts.
        plan: names of happenings. If there are any they alone happen, one after another: each when
            all have got what was published after the one before, however long that takes.
    """

    def __init__(
        self,
        seconds: float,
        count: int = 200,
        per_second: float = 100.0,
        seed: int = 1,
        happenings: dict[str, int] = HAPPENINGS,
        plan: Sequence[str] = (),
    ) -> None:
        self._seconds = seconds
        self._per_second = per_second
        self._random = random.Random(seed)
        self._happenings = happenings
        self._plan = plan
        self._shares = [[*range(count)][place::PROCESSES] for place in range(PROCESSES)]
        self._children: list[Child] = []
        self._stopped: dict[int, float] = {}  # places of processes, and when they go on
        self._endpoints: list[str] = ["tcp://127.0.0.1:*", f"ipc://@fanout-soak-{os.getpid()}"]
        self._published: dict[int, int] = {}  # messages of each run, by its epoch
        self._epoch = 0
        self._found = Found()

    def run(self) -> Found:
        """The whole of it."""
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            self._folder = Path(folder)
            self._publisher = self._start_publisher()
            stack.callback(lambda: self._publisher.stop())
            self._endpoints = [*self._publisher.endpoints]
            stack.callback(self._end_children)
            self._children = [self._start(place) for place in range(len(self._shares))]
            for child in self._children:
                child.answer(START_S)
            if self._plan:
                self._follow(self._plan)
            else:
                self._publish()
            self._calm_down()
            self._judge()
        return self._found

    def _start_publisher(self) -> Publisher:
        publisher = Publisher(self._endpoints, **OPTIONS)
        self._epoch = _epoch_of(publisher)
        self._published[self._epoch] = 0
        return publisher

    def _start(self, place: int) -> Child:
        told = {
            "endpoints": self._endpoints,
            "people": self._shares[place],
            "seed": self._random.random(),
            "path": str(self._folder / str(place)),
        }
        return Child("soaking.reconnect.audience", json.dumps(told))

    def _end_children(self) -> None:
        for place in [*self._stopped]:
            self._go_on(place)
        for child in self._children:
            child.close()

    # What happens.

    def _publish(self) -> None:
        due = 0.0
        for now in self._ticks(self._seconds):
            for place in [place for place, until in self._stopped.items() if now >= until]:
                self._go_on(place)
            if now >= due:
                due = now + self._random.uniform(*EACH_S)
                names = [*self._happenings]
                [name] = self._random.choices(names, [self._happenings[one] for one in names])
                self._happen(name, self._random.randrange(len(self._children)), now)

    def _follow(self, plan: Sequence[str]) -> None:
        self._have_all_go_on("the start")
        for number, name in enumerate(plan):
            evicted = self._publisher.statistics().evicted
            place = number % len(self._children)  # of the first one all want everything
            self._happen(name, place, time.monotonic())
            if name == "stop":
                self._publish_until(partial(self._are_evicted, evicted), "nobody is evicted")
                self._go_on(place)
            self._have_all_go_on(name)

    def _are_evicted(self, before: int) -> bool:
        return self._publisher.statistics().evicted > before

    def _have_all_go_on(self, after: str) -> None:
        """Publish until each has got something of it that it wants."""
        mark = self._published[self._epoch] + TOPICS
        self._publish_until(partial(self._have_got, mark), f"not all have gone on after {after}")

    def _have_got(self, mark: int) -> bool:
        return self._published[self._epoch] >= mark and not self._behind(mark)

    def _publish_until(self, is_over: Callable[[], bool], otherwise: str) -> None:
        looked = 0.0
        for now in self._ticks(EFFECT_S):
            if now >= looked + LOOK_S:
                looked = now
                if is_over():
                    return
        raise TimeoutError(f"{otherwise} within {EFFECT_S:g} s")

    def _ticks(self, seconds: float) -> Iterator[float]:
        """Times, for so long; what is due by each is published."""
        began = now = time.monotonic()
        sent = 0
        while now < began + seconds:
            while sent < (now - began) * self._per_second:
                self._publish_next()
                sent += 1
            yield now
            time.sleep(STEP_S)
            now = time.monotonic()

    def _publish_next(self) -> None:
        number = self._published[self._epoch]
        self._publisher.publish(topic_of(number), bytes(PAYLOAD_BYTES))
        self._published[self._epoch] += 1
        self._found.counts["published"] += 1

    def _happen(self, name: str, place: int, now: float) -> None:
        what: dict[str, Callable[[int, float], None]] = {
            "kill": self._kill,
            "stop": self._stop,
            "lose worker": self._lose_worker,
            "restart": self._restart,
        }
        self._found.counts[name] += 1
        what[name](place, now)

    def _kill(self, place: int, now: float) -> None:
        """Of one process, and start another that goes on where its file ends."""
        del now
        self._stopped.pop(place, None)
        os.kill(self._children[place].pid, signal.SIGKILL)
        self._children[place].close()
        self._children[place] = self._start(place)
        self._children[place].answer(START_S)

    def _stop(self, place: int, now: float) -> None:
        """Have one process take nothing for so long that its subscribers are evicted."""
        os.kill(self._children[place].pid, signal.SIGSTOP)
        self._stopped[place] = now + self._random.uniform(*STOPPED_S)

    def _go_on(self, place: int) -> None:
        del self._stopped[place]
        os.kill(self._children[place].pid, signal.SIGCONT)

    def _lose_worker(self, place: int, now: float) -> None:
        del place, now
        pids = [worker.pid for worker in self._publisher.statistics().workers if worker.pid]
        if pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._random.choice(pids), signal.SIGKILL)

    def _restart(self, place: int, now: float) -> None:
        del place, now
        self._note_publisher()
        self._publisher.stop()
        self._publisher = self._start_publisher()

    def _note_publisher(self) -> None:
        statistics = self._publisher.statistics()
        self._found.counts["evicted"] += statistics.evicted
        self._found.counts["replayed"] += statistics.replayed

    # What must have come of it.

    def _calm_down(self) -> None:
        """Until all have what they want; the last messages are on all topics."""
        for place in [*self._stopped]:
            self._go_on(place)
        for child in self._children:
            child.tell(do="calm")
        for _ in range(2 * TOPICS):
            self._publish_next()
        deadline = time.monotonic() + CATCH_UP_S
        while behind := self._behind(self._published[self._epoch]):
            if time.monotonic() > deadline:
                self._found.wrong.append(f"{len(behind)} have not got the last: {behind[:5]}")
                break
            time.sleep(LOOK_S)
        self._note_publisher()

    def _behind(self, published: int) -> list[int]:
        """Who has not got all of so many messages of this run."""
        behind: list[int] = []
        made = 0
        told = {"epoch": self._epoch, "published": published}
        for child in self._children:
            answer = child.ask(START_S, do="look", **told)
            behind += answer["behind"]
            made += answer["made"]
        self._found.counts["subscribers made by the last processes"] = made
        return behind

    def _judge(self) -> None:
        for place, share in enumerate(self._shares):
            path = self._folder / str(place)
            got = [*records_in(path.read_bytes())] if path.exists() else []
            self._found.counts["received"] += len(got)
            self._found.counts["gaps told"] += sum(record.gap for record in got)
            for number in share:
                own = [record for record in got if record.person == number]
                self._found.wrong += complaints(Person(number), own, self._published, self._epoch)


def _epoch_of(publisher: Publisher) -> int:
    """Which run this is, as it says to subscribers."""
    deadline = time.monotonic() + START_S
    with Subscriber(publisher.endpoints[0], ()) as probe:
        line = probe._reading._core.lines[0]
        while line.introduction is None:
            if time.monotonic() > deadline:
                raise TimeoutError("the publisher lets nobody in")
            time.sleep(STEP_S)
        return line.introduction.epoch


def report(found: Found) -> str:
    """For people."""
    lines = [f"{name}: {count:,}" for name, count in found.counts.items()]
    lines += [f"WRONG: {text}" for text in found.wrong[:40]]
    if len(found.wrong) > 40:
        lines.append(f"WRONG: and {len(found.wrong) - 40} more")
    lines.append("held" if not found.wrong else "did not hold")
    return "\n".join(lines)
