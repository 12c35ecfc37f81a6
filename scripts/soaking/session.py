"""One attack from its beginning to its end: starts the processes, waits, and gathers figures."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from benchmarks.channel import ChannelClosed
from benchmarks.children import Child, ChildFailed
from soaking.feeds import HEALTHY
from soaking.network import LOOPBACK
from soaking.summary import Outcome, summarise
from soaking.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.channel import Message
    from soaking.attacks import Attack

START_S = 60.0
ANSWER_S = 60.0
ARRIVAL_S = 60.0
SAMPLE_S = 0.5
LISTENING_PROCESSES = 2
OWN, EVERYTHING = 4, 1  # SUB sockets in each: of the healthy feed alone, and of all that there is
SETTLE_S = 1.0


class Session:
    """Runs one attack for so many seconds after the strangers have arrived.

    Args:
        outside: an address that is not the loopback's; None = there is none.
        listening: processes of the healthy audience.

    Attributes:
        audience: how many sockets they have.
    """

    def __init__(
        self,
        attack: Attack,
        seconds: float,
        outside: str | None,
        listening: int = LISTENING_PROCESSES,
    ) -> None:
        self.audience = listening * (OWN + EVERYTHING)
        self._attack = attack
        self._seconds = seconds
        self._listening = listening
        self._outside = outside if attack.from_outside else None
        self._notes: list[str] = []
        self._failures: list[str] = []
        if attack.from_outside and outside is None:
            self._notes.append("from the loopback: no network of our own")

    def run(self) -> Outcome:
        """The whole of it; what a process could not do any more is in the notes."""
        with contextlib.ExitStack() as children:
            machine = children.enter_context(Child("soaking.pauses"))
            machine.answer(START_S)
            publisher, endpoints = self._start_publisher(children)
            usage = Usage(publisher.pid)
            listeners = self._start_audience(children, endpoints[0])
            publisher.ask(ANSWER_S, do="wait", count=self.audience, within=START_S)
            publisher.ask(ANSWER_S, do="begin", feeds=[asdict(HEALTHY)])
            self._watch(usage, min(SETTLE_S, self._seconds))
            crowd, arrived = self._let_come(children, endpoints[-1], usage)
            feeds = [asdict(feed) for feed in self._attack.feeds]
            for listener in listeners:
                listener.ask(ANSWER_S, do="begin")
            publisher.ask(ANSWER_S, do="begin", feeds=feeds)
            usage.begin()
            machine.tell(do="begin")
            began = time.monotonic()
            self._watch(usage, self._seconds)
            pauses = machine.ask(ANSWER_S, do="end")
            figures = publisher.ask(ANSWER_S, do="end")
            measured = time.monotonic() - began
            cpu = usage.cpu_seconds()
            heard = self._finish(listeners, figures["published"])
            strangers = crowd.ask(ANSWER_S) if crowd else {}
            return summarise(
                self._attack,
                arrived,
                strangers,
                figures,
                heard,
                usage,
                cpu,
                pauses,
                measured,
                self._notes,
                self._failures,
            )

    def _start_publisher(self, children: contextlib.ExitStack) -> tuple[Child, list[str]]:
        endpoints = [f"tcp://{LOOPBACK}:*"]
        if self._outside:
            endpoints.append(f"tcp://{self._outside}:*")
        settings = {
            "endpoints": endpoints,
            "options": self._attack.options,
            "descriptors": self._attack.descriptors,
        }
        child = children.enter_context(Child("soaking.publishing", json.dumps(settings)))
        return child, child.answer(START_S)["endpoints"]

    def _start_audience(self, children: contextlib.ExitStack, endpoint: str) -> list[Child]:
        settings = json.dumps({"endpoint": endpoint, "own": OWN, "everything": EVERYTHING})
        started = [
            children.enter_context(Child("soaking.listening", settings))
            for _ in range(self._listening)
        ]
        for child in started:
            child.answer(START_S)
        return started

    def _let_come(
        self, children: contextlib.ExitStack, endpoint: str, usage: Usage
    ) -> tuple[Child | None, Message]:
        if not self._attack.crowd:
            return None, {}
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        settings = {
            "host": host,
            "port": int(port),
            "crowd": self._attack.crowd,
            "count": self._attack.count,
        }
        crowd = children.enter_context(Child("soaking.attacking", json.dumps(settings)))
        for _ in self._ticks(ARRIVAL_S):
            usage.sample()
            with contextlib.suppress(TimeoutError):
                return crowd, crowd.answer(SAMPLE_S)
        raise TimeoutError(f"the strangers did not arrive within {ARRIVAL_S:g} s")

    def _watch(self, usage: Usage, seconds: float) -> None:
        for _ in self._ticks(seconds):
            usage.sample()
            time.sleep(min(SAMPLE_S, seconds))

    @staticmethod
    def _ticks(seconds: float) -> Iterator[None]:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            yield

    def _finish(self, listeners: Sequence[Child], published: Sequence[int]) -> list[Message]:
        """All are told at once, and then asked one by one."""
        heard: list[dict[str, Any]] = []
        for listener in listeners:
            listener.tell(do="finish", published=list(published))
        for listener in listeners:
            try:
                heard += listener.answer(ANSWER_S)["listeners"]
            except (ChildFailed, ChannelClosed, TimeoutError) as error:
                self._failures.append(f"a part of the audience: {error}")
        return heard
