"""A sealed member of a real pump: partial writes, jumps, spills, words in between, other policies.

What the peer opens are whole messages in order, with commands between them; no nonce has two texts,
and each record comes once (the boxes and the records here see to that). The socket says that it has
room again only after it was full, as edge-triggered events do: so who has not got everything must
be runnable, or wait for that.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, cast
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.connections import sealed as sealed_sending
from fanout.workers.connections import tls as tls_sending
from fanout.workers.connections.sealed import SealedSend
from fanout.workers.connections.tls import TlsSend
from fanout.workers.stream.member import LOST, Member
from fanout.workers.tuning import Tuning
from fanout.zmtp.frames import COMMAND, MORE, FrameReader
from tests.helpers.boxes import Kernel
from tests.helpers.log import Worker
from tests.helpers.records import Kernel as RecordKernel

if TYPE_CHECKING:
    from fanout.security.records import TlsRecords
    from fanout.workers.stream.member import Send

PONG = bytes.fromhex("0406 04 504f4e47 41")
TUNING = Tuning(serve_steps=2, chunk_messages=4, span_bytes=700, census_messages=2)
POLICIES = [
    SlowPolicy("drop_oldest", limit_bytes=400),
    SlowPolicy("drop_newest", limit_messages=3),
    SlowPolicy("conflate"),
    SlowPolicy("drop_oldest"),
]
TOPICS = (b"A", b"AB", b"B")
LOG_BYTES = 40_000  # published in one example: less than the log holds, for nobody moves a tail

publishes = st.tuples(st.just("publish"), st.integers(0, 2), st.sampled_from([0, 5, 90, 400]))
turns = st.tuples(st.just("turn"), st.one_of(st.integers(0, 80), st.integers(0, 3000)), st.just(0))
words = st.tuples(st.just("speak"), st.just(0), st.just(0))
policies = st.tuples(st.just("policy"), st.integers(0, len(POLICIES) - 1), st.just(0))
changes = st.tuples(st.just("want"), st.integers(0, 2), st.just(0))
acts = st.lists(
    st.one_of(publishes, publishes, publishes, turns, turns, words, policies, changes),
    min_size=5,
    max_size=80,
)


class Edged:
    """A socket that tells once that it has room again, after it was full."""

    def __init__(self, kernel: Kernel | RecordKernel) -> None:
        self.kernel = kernel
        self.is_full = False

    def send(self, data: bytes | memoryview) -> int:
        try:
            taken = self.kernel.send(bytes(data))
        except BlockingIOError:
            self.is_full = True
            raise
        self.is_full = self.is_full or taken < len(data)
        return taken


class Audience:
    """One sealed member, by CURVE or by TLS, and a plain one with the same wants."""

    def __init__(self, *, is_by_tls: bool = False) -> None:
        self.worker = Worker(tuning=TUNING)
        self.pump = self.worker.pump
        self.kernel = RecordKernel() if is_by_tls else Kernel()
        self.edged = Edged(self.kernel)
        self.member = Member(99, self.edged.send, self.worker.policy)
        self.pump.subscribe(self.member, [b"A"])
        self.pump.throttles.put_under(self.member, self._sealed)
        self.plain, self.sink = self.worker.member(b"A")
        self.published: dict[bytes, tuple[bytes, int]] = {}
        self.size = self.said = self.now = 0
        self.wire = b""

    def _sealed(self, send: Send) -> SealedSend | TlsSend:
        kernel = self.kernel
        if isinstance(kernel, Kernel):
            return SealedSend(send, kernel.sealer)
        return TlsSend(send, cast("TlsRecords", kernel.records))

    @property
    def is_clear(self) -> bool:
        """Whether all that was reported as done is out."""
        sealed = self.member.sealed
        if isinstance(sealed, SealedSend):
            return sealed.is_empty
        return sealed is not None and not sealed.kept_bytes

    def act(self, kind: str, number: int, size: int) -> None:
        self.now += 1_000_000
        if kind == "publish" and self.size < LOG_BYTES:
            payload = b"%05d" % len(self.published) + b"x" * size
            self.published[payload] = TOPICS[number], len(self.published)
            self.size += size + 20
            self.worker.log.publish(TOPICS[number], payload, topic_id=number + 1)
        elif kind == "turn":
            self.turn(number)
        elif kind == "speak":
            self.pump.speak(self.member, PONG, self.now)
            self.said += 1
        elif kind == "policy":
            self.worker.obey(self.member, POLICIES[number], self.now)
        elif kind == "want":
            self.worker.advance(self.now)
            self.pump.subscribe(self.member, [(b"A", b"", b"AB")[number]], self.now)

    def turn(self, room: int) -> None:
        before = self.kernel.wire
        self.worker.advance(self.now)
        assert self.kernel.wire == before, "nothing is sealed in a round"
        self.kernel.room += room
        if self.edged.is_full and self.kernel.room:
            self.edged.is_full = False
            self.pump.writable(self.member)
        self.pump.wake(self.now)
        self.pump.serve_runnable(self.now, 100)
        self.pump.enforce(self.now)
        self.wire += self.kernel.received()
        waits = not self.member.blocked or self.edged.is_full or self.member in self.pump.runnable
        waits = waits or (self.member in self.pump.rests and self.is_clear)
        assert waits or self.member.state is LOST, "nobody would ever go on with it"
        assert self.member.blocked or self.is_clear, "nobody would ever send what is kept"

    def opened(self) -> tuple[list[int], int]:
        """Numbers of the messages that came, and how many words between them."""
        reader = FrameReader(1 << 20)
        reader.feed(self.wire)
        numbers, words, topic = [], 0, None
        for flags, body in reader.frames():
            if flags & COMMAND:
                assert topic is None, "a word in the middle of a message"
                words += 1
            elif flags & MORE:
                topic = body
            else:
                expected, number = self.published[body]
                assert topic == expected
                numbers.append(number)
                topic = None
        assert topic is None
        return numbers, words


def small() -> ExitStack:
    """Bounds that are met often, and records that end anywhere."""
    patched = ExitStack()
    patched.enter_context(mock.patch.object(sealed_sending, "TURN_BYTES", 600))
    patched.enter_context(mock.patch.object(tls_sending, "TURN_BYTES", 600))
    patched.enter_context(mock.patch.object(tls_sending, "RECORD_BYTES", 100))
    return patched


@pytest.mark.parametrize("is_by_tls", [False, True])
@settings(max_examples=300, deadline=None)
@given(taken=acts)
def test_whole_messages_in_their_order_and_nobody_is_forgotten(
    taken: list[tuple[str, int, int]],
    *,
    is_by_tls: bool,
) -> None:
    audience = Audience(is_by_tls=is_by_tls)
    with small():
        for act in taken:
            audience.act(*act)
        for _ in range(400):
            audience.now += 1_000_000
            audience.turn(1 << 20)
            if not audience.member.blocked:
                break
    member = audience.member
    assert not member.blocked
    audience.pump.settle(member)
    numbers, words = audience.opened()
    assert numbers == sorted(set(numbers))
    assert words == audience.said
    assert len(numbers) == member.sent
    assert member.sent + member.dropped + member.conflated == member.matched
    assert audience.is_clear


def test_what_is_kept_goes_out_though_its_member_rests() -> None:
    audience = Audience(is_by_tls=True)
    rests = SlowPolicy("conflate", min_interval=10.0)
    audience.worker.obey(audience.member, rests, audience.now)
    audience.act("publish", 0, 400)
    for _ in range(3):
        audience.now += 1_000_000
        audience.turn(40)
    sealed = audience.member.sealed
    assert sealed is not None
    assert audience.member in audience.pump.rests
    assert sealed.kept_bytes > 0
    audience.turn(1 << 20)
    assert sealed.kept_bytes == 0
    assert audience.opened()[0] == [0]


def test_what_is_kept_is_not_handed_over_yet() -> None:
    """Or `drain()` would say that the kernel has it."""
    audience = Audience(is_by_tls=True)
    pump, member = audience.pump, audience.member
    audience.act("publish", 0, 400)
    for _ in range(3):
        audience.now += 1_000_000
        audience.turn(40)
    sealed = member.sealed
    assert sealed is not None
    assert sealed.kept_bytes > 0
    assert not member.queued
    assert pump.flushed() == 0
    audience.turn(1 << 20)
    assert not sealed.kept_bytes
    assert pump.flushed() == 1


def test_plain_ones_come_first() -> None:
    audience = Audience()
    audience.kernel.room = 1 << 30
    for _ in range(3):
        audience.worker.log.publish(b"A", b"x" * 15_000)
    order: list[int] = []
    kernel = audience.kernel
    assert isinstance(kernel, Kernel)
    sealer, plain_send, sealed_send = kernel.sealer, audience.plain.send, kernel.send

    def noted(number: int, send: object) -> object:
        def noting(data: bytes) -> int:
            order.append(number)
            assert callable(send)
            return int(send(data))

        return noting

    audience.plain.send = noted(1, plain_send)  # type: ignore[assignment]
    audience.pump.throttles.put_under(
        audience.member,
        lambda _send: SealedSend(noted(2, sealed_send), sealer),  # type: ignore[arg-type]
    )
    audience.worker.advance()
    audience.pump.serve_runnable(0, 100)
    assert order.index(2) > max(place for place, one in enumerate(order) if one == 1)
    assert audience.member.sent > 0
