"""One run: a publisher here, its subscribers in processes of their own, and what is wrong."""

from __future__ import annotations

import contextlib
import json
import os
import time
from array import array
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.children import Child
from fanout import Publisher, SlowPolicy
from fanout.observe.attach import attach
from soaking.feeds import Schedule
from soaking.slow.judging import Feed, complaints, sums
from soaking.slow.looks import ASKED_S, Look, falls, look_at
from soaking.slow.people import AGE, PAYLOAD_BYTES, TOPICS, Person, frames_of, people
from soaking.slow.window import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.statistics import SubscriberStatistics

HOST = "127.0.0.1"
PROCESSES = 2
START_S = 60.0
READ_S = 120.0
LOOK_S = 0.5  # between two looks at all counters
TICK_S = 0.002
PAUSE_S = 0.02  # after a look at full rate: each costs some 10 ms
KERNEL_BYTES = 16 * 1024
LONG_S = 3_600.0  # nobody is closed for its silence: that is another matter
CHOSEN = ("action", "limit_bytes", "limit_messages", "limit_age", "max_rate", "min_interval")
OPTIONS: dict[str, Any] = {
    "kernel_queue_bytes": KERNEL_BYTES,
    "send_timeout": LONG_S,
    "stall_timeout": LONG_S,
    "tcp_user_timeout": LONG_S,
    "heartbeat_interval": 0.0,
    "self_service_max": SlowPolicy("block"),
}
LOG_BYTES = 64 << 20  # at least
LOG_BYTES_PER_S = 8 << 20  # at full rate 2 to 3 MiB are written in one


def log_bytes_for(seconds: float) -> int:
    """How large the log of a run is: what waits for who stalls stays in the half of it to the end.

    Else it is lost to that, rightly, and what its subscriber got says nothing about its limit.
    """
    return max(LOG_BYTES, round(seconds) * LOG_BYTES_PER_S)


@dataclass
class Found:
    """What a run has shown.

    Attributes:
        seconds: in which most of it was published.
        wrong: what is not as it must be; empty = all is well.
        groups: for each policy and pace: subscribers, messages matched, received and lost, and how
            many were closed.
    """

    published: int = 0
    seconds: float = 0.0
    looks: int = 0
    wrong: list[str] = field(default_factory=list)
    groups: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)


