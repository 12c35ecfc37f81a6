"""Cores of sockets over wires that are cut anywhere, against what their users have seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fanout.sockets.answering import Rep
from fanout.sockets.asking import Req
from fanout.sockets.core import Core
from fanout.sockets.dealing import Dealer, Router
from fanout.sockets.errors import NoReplyError, NotNowError, StateError
from fanout.sockets.inbox import Inbox, Lane
from fanout.sockets.limits import Limits
from fanout.sockets.peer import Peer
from fanout.sockets.pipeline import Pull, Push, Sub
from fanout.sockets.problems import Problems
from fanout.subscriber.backoff import BackOff
from fanout.transport.endpoints import parse_endpoint
from fanout.zmtp import encode_message
from fanout.zmtp.commands import command
from fanout.zmtp.metadata import ready
from tests.unit.zmtp.wire import GREETING

if TYPE_CHECKING:
    from fanout.sockets.role import Role

LIMITS = Limits(outbox_messages=8, inbox_messages=8)


class Wire:
    """One connection between two cores, whose bytes a test lets through a few at a time."""

    def __init__(self, connecting: Core, accepting: Core) -> None:
        (dial,) = connecting.due(1e9)
        there = accepting.accepted("peer", 0.0)
        assert isinstance(there, Peer)
        self.ends: list[tuple[Core, Peer]] = [
            (connecting, connecting.connected(dial, 0.0)),
            (accepting, there),
        ]
        self.kernel = [b"", b""]  # written by each end, not read by the other
        for _ in range(4):  # the handshake, which is cut anywhere by other tests
            for end in (0, 1):
                self.write(end, 1 << 20)
                self.read(1 - end, 1 << 20)
        assert connecting.ready

    def write(self, end: int, count: int) -> None:
        _, peer = self.ends[end]
        piece = bytes(peer.next_piece())[:count]
        if piece:
            peer.wrote(len(piece))
            self.kernel[end] += piece

    def read(self, end: int, count: int) -> None:
        core, peer = self.ends[end]
        data, self.kernel[1 - end] = self.kernel[1 - end][:count], self.kernel[1 - end][count:]
        if data:
            assert core.received(peer, data, 0.0) is None

    def cut(self) -> None:
        for core, peer in self.ends:
            core.lost(peer, "cut", 0.0)

    def flow(self) -> None:
        """Let everything through."""
        for _ in range(12):
            for end in (0, 1):
                self.ends[end][0].role.dispatch()
                self.write(end, 1 << 20)
                self.read(1 - end, 1 << 20)


def core_of(role: Role) -> Core:
    return Core(role, role.limits, role.problems, lambda: BackOff(lambda: 0.0))


COUNTS = st.integers(1, 40)


class Pushing(RuleBasedStateMachine):
    """Two receivers, one sender. What the kernel of a cut connection held is lost, and no more."""

    def __init__(self) -> None:
        super().__init__()
        self.push = Push(LIMITS, Problems())
        self.pulls = [Pull(LIMITS, Problems()) for _ in range(2)]
        self.sender = core_of(self.push)
        self.receivers = [core_of(pull) for pull in self.pulls]
        self.wires: list[Wire | None] = [None, None]
        self.sent = 0
        self.got: list[list[int]] = [[], []]
        for receiver in self.receivers:
            receiver.connect(parse_endpoint("ipc://x"))
        self.push.has_way = lambda: True

    @rule()
    def send(self) -> None:
        try:
            self.push.try_send(self.push.prepare([b"%d" % self.sent, b"x" * (self.sent % 7)]))
        except NotNowError:
            assert self.push.waiting_count + self.sender.pending >= LIMITS.outbox_messages // 2
        else:
            self.sent += 1

    @rule(number=st.integers(0, 1))
    def connect(self, number: int) -> None:
        if self.wires[number] is None:
            self.wires[number] = Wire(self.receivers[number], self.sender)

    @rule(number=st.integers(0, 1), count=COUNTS, end=st.integers(0, 1))
    def write(self, number: int, count: int, end: int) -> None:
        wire = self.wires[number]
        self.push.dispatch()
        if wire is not None:
            wire.write(end, count)

    @rule(number=st.integers(0, 1), count=COUNTS, end=st.integers(0, 1))
    def read(self, number: int, count: int, end: int) -> None:
        wire = self.wires[number]
        if wire is not None:
            wire.read(end, count)

    @rule(number=st.integers(0, 1))
    def cut(self, number: int) -> None:
        wire, self.wires[number] = self.wires[number], None
        if wire is not None:
            wire.cut()

    @rule(number=st.integers(0, 1))
    def receive(self, number: int) -> None:
        try:
            frames = self.pulls[number].try_recv()
        except NotNowError:
            return
        self.got[number].append(int(frames[0]))
        assert frames[1] == b"x" * (int(frames[0]) % 7)

    @invariant()
    def none_comes_twice(self) -> None:
        both = self.got[0] + self.got[1]
        assert len(set(both)) == len(both)

    @invariant()
    def all_that_was_sent_is_somewhere(self) -> None:
        known = self.push.waiting_count + self.sender.pending + self.sender.sent
        assert known == self.sent

    def teardown(self) -> None:
        for number in (0, 1):
            self.cut(number)
            self.connect(number)
        before = self.sender.sent
        for wire in self.wires:
            assert wire is not None
            wire.flow()
        assert self.push.waiting_count == self.sender.pending == 0
        arrived = sum(pull.received_count for pull in self.pulls)
        assert self.sent - before <= arrived <= self.sent
        for number, pull in enumerate(self.pulls):
            while len(pull.inbox):
                self.receive(number)
        self.none_comes_twice()


class Asking(RuleBasedStateMachine):
    """One asks, and asks again, over a wire that breaks; each reply that is received is its own."""

    @initialize(correlate=st.booleans())
    def begin(self, correlate: bool) -> None:
        self.req = Req(LIMITS, Problems(), correlate=correlate)
        self.rep = Rep(LIMITS, Problems())
        self.asker, self.answerer = core_of(self.req), core_of(self.rep)
        self.asker.connect(parse_endpoint("ipc://x"))
        self.wire: Wire | None = None
        self.asked = 0
        self.question: bytes | None = None

    @rule()
    def ask(self) -> None:
        self.asked += 1
        self.req.try_send(self.req.prepare([b"%d" % self.asked]))

    @rule()
    def connect(self) -> None:
        if self.wire is None:
            self.wire = Wire(self.asker, self.answerer)

    @rule()
    def cut(self) -> None:
        wire, self.wire = self.wire, None
        if wire is not None:
            wire.cut()

    @rule(count=COUNTS, end=st.integers(0, 1))
    def move(self, count: int, end: int) -> None:
        for core in (self.asker, self.answerer):
            core.role.dispatch()
        if self.req.condemned:
            self.req.condemned.clear()
            self.cut()
        if self.wire is not None:
            self.wire.write(end, count)
            self.wire.read(1 - end, count)

    @rule()
    def take_question(self) -> None:
        try:
            (self.question,) = self.rep.try_recv()
        except NotNowError:
            assert self.rep.owes_reply == (self.question is not None)

    @rule()
    def answer(self) -> None:
        try:
            self.rep.try_send([b"to " + (self.question or b"nothing")])
        except StateError:
            assert self.question is None
        else:
            assert self.question is not None
            self.question = None

    @rule()
    def take_answer(self) -> None:
        was_waiting = self.req.is_waiting
        try:
            frames = self.req.try_recv()
        except NotNowError:
            assert self.req.is_waiting
        except StateError:
            assert not was_waiting
        except NoReplyError:
            assert not self.req.is_waiting
        else:
            assert frames == (b"to %d" % self.asked,)
            assert not self.req.is_waiting

    def teardown(self) -> None:
        """However it stands, a new question gets its answer."""
        if not hasattr(self, "req"):
            return
        for _ in range(5):  # what is owed by the answerer to old questions comes first
            self.cut()
            self.ask()
            self.connect()
            assert self.wire is not None
            self.wire.flow()
            if self.req.condemned:
                self.req.condemned.clear()
                continue
            self.answer()
            while len(self.rep.inbox):  # questions of lost connections are among them, in any order
                self.take_question()
                self.answer()
            self.wire.flow()
            self.take_answer()
            assert not self.req.is_waiting
            return
        raise AssertionError("it was never answered")


TestPushing = Pushing.TestCase
TestPushing.settings = settings(max_examples=50, stateful_step_count=50)
TestAsking = Asking.TestCase
TestAsking.settings = settings(max_examples=50, stateful_step_count=50)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-9, 9)), max_size=30))
def test_an_inbox_is_in_order_for_each_peer_and_fair_to_all(steps: list[tuple[int, int]]) -> None:
    """Between two turns of one peer that waits, each other one has one turn at most."""
    inbox: Inbox[tuple[int, int]] = Inbox(Limits())
    lanes = [Lane() for _ in range(3)]
    waiting: list[list[int]] = [[] for _ in lanes]
    since = [[0] * 3 for _ in lanes]  # turns of others since each one's own, or since it waits

    def put(who: int, number: int) -> None:
        if not waiting[who]:
            since[who] = [0] * 3
        inbox.put(lanes[who], (who, number), 1)
        waiting[who].append(number)

    def take() -> None:
        who, taken = inbox.take()
        assert waiting[who].pop(0) == taken
        for other in range(3):
            if other != who and waiting[other]:
                since[other][who] += 1
                assert since[other][who] <= 2, "it has turns before another that waits has one"
        since[who] = [0] * 3

    for number, (who, count) in enumerate(steps):
        for more in range(count):
            put(who, 100 * number + more)
        for _ in range(min(-count, len(inbox))):
            take()
    while len(inbox):
        take()
    assert not any(waiting)


ROLES: dict[str, tuple[type[Role], bytes]] = {
    "PULL": (Pull, b"PUSH"),
    "PUSH": (Push, b"PULL"),
    "SUB": (Sub, b"PUB"),
    "REQ": (Req, b"REP"),
    "REP": (Rep, b"DEALER"),
    "DEALER": (Dealer, b"ROUTER"),
    "ROUTER": (Router, b"DEALER"),
}
PIECES = st.one_of(
    st.binary(max_size=40),
    st.lists(st.binary(max_size=12), min_size=1, max_size=5).map(encode_message),
    st.tuples(st.sampled_from([b"PING", b"PONG", b"SUBSCRIBE", b"ERROR", b"READY", b"x"]),
              st.binary(max_size=20)).map(lambda one: command(*one)),
)  # fmt: skip


@pytest.mark.parametrize("name", ROLES)
@given(
    identity=st.binary(max_size=5),
    pieces=st.lists(PIECES, max_size=12),
    cuts=st.lists(st.integers(1, 50), max_size=20),
    is_greeted=st.booleans(),
)
def test_a_peer_may_say_anything(
    name: str, identity: bytes, pieces: list[bytes], cuts: list[int], is_greeted: bool
) -> None:
    """It is understood, or given up for a reason; nothing is raised, and no more is kept."""
    kind, other = ROLES[name]
    core = core_of(kind(LIMITS, Problems()))
    data = b"".join(pieces)
    if is_greeted:
        data = GREETING + ready(other, {b"Identity": identity}) + data
    peer = core.accepted("peer", 0.0)
    assert isinstance(peer, Peer)
    problem = None
    while data and problem is None:
        size = cuts.pop() if cuts else len(data)
        problem = core.received(peer, data[:size], 0.0)
        data = data[size:]
        core.role.dispatch()
    if problem is not None:
        assert str(problem).isprintable()
        core.lost(peer, str(problem), 0.0, refused=True)
        assert core.peers == {}
    assert core.role.received_count + core.role.discarded <= len(b"".join(pieces))
