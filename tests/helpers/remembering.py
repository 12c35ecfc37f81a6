"""A publisher that remembers what it has published, and sends it again to who asks; no sockets.

It loses messages, forgets the older ones, hangs up in the middle of one and is started anew. All
bytes, of both directions, may be cut anywhere. It knows of each message whether it had to come.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgpack

from fanout.introduction import PROPERTY, Introduction
from fanout.subscriber.backoff import BackOff
from fanout.subscriber.core import Core
from fanout.zmtp import (
    PingReceived,
    ReservedSubscription,
    Session,
    Subscribed,
    SubscribedAll,
    encode_message,
)
from tests.helpers.limits import LIMITS
from tests.property.test_zmtp_frames import cut

if TYPE_CHECKING:
    from fanout.subscriber.message import Message
    from fanout.zmtp import SessionEvent

SINCE = re.compile(rb"\x00fanout\.since=([0-9a-f]{16}):([0-9]+)")
LIMITS_HERE = replace(LIMITS, reserved=b"\x00fanout.")


@dataclass
class Served:
    """One connection."""

    session: Session
    unheard: bytes = b""
    wants: set[bytes] = field(default_factory=set)
    since: list[bytes] = field(default_factory=list)
    pending: set[int] = field(default_factory=set)
    told: list[dict[str, object]] = field(default_factory=list)  # markers to come


class Remembering:
    """The publisher, and a subscriber of it.

    Attributes:
        got: what the subscriber gave to the program.
        owed: epoch and number of all messages that had to come, or to be told of.
        gone: of those that were lost once on their way, or are not remembered any more.
    """

    def __init__(self, wants: set[bytes]) -> None:
        self.core = Core([BackOff(lambda: 0.5)], wants)
        self.got: list[Message] = []
        self.owed: list[tuple[int, int]] = []
        self.gone: set[tuple[int, int]] = set()
        self.topics: list[bytes] = []
        self.epoch = 1
        self._heard: set[bytes] = set()  # what it is known to want
        self._floor = 0
        self._served: Served | None = None

    # What may happen.

    def connect(self, pieces: list[int]) -> None:
        if self._served is None:
            self.core.lines[0].connected(0.0)
            session = Session(LIMITS_HERE)
            head = len(self.topics)
            said = Introduction(self.epoch, head, sequence=True, replay=1 << 20)
            session.introduce = lambda: {PROPERTY: said.to_bytes()}
            self._served = Served(session)
            line = self.core.lines[0]
            while not line.is_up:  # the handshake
                self._take(session.receive_data(line.data_to_send()))
                self._say(session.data_to_send(), pieces)
            self.hear(pieces)

    def hang_up(self, part: int) -> None:
        """In the middle of a message, if there is one."""
        if self._served is not None:
            wire = self._next_message()
            if part:
                self._say(wire[: len(wire) * part // 200], [])
            self._served = None
            self.core.lines[0].lost(0.0)

    def start_anew(self) -> None:
        self.hang_up(0)
        self.gone.update((self.epoch, number) for number in range(len(self.topics)))
        self.epoch += 1
        self.topics.clear()
        self._floor = 0

    def forget(self, count: int) -> None:
        """Have no more than so many messages."""
        self._floor = max(self._floor, len(self.topics) - count)
        self.gone.update((self.epoch, number) for number in range(self._floor))

    def publish(self, topics: list[bytes]) -> None:
        for topic in topics:
            number = len(self.topics)
            self.topics.append(topic)
            if topic.startswith(tuple(self._heard)):
                self.owed.append((self.epoch, number))
            if self._served is not None and topic.startswith(tuple(self._served.wants)):
                self._served.pending.add(number)

    def lose(self, count: int) -> None:
        """The oldest of those that wait."""
        served = self._served
        lost = sorted(served.pending)[:count] if served is not None else []
        if served is not None and lost:
            self._mark(served, "lag", lost[0], lost[-1], len(lost))
            served.pending.difference_update(lost)
            self.gone.update((self.epoch, number) for number in lost)

    def hear(self, places: list[int]) -> None:
        """Read what the subscriber has said, in pieces: those but the last, if there are some."""
        served = self._served
        if served is None:
            return
        served.unheard += self.core.lines[0].data_to_send()
        chunks = [*cut(served.unheard, places)]
        for chunk in chunks[:-1] if places else chunks:
            served.unheard = served.unheard[len(chunk) :]
            self._take(served.session.receive_data(chunk))

    def send(self, count: int, places: list[int]) -> None:
        served = self._served
        if served is not None:
            wire = b""
            for _ in range(min(count, len(served.pending))):
                wire += self._next_message()
            self._say(wire, places)

    def subscribe(self, prefix: bytes) -> None:
        self.core.subscribe(prefix)

    def finish(self) -> None:
        """All comes that is to come, and one message more."""
        self.connect([])
        for _ in range(3):
            self.hear([])
            self.send(1 << 20, [])
        self.publish([b"AB"])
        self.send(1 << 20, [])

    # How.

    def _next_message(self) -> bytes:
        served = self._served
        assert served is not None
        if not served.pending:
            return b""
        wire = b""
        for marker in served.told:
            wire += encode_message([b"\x00fanout.gap", msgpack.packb(marker)])
        served.told.clear()
        number = min(served.pending)
        served.pending.remove(number)
        body = struct.pack(">QQ", self.epoch, number)
        return wire + encode_message([self.topics[number], b"x", body])

    def _mark(self, served: Served, reason: str, first: int, last: int, count: int) -> None:
        said = {"first": first, "last": last, "count": count, "reason": reason}
        served.told.append({"epoch": self.epoch, **said})

    def _take(self, events: list[SessionEvent]) -> None:
        """As a worker does: what is reserved first, then answers, then subscriptions."""
        served = self._served
        assert served is not None
        added: list[bytes] = []
        for event in events:
            if isinstance(event, ReservedSubscription) and SINCE.fullmatch(event.prefix):
                (served.since.append if event.wanted else served.since.remove)(event.prefix)
            elif isinstance(event, Subscribed):
                added.append(event.prefix)
            elif isinstance(event, SubscribedAll):
                added += event.prefixes
            else:
                assert not isinstance(event, PingReceived) or event.context == b"since"
        self._say(served.session.data_to_send(), [])
        if not added:
            return
        before = tuple(served.wants)
        served.wants.update(added)
        self._heard.update(added)
        if served.since:
            self._go_back(served, before, tuple(added))

    def _go_back(self, served: Served, before: tuple[bytes, ...], added: tuple[bytes, ...]) -> None:
        said = SINCE.fullmatch(served.since[-1])
        assert said is not None
        first = int(said[2]) + 1 if int(said[1], 16) == self.epoch else 0
        if first < self._floor and any(not one.startswith(before) for one in added):
            count = self._floor - first if b"" in added else 0
            self._mark(served, "expired", first, self._floor - 1, count)
        for number in range(max(first, self._floor), len(self.topics)):
            topic = self.topics[number]
            if topic.startswith(added) and not topic.startswith(before):
                served.pending.add(number)

    def _say(self, wire: bytes, places: list[int]) -> None:
        for chunk in cut(wire, places):
            done = self.core.received(0, chunk, 0.0)
            assert done.lost is None
            self.got += done.messages
