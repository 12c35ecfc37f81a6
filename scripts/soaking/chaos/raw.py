"""A subscriber that speaks ZMTP 3 itself, and looks at each byte."""

from __future__ import annotations

import os
import random
import socket
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from soaking.chaos.oracles import Changing, Wrong
from soaking.chaos.peers import READ_BYTES, RETRY_S, Pace, common
from soaking.chaos.people import READS
from soaking.chaos.silence import Silence
from soaking.chaos.stream import Stream
from soaking.crowds.wire import GREETING, READY, cancel, subscribe

if TYPE_CHECKING:
    from collections.abc import Callable

    from soaking.chaos.people import Person

# With a window that is smaller than a segment TCP sends as much as fits each 0.2 s.
SEGMENT_BYTES = 536
TALKS_S = 0.02  # a subscriber says something each so many seconds, or twice
PAUSE_S = 0.2  # between two pieces of a command that is cut, at most


class Raw:
    """A connection that speaks ZMTP 3 itself; it comes again when it is lost.

    Args:
        published: how many messages were published so far, at most.
        first: the first message that it must get.
        folder: where the socket files are, named by policies.
    """

    def __init__(
        self,
        person: Person,
        port: int,
        seed: int,
        published: Callable[[], int],
        first: int,
        folder: str = "",
    ) -> None:
        self.person = person
        self.silence = Silence()
        self.ended = self.half_open = 0
        self.wrong: Wrong | None = None
        self._port = port
        self._folder = folder
        self._rng = random.Random(f"{seed} {person.index}")
        self._published = published
        self._pace = Pace(person.pace, time.monotonic())
        self._talks_at = 0.0
        self._comes_at = 0.0
        self._received = 0
        self.is_open = False
        self._connect(first)

    @property
    def received(self) -> int:
        """Messages on the connection that it has."""
        return self.stream.oracle.received

    def _connect(self, first: int) -> None:
        if self.person.ipc:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(os.path.join(self._folder, self.person.policy))
        else:
            self._connect_by_tcp()
        self.socket.setblocking(False)
        self.stream = Stream(self.person.oracle(first), self._answer, self._published)
        self._out: deque[tuple[float, bytes]] = deque()
        # The handshake is said at once and whole: who loses its worker in it is closed, rightly.
        greeting = GREETING[:11] + bytes((self.person.minor,)) + GREETING[12:]
        self.socket.sendall(greeting + READY + self._subscribe(self.person.subscriptions))
        self.is_open = True  # not before: who accepts may have died, and this is closed then

    def _connect_by_tcp(self) -> None:
        self.socket = socket.socket()
        if self.person.receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.person.receive_buffer)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.bind((self.person.source, 0))
        self.socket.connect(("127.0.0.1", self._port))

    def _subscribe(self, prefixes: list[bytes]) -> bytes:
        if self.person.minor:
            return subscribe(prefixes)
        return b"".join(bytes((0, 1 + len(one))) + b"\1" + one for one in prefixes)

    def turn(self, now: float, *, all_of_it: bool) -> int:
        """Read what it may now, and say something."""
        if not self.is_open:
            if now >= self._comes_at and self.wrong is None and not all_of_it:
                self._come_again(now)
            return 0
        if now >= self._talks_at and not all_of_it:
            self._talks_at = now + TALKS_S * self._rng.uniform(1, 2)
            self._talk(now)
        if self._out:
            self._send(now)
        if self.person.pace == READS:
            return 0  # it is read whenever something comes
        size = READ_BYTES if all_of_it else self._pace.allowed(now)
        return self.read(size) if size else 0

    def _come_again(self, now: float) -> None:
        try:
            self._connect(-1)
        except OSError:
            self.socket.close()
            self._comes_at = now + RETRY_S

    def _talk(self, now: float) -> None:
        stream, said = self.stream, b""
        if not stream.is_ready:
            return
        if stream.may_change and self._rng.random() < 0.3:
            oracle = stream.oracle
            assert isinstance(oracle, Changing)
            topics = [topic.encode() for topic in self.person.changing]
            wants = oracle.state == Changing.OFF
            said += stream.change(self._subscribe(topics) if wants else cancel(topics))
        # More than one at once, where there is much to be said.
        room = self.person.pings - (stream.pings - stream.pongs)
        for _ in range(min(room, self._rng.choice((0, 1, 1, max(1, self.person.pings // 4))))):
            said += stream.ping()
        if said:
            self._say(said, now)

    def _answer(self, said: bytes) -> None:
        self._say(said, time.monotonic())

    def _say(self, said: bytes, now: float) -> None:
        if not self.person.cuts:
            self._out.append((now, said))
            return
        when = max(now, self._out[-1][0] if self._out else 0.0)
        while said:
            size = self._rng.randint(1, max(1, min(40, len(said))))
            self._out.append((when, said[:size]))
            said = said[size:]
            when += self._rng.choice((0.0, 0.0, self._rng.uniform(0, PAUSE_S)))

    def _send(self, now: float) -> None:
        while self._out and self._out[0][0] <= now:
            when, said = self._out[0]
            try:
                size = self.socket.send(said)
            except BlockingIOError:
                return
            except OSError:
                return  # it is told when it is read
            self._out.popleft()
            if size < len(said):
                self._out.appendleft((when, said[size:]))
                return

    def read(self, size: int = READ_BYTES) -> int:
        """So many bytes at most; returns how many there were."""
        if self.wrong is not None or not self.is_open:
            return 0
        try:
            data = self.socket.recv(size)
        except BlockingIOError:
            return 0
        except OSError:
            data = b""
        if not data:
            self._end()
            return 0
        self.silence.heard(time.monotonic_ns())
        self._pace.read(len(data))
        try:
            self.stream.feed(data)
        except Wrong as wrong:
            self.wrong = wrong
            self.close()
        return len(data)

    def _end(self) -> None:
        self.close()
        if self.stream.is_ready:
            self.ended += 1
        else:
            self.half_open += 1
        self._received += self.stream.oracle.received
        self._comes_at = time.monotonic() + RETRY_S

    def has_all(self, published: int) -> bool:
        """Whether nothing more has to come: it is said to the end, and heard to the end."""
        if self.wrong is not None or not self.is_open:
            return True
        stream = self.stream
        is_said = not self._out and stream.pongs == stream.pings
        return is_said and not stream.unfinished and stream.oracle.has_all(published)

    def figures(self, published: int) -> dict[str, Any]:
        """For the process that judges."""
        if self.wrong is None and self.is_open:
            try:
                self.stream.finish(published)
            except Wrong as wrong:
                self.wrong = wrong
        stream = self.stream
        return {
            "received": stream.oracle.received,
            "missing": stream.oracle.missing_of(published),
            "before": self._received,
            "pings": stream.pings,
            "pongs": stream.pongs,
            "changes": getattr(stream.oracle, "changes", 0),
            **common(self),
        }

    def close(self) -> None:
        """Leave."""
        self.is_open = False
        self.socket.close()
