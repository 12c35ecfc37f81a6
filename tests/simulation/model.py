"""What one subscriber must have got, told by a naive model: lists, startswith, and no cursor.

The model learns of subscriptions from the worker's reports, of messages from the publisher, and of
everything else from the bytes that the fake socket took.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.simulation.peers import Kind

if TYPE_CHECKING:
    from fanout.options import Options
    from tests.simulation.published import History
    from tests.simulation.sockets import FakeSocket

GREETING_BYTES = 64
LEGACY_GREETING_BYTES = 10  # ends where a ZMTP 1.0 peer takes the rest for messages
COMMAND = 4
LONG = 2


class Violated(AssertionError):
    """An invariant does not hold."""


def require(condition: bool, text: str) -> None:
    """Raise if an invariant does not hold."""
    if not condition:
        raise Violated(text)


class Allowed:
    """What a slow subscriber may do, from what the documentation of the options says.

    Attributes:
        drops: whether it loses its oldest messages beyond these limits.
        bytes, messages: of log that it may be behind: half of the index, if that is less.
        kept_bytes, kept_messages: that it has at least when it has lost some: a sixteenth less.
        patience_bytes, patience_messages: that it may be behind and take nothing.
        silent_ns: after which it is evicted if it is further behind than that, and takes nothing.
        stalled_ns: after which it is evicted in any case.
    """

    def __init__(self, options: Options, entries: int) -> None:
        self.drops = options.slow_policy == "drop_oldest"
        self.bytes = options.slow_limit_bytes or options.log_bytes // 2
        self.messages = entries // 2
        self.kept_bytes = self.bytes - self.bytes // 16
        self.kept_messages = self.messages - self.messages // 16
        self.patience_bytes, self.patience_messages = options.log_bytes // 2, entries // 2
        if self.drops:
            self.patience_bytes = self.bytes - self.bytes // 8
            self.patience_messages = self.messages - self.messages // 8
        self.silent_ns = round(options.send_timeout * 1e9)
        self.stalled_ns = round(options.stall_timeout * 1e9)


@dataclass
class Sums:
    """What a worker has done for all subscribers it ever had."""

    matched: int = 0
    sent: int = 0
    sent_bytes: int = 0
    dropped: int = 0
    discarded: int = 0

    def add(self, model: SubscriberModel, discarded: int = 0) -> None:
        """One subscriber more."""
        self.matched += model.matched
        self.sent += model.sent
        self.sent_bytes += model.counted_bytes()[0]
        self.dropped += model.dropped
        self.discarded += discarded

    def copy(self) -> Sums:
        return replace(self)


class SubscriberModel:
    """One subscriber's stream, and what must be in it.

    Attributes:
        queue: messages that matched and that the socket has not taken whole; the first one may be
            partly there.
        partial: bytes that the socket took of an item that is not complete.
        spoken: answers to its PINGs that must come, in this order.
    """

    def __init__(
        self, identifier: int, sock: FakeSocket, history: History, kind: Kind = Kind.PLAIN
    ) -> None:
        self.id = identifier
        self.kind = kind
        self.legacy = kind is Kind.LEGACY
        self.socket = sock
        self.prefixes: set[bytes] = set()
        self.queue: deque[int] = deque()
        self.matched = self.sent = self.dropped = self.dropped_bytes = 0
        self.message_bytes = self.other_bytes = 0
        self.partial = bytearray()
        self.spoken: deque[bytes] = deque()
        self.progress_at = 0
        self.blocked_at: int | None = None
        self.in_the_way_at: int | None = None  # since when it has been, and silent too long
        self._history = history
        self._scanned = 0
        self._greeted = False

    @property
    def in_message(self) -> bool:
        """Whether the first message of the queue was partly taken."""
        return self._greeted and bool(self.partial) and not self._in_command

    @property
    def _in_command(self) -> bool:
        return not self.legacy and bool(self.partial[0] & COMMAND)

    @property
    def unstarted(self) -> list[int]:
        """Messages of the queue of which nothing was taken."""
        return list(self.queue)[1:] if self.in_message else list(self.queue)

    @property
    def figures(self) -> tuple[int, int, int, int]:
        """Matched, sent, dropped, and bytes of messages sent."""
        return self.matched, self.sent, self.dropped, self.counted_bytes()[0]

    def wants(self, topic: bytes) -> bool:
        """Whether a message is for it."""
        return any(topic.startswith(prefix) for prefix in self.prefixes)

    def scan(self, front: int) -> None:
        """The worker's front has come so far: what matched below it is queued."""
        if self.prefixes:
            for sequence in range(self._scanned, front):
                if self.wants(self._history.messages[sequence].topic):
                    self.queue.append(sequence)
                    self.matched += 1
        self._scanned = front

    def change(self, since: int, front: int, prefixes: set[bytes]) -> None:
        """Its subscriptions are these, for messages from `since` on."""
        while self.queue and self.queue[-1] >= since:
            self.queue.pop()
            self.matched -= 1
        self.prefixes = set(prefixes)
        self._scanned = since
        self.scan(front)

    def drop(self, count: int, kept_position: int, kept_sequence: int) -> None:
        """The system counted so many of the oldest as lost; none that it must keep."""
        doomed = self.unstarted[:count]
        require(len(doomed) == count, f"{count} counted as dropped, {len(doomed)} were there")
        for sequence in doomed:
            begins = self._history.messages[sequence].start
            old = begins < kept_position or sequence < kept_sequence
            require(old, f"message {sequence} was dropped, but is new enough")
            self.queue.remove(sequence)
            self.dropped_bytes += len(self._history.messages[sequence].wire)
        self.dropped += count

    def take(self, now: int) -> None:
        """Look at what the socket took since the last look."""
        if not self.socket.accepted:
            return
        self.progress_at = now
        self.partial += self.socket.accepted
        self.socket.accepted.clear()
        while self.partial and self._take_item():
            pass

    def counted_bytes(self) -> tuple[int, int]:
        """Bytes of messages and other bytes that the socket took."""
        messages, others = self.message_bytes, self.other_bytes
        if self.in_message:
            return messages + len(self.partial), others
        return messages, others + len(self.partial)

    def _take_item(self) -> bool:
        if not self._greeted:
            return self._take_greeting()
        if self._in_command:
            return self._take_command()
        require(bool(self.queue), f"bytes that nothing stands for: {bytes(self.partial[:40])!r}")
        message = self._history.messages[self.queue[0]]
        wire = self.kind.read(self.queue[0], message.wire, message.legacy_wire)
        size = min(len(wire), len(self.partial))
        if self.partial[:size] != wire[:size]:
            raise Violated(self._mismatch(wire))
        if size < len(wire):
            return False
        self.queue.popleft()
        self.sent += 1
        self.message_bytes += size
        del self.partial[:size]
        return True

    def _mismatch(self, wire: bytes) -> str:
        got = bytes(self.partial[:40])
        return f"subscriber {self.id}: message {self.queue[0]} is {wire[:40]!r}, it got {got!r}"

    def _take_greeting(self) -> bool:
        greeting_bytes = LEGACY_GREETING_BYTES if self.legacy else GREETING_BYTES
        if len(self.partial) < greeting_bytes:
            return False
        require(self.partial[0] == 0xFF and self.partial[9] == 0x7F, "not a ZMTP greeting")
        self.other_bytes += greeting_bytes
        del self.partial[:greeting_bytes]
        self._greeted = True
        return True

    def _take_command(self) -> bool:
        if len(self.partial) < 2:
            return False
        require(self.partial[0] == COMMAND, f"flags {self.partial[0]:#x} of a command")
        size = 2 + self.partial[1]
        if len(self.partial) < size:
            return False
        body = bytes(self.partial[2:size])
        if body.startswith(b"\x04PONG"):
            require(bool(self.spoken), "a PONG that nothing asked for")
            require(body[5:] == self.spoken.popleft(), "a PONG with another context")
        else:
            require(body.startswith((b"\x05READY", b"\x04PING")), f"command {body!r}")
        self.other_bytes += size
        del self.partial[:size]
        return True