class Session:
    """Runs once.

    Args:
        count: subscribers.
        slow: of these, that do not keep up.
        per_second: messages; 0 = as many as those read who must get all of them, see `Window`.
        limit: bytes that may wait for a slow one.
    """

    def __init__(
        self,
        seconds: float,
        count: int = 200,
        slow: int = 20,
        per_second: float = 0,
        *,
        limit: int,
    ) -> None:
        self._seconds = seconds
        self._per_second = per_second
        self._people = {one.name: one for one in people(count, slow, limit)}
        self._names: dict[int, str] = {}  # of subscribers
        self._found = Found()
        self._began = 0.0
        self._times = array("d")  # before each message was published
        self._looks: dict[str, list[Look]] = {name: [] for name in self._people}

    def run(self) -> Found:
        """The whole of it."""
        self._began = time.monotonic()
        with contextlib.ExitStack() as stack:
            options = OPTIONS | {"log_bytes": log_bytes_for(self._seconds)}
            publisher = stack.enter_context(Publisher(f"tcp://{HOST}:*", workers=2, **options))
            port = int(publisher.endpoints[0].rpartition(":")[2])
            children = [stack.enter_context(child) for child in self._start(port)]
            self._await_all(publisher)
            self._publish(publisher, self._seconds)
            publisher.statistics()  # the workers have seen all; who is over a limit now is judged
            self._look(publisher)
            self._read_to_the_end(publisher, children)
            for _ in range(TOPICS):  # whoever has lost the last ones is told so
                self._publish_next(publisher)
            self._read_to_the_end(publisher, children)
            heard = self._read_all(children, tell=True)
            self._judge(publisher, heard)
        return self._found

    def _start(self, port: int) -> list[Child]:
        everybody = [asdict(one) for one in self._people.values()]
        # Neighbours differ in their policies: each process gets all kinds.
        half = len(everybody) // PROCESSES + 1
        shares = [everybody[place : place + half] for place in range(0, len(everybody), half)]
        children = [
            Child(
                "soaking.slow.audience",
                json.dumps({"host": HOST, "port": port, "people": share}),
            )
            for share in shares
        ]
        for child in children:
            child.answer(START_S)
        return children

    def _await_all(self, publisher: Publisher) -> None:
        """All have come, and what they want and say of themselves is in force."""
        until = time.monotonic() + START_S
        while len(self._names) < len(self._people):
            if time.monotonic() > until:
                raise TimeoutError(f"{len(self._names)} of {len(self._people)} have come")
            for one in publisher.subscribers():
                person = self._people.get(one.name)
                if person is not None and self._is_ready(person, one):
                    self._names[one.id] = one.name
            time.sleep(TICK_S)

    @staticmethod
    def _is_ready(person: Person, one: SubscriberStatistics) -> bool:
        wanted = SlowPolicy(
            person.policy,  # type: ignore[arg-type]  # one of its actions
            limit_bytes=person.limit_bytes,
            limit_messages=person.limit_messages,
            limit_age=person.limit_age,
            max_rate=person.max_rate,
            min_interval=person.min_interval,
        )
        chosen = all(getattr(one.policy, name) == getattr(wanted, name) for name in CHOSEN)
        return chosen and one.subscriptions == len(person.topics)

    def _publish(self, publisher: Publisher, seconds: float) -> None:
        began = time.monotonic()
        if self._per_second:
            self._publish_on_time(publisher, began, began + seconds)
        else:
            self._publish_at_full_rate(publisher, began + seconds)
        self._found.seconds = time.monotonic() - began

    def _publish_on_time(self, publisher: Publisher, began: float, until: float) -> None:
        schedule, look_at = Schedule(self._per_second, began), began
        while (now := time.monotonic()) < until:
            for _ in range(schedule.due(now)):
                self._publish_next(publisher)
            if now >= look_at:
                look_at = now + LOOK_S
                self._look(publisher)
            time.sleep(TICK_S)

    def _publish_at_full_rate(self, publisher: Publisher, until: float) -> None:
        window = Window()
        while time.monotonic() < until:
            count = window.due()
            for _ in range(count):
                self._publish_next(publisher)
            if not count:
                window.seen(self._look(publisher))
                time.sleep(PAUSE_S)

    def _publish_next(self, publisher: Publisher) -> None:
        self._times.append(time.monotonic())
        publisher.publish(*frames_of(self._found.published))
        self._found.published += 1

    def _look(self, publisher: Publisher) -> int:
        """All counters are what they may be now; returns how far who keeps up is behind."""
        self._found.looks += 1
        behind, published = 0, self._found.published
        began = time.monotonic()
        accounts = publisher.subscribers()
        now = time.monotonic()
        for one in accounts:
            person = self._people.get(one.name)
            if person is None:
                continue
            looks = self._looks[one.name]
            look = look_at(one, published, now)
            before = looks[-1] if looks else None
            for text in falls(person, before, look, exact=now - began < ASKED_S):
                self._complain(one.name, text)
            looks.append(look)
            if person.keeps_up:
                behind = max(behind, person.behind(published, one.sent))
        return behind

    def _read_to_the_end(self, publisher: Publisher, children: Sequence[Child]) -> None:
        """All read until nothing waits for anybody.

        On a busy machine more may come after a while in which nothing came.
        """
        until = time.monotonic() + READ_S
        self._read_all(children, tell=False)
        while publisher.drain(0.0) and time.monotonic() < until:
            self._read_all(children, tell=False)

    @staticmethod
    def _read_all(children: Sequence[Child], *, tell: bool) -> dict[str, Any]:
        """All read what there is; what they have heard, if they are to tell it: megabytes."""
        heard: dict[str, Any] = {}
        for child in children:
            child.tell(do="read_all", tell=tell)
        for child in children:
            heard |= child.answer(READ_S)
        return heard

    def _judge(self, publisher: Publisher, heard: dict[str, Any]) -> None:
        found = self._found
        live: dict[str, Any] = {one.name: one for one in publisher.subscribers()}
        ends = [end for _, end in attach(os.getpid()).closed()]
        ended = {self._names.get(end.subscriber, ""): end for end in ends}
        if "" in ended:
            self._complain("somebody", f"came again and was closed: {ended.pop('').text}")
        for name in ended.keys() & live.keys():
            self._complain(name, f"came again after its end: {ended[name].text}")
        for text in sums(publisher.statistics(), [*live.values(), *ends]):
            self._complain("the publisher", text)
        seconds = time.monotonic() - self._began
        epoch = attach(os.getpid()).epoch
        feed = Feed(found.published, seconds, epoch, self._times)
        for name, person in self._people.items():
            account = ended.get(name) or live[name]
            over = name in ended
            looks = self._looks[name]
            texts = complaints(person, heard[name], account, feed, looks, ended=over)
            for text in texts:
                self._complain(name, text)
            group = found.groups.setdefault((person.policy, person.pace), Counter())
            group["subscribers"] += 1
            group["matched"] += account.matched
            group["received"] += heard[name]["received"]
            group["lost"] += account.dropped
            group["lost by age"] += account.dropped if person.kind == AGE else 0
            group["conflated"] += account.conflated
            group["discarded"] += account.discarded
            group["closed"] += over

    def _complain(self, who: str, text: str) -> None:
        self._found.wrong.append(f"{who}: {text}")


def report(found: Found) -> str:
    """A line for each kind of subscriber, and what is wrong."""
    columns = ("subscribers", "matched", "received", "lost", "conflated", "discarded", "closed")
    rate = found.published / found.seconds if found.seconds else 0.0
    lines = [
        f"{found.published:,} messages of {PAYLOAD_BYTES} bytes, {rate:,.0f} a second, "
        f"{found.looks} looks at counters",
        "policy       pace    " + "".join(name.rjust(13) for name in columns),
    ]
    lines += [
        f"{policy:12} {pace:7} " + "".join(f"{group[name]:13,}" for name in columns)
        for (policy, pace), group in sorted(found.groups.items())
    ]
    lines += [f"WRONG: {text}" for text in found.wrong[:50]]
    lines.append("every counter adds up" if not found.wrong else f"{len(found.wrong)} complaints")
    return "\n".join(lines)
