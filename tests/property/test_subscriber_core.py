"""The subscriber's core, against a publisher that loses, hangs up and is started anew.

A model knows every message that was published. Whoever wants everything gets each of them, or is
told exactly how many are missing before the next; whoever wants some gets none that it did not
want, none twice, none out of order, and is told of each loss that somebody can know of.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import msgpack
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.subscriber.backoff import BackOff
from fanout.subscriber.core import Core
from fanout.terms.introduction import PROPERTY, Introduction
from fanout.zmtp import encode_message
from fanout.zmtp.commands import ping
from fanout.zmtp.metadata import ready
from tests.property.test_zmtp_frames import cut
from tests.unit.zmtp.wire import GREETING

if TYPE_CHECKING:
    from fanout.subscriber.message import Message

TOPICS = (b"A", b"B", b"AB")


class Scripted:
    """A publisher of fanout's, and a subscriber of it, with a wire that is cut anywhere.

    Attributes:
        published: epoch, sequence and topic of all messages.
        got: what the subscriber gave to the program.
    """

    def __init__(self, wants: bytes) -> None:
        self.published: list[tuple[int, int, bytes]] = []
        self.got: list[Message] = []
        self.core = Core([BackOff(lambda: 0.5)], [wants])
        self._wants = wants
        self._epoch = 1
        self._next = 0
        self._is_up = False

    def connect(self) -> None:
        if not self._is_up:
            self._is_up = True
            self.core.lines[0].connected(0.0)
            said = Introduction(self._epoch, self._next, sequence=True).to_bytes()
            self._send(GREETING + ready(b"PUB", {PROPERTY: said}), [])

    def hang_up(self) -> None:
        self._is_up = False
        self.core.lines[0].lost(0.0)

    def start_anew(self) -> None:
        self.hang_up()
        self._epoch += 1
        self._next = 0

    def publish(self, topics: list[bytes], places: list[int]) -> None:
        wire = b""
        for topic in topics:
            if topic.startswith(self._wants):
                number = struct.pack(">QQ", self._epoch, self._next)
                wire += encode_message([topic, b"x" * len(topics), number]) + ping(b"", 0)
            self._count(topic)
        if self._is_up:
            self._send(wire, places)

    def lose(self, topics: list[bytes]) -> None:
        """Publish them, but send a marker only."""
        wanted = [n for n, topic in enumerate(topics, self._next) if topic.startswith(self._wants)]
        for topic in topics:
            self._count(topic)
        if wanted and self._is_up:
            said = {"first": wanted[0], "last": wanted[-1], "count": len(wanted), "reason": "lag"}
            marker = msgpack.packb({"epoch": self._epoch, **said})
            self._send(encode_message([b"\x00fanout.gap", marker]), [])

    def _count(self, topic: bytes) -> None:
        self.published.append((self._epoch, self._next, topic))
        self._next += 1

    def _send(self, wire: bytes, places: list[int]) -> None:
        for chunk in cut(wire, places):
            done = self.core.received(0, chunk, 0.0)
            assert done.lost is None
            self.got += done.messages


topics = st.lists(st.sampled_from(TOPICS), min_size=1, max_size=4)
publishing = st.tuples(st.just("publish"), topics, st.lists(st.integers(0, 200), max_size=4))
losing = st.tuples(st.just("lose"), topics)
between = st.lists(st.one_of(publishing, losing), min_size=1, max_size=3)
ends = st.sampled_from([[], [("hang_up",)], [("start_anew",)]])
rounds = st.tuples(between, ends, st.lists(publishing, max_size=1))
steps = st.lists(rounds, min_size=1, max_size=6).map(
    lambda all_of_it: [
        step
        for before, end, away in all_of_it
        for step in [*before, *end, *(away if end else ()), ("connect",)]
    ]
)


@settings(max_examples=60)
@given(st.sampled_from([b"", b"A", b"AB"]), steps)
def test_each_message_is_there_once_or_told_of(wants: bytes, script: list[tuple[Any, ...]]) -> None:
    feed = Scripted(wants)
    feed.connect()
    for name, *arguments in script:
        getattr(feed, name)(*arguments)
    wanted = [(e, n) for e, n, topic in feed.published if topic.startswith(wants)]
    places = {one: place for place, one in enumerate(wanted)}
    came = [places[message.epoch or 0, message.sequence or 0] for message in feed.got]
    assert came == sorted(set(came))  # all wanted, in order, none twice
    for before, place, message in zip([-1, *came], came, feed.got, strict=False):
        missing, gap = place - before - 1, message.gap
        if before < 0:  # the first: what was published before it subscribed is not missing
            continue
        if missing:
            assert gap is not None
            assert gap.count is None or gap.count == missing
        elif gap is not None:  # nobody can know that there was nothing
            assert gap.count is None
        if not wants and gap is not None and gap.reason != "epoch":
            epochs = {epoch for epoch, _ in wanted[before : place + 1]}
            assert gap.count == missing or len(epochs) > 1
