"""The subscriber without I/O: bytes, ends, the clock and verbs in; bytes and messages out. Pure.

It has a `Line` for each endpoint, and a `Stream` for what comes over it. Whoever owns the sockets
calls it, and after each call takes what is to be sent (`data_to_send`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fanout.subscriber.line import Line, LostError, State
from fanout.subscriber.parsing import MESSAGE_BYTES_MAX
from fanout.subscriber.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.subscriber.backoff import BackOff
    from fanout.subscriber.message import Message
    from fanout.subscriber.parsing import Frames
    from fanout.subscriber.since import Position


@dataclass(slots=True)
class Received:
    """What became of bytes that were received."""

    messages: list[Message] = field(default_factory=list)
    lost: LostError | None = None
    begins: bool = False
    """The handshake is done now."""


class Core:
    """What a subscriber knows and decides. Owned by one thread, or guarded by its owner.

    Args:
        back_offs: one for each endpoint. Each is a line, named by its number from 0 on.
        topics: prefixes to subscribe to.
        since: where they begin: a position, or what is asked for at first; b"" = with what comes.
        max_message_bytes: of one message, 64 added for each frame.

    Attributes:
        lines: by number.
        streams: what comes over each.
        bytes: received in all, of traffic and handshakes.
    """

    def __init__(
        self,
        back_offs: Iterable[BackOff],
        topics: Iterable[bytes],
        *,
        since: bytes | Position = b"",
        max_message_bytes: int = MESSAGE_BYTES_MAX,
    ) -> None:
        topics = set(topics)
        self.lines = [Line(one, max_message_bytes) for one in back_offs]
        self.streams = [Stream(topics, since) for _ in self.lines]
        self.bytes = 0

    @property
    def wants(self) -> set[bytes]:
        """What is subscribed to; only to be read."""
        return self.streams[0].wants

    def due(self, now: float) -> list[int]:
        """Lines that are to be connected now; they are taken to be, from here on."""
        due = [number for number, line in enumerate(self.lines) if line.is_due(now)]
        for number in due:
            self.lines[number].connecting(now)
        return due

    def received(self, number: int, data: bytes, now: float) -> Received:
        """Take bytes that came over a line."""
        self.bytes += len(data)
        line, stream = self.lines[number], self.streams[number]
        found: list[Frames] = []
        done = Received()
        try:
            done.begins = line.receive(data, now, found, stream.wants, stream.since)
        except LostError as error:
            done.lost = error
        if done.begins:
            stream.begin(line.introduction, asked=bool(line.asked))
        if found:
            done.messages = stream.take(found)
        if stream.is_asking and not line.is_asking:
            stream.answered()
        return done

    def subscribe(self, prefix: bytes) -> None:
        """Want messages whose topic begins with this, from now on."""
        for line, stream in zip(self.lines, self.streams, strict=True):
            if stream.want(prefix):
                line.subscribe(prefix)

    def unsubscribe(self, prefix: bytes) -> None:
        """Want them no more, but for another subscription; no effect if they were not wanted."""
        for line, stream in zip(self.lines, self.streams, strict=True):
            if stream.leave(prefix):
                line.cancel(prefix)

    def silent(self, now: float) -> list[tuple[int, LostError]]:
        """Do what is due by now; returns the lines that are lost for want of an answer."""
        lost = []
        for number, line in enumerate(self.lines):
            try:
                line.tick(now)
            except LostError as error:
                lost.append((number, error))
        return lost

    def next_at(self) -> float | None:
        """When `due` and `silent` are to be asked next, at the latest; None: not by the clock."""
        if any(line.state is State.IDLE for line in self.lines):
            return 0.0
        times = (line.next_at() for line in self.lines)
        return min((time for time in times if time is not None), default=None)

    @property
    def connections(self) -> int:
        """How many handshakes were completed, on all lines."""
        return sum(line.connections for line in self.lines)
