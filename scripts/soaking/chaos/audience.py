"""The process of a part of the subscribers: several of them, so that each keeps up."""

from __future__ import annotations

import contextlib
import json
import mmap
import select
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import zmq

from benchmarks.children import run_child
from soaking.chaos.people import READS, Person
from soaking.chaos.raw import Raw
from soaking.chaos.silence import Window
from soaking.chaos.stock import Stock
from soaking.figures import Histogram

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence

    from benchmarks.channel import Channel, Message
    from soaking.chaos.peers import Peer

TURN_S = 0.004  # all that do not read whatever comes have a turn each so many seconds
JUDGED_AFTER_NS = 3_000_000_000  # a pause has come to its end by then, or is one of another kind
QUIET_S = 1.0  # so long nothing comes that may come: it is all


class Counter:
    """How many messages were published, in a file that the publisher writes into."""

    def __init__(self, path: str) -> None:
        with open(path, "r+b") as file:
            self._words = memoryview(mmap.mmap(file.fileno(), 8)).cast("Q")

    @property
    def value(self) -> int:
        """So many, or one more than there are."""
        return self._words[0]

    @value.setter
    def value(self, count: int) -> None:
        self._words[0] = count


class Audience:
    """Some subscribers, each read at its pace."""

    def __init__(self, settings: dict[str, Any]) -> None:
        people = [Person(**one) for one in settings["people"]]
        for_all = {"port": settings["port"], "folder": settings["folder"], "first": 0}
        published = Counter(settings["counter"])
        self._context = zmq.Context()
        self.peers: dict[int, Peer] = {}
        self._epoll = select.epoll()
        self._raw: dict[int, tuple[Raw, socket.socket]] = {}  # by descriptor
        self._seed = settings["seed"]
        for one in people:
            one = _tuples(one)
            if one.stock:
                self.peers[one.index] = Stock(self._context, one, **for_all)
            else:
                raw = Raw(one, seed=self._seed, published=lambda: published.value, **for_all)
                self.peers[one.index] = raw
        self._paused: dict[str, Histogram] = {}
        self._windows: list[Window] = []
        self._next_turn = 0.0
        self.all_of_it = False

    def turn(self) -> int:
        """Who reads whatever comes reads; now and then all others have a turn."""
        now = time.monotonic()
        done = 0
        for descriptor, _ in self._epoll.poll(max(0.0, min(TURN_S, self._next_turn - now))):
            done += self._raw[descriptor][0].read()
        now = time.monotonic()
        if now < self._next_turn:
            return done
        self._next_turn = now + TURN_S
        for peer in self.peers.values():
            done += peer.turn(now, all_of_it=self.all_of_it)
            if isinstance(peer, Raw) and peer.is_open and peer.person.pace == READS:
                self._watch(peer)
        self._judge_pauses()
        return done

    def _watch(self, raw: Raw) -> None:
        descriptor = raw.socket.fileno()
        known = self._raw.get(descriptor)
        if known is None or known[1] is not raw.socket:  # whoever had it is closed
            self._raw[descriptor] = raw, raw.socket
            self._epoll.register(descriptor, select.EPOLLIN)

    def happened(self, window: Window) -> None:
        """Something has happened; what was felt of it is looked at later."""
        self._windows.append(window)

    def _judge_pauses(self, *, at_once: bool = False) -> None:
        now = time.monotonic_ns()
        while self._windows and (at_once or now > self._windows[0].end + JUDGED_AFTER_NS):
            window = self._windows.pop(0)
            paused = self._paused.setdefault(window.what, Histogram())
            for index in window.who:
                peer = self.peers.get(index)
                if peer is not None and peer.person.feels:
                    paused.add(peer.silence.longest(window, now))

    def read_all(self, published: int, seconds: float) -> None:
        """Everybody reads everything, until all have what they must have and it is quiet."""
        self.all_of_it = True
        self._judge_pauses(at_once=True)
        deadline = time.monotonic() + seconds
        quiet_since, received = time.monotonic(), -1
        while (now := time.monotonic()) < deadline:
            self.turn()
            before, received = received, sum(peer.received for peer in self.peers.values())
            if received != before:  # signs of life come for ever
                quiet_since = now
            elif now - quiet_since > QUIET_S and all(
                peer.has_all(published) for peer in self.peers.values()
            ):
                return

    def figures(self, published: int) -> dict[str, Any]:
        """What each has heard, and pauses by what had happened."""
        return {
            "heard": {index: peer.figures(published) for index, peer in self.peers.items()},
            "pauses": {what: paused.as_pairs() for what, paused in self._paused.items()},
        }

    def close(self) -> None:
        """All leave."""
        for peer in self.peers.values():
            peer.close()
        self._context.destroy(linger=0)
        self._epoll.close()


def _tuples(one: Person) -> Person:
    """As it was before it was JSON."""
    return replace(one, prefixes=tuple(one.prefixes), changing=tuple(one.changing))


def _requests(channel: Channel) -> Iterator[Message]:
    """What the harness has said: more of it than one may have come at once."""
    with contextlib.suppress(TimeoutError):
        while True:
            yield channel.receive(0)


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Reads until the harness closes the channel."""
    audience = Audience(json.loads(arguments[0]))
    try:
        channel.send(ready=True)
        while True:
            audience.turn()
            for request in _requests(channel):
                match request.pop("do"):
                    case "happened":
                        audience.happened(Window(**request))
                    case "read_all":
                        audience.read_all(**request)
                        channel.send(**audience.figures(request["published"]))
                    case other:
                        raise ValueError(f"no request {other!r}")
    finally:
        audience.close()


if __name__ == "__main__":
    run_child(main)
