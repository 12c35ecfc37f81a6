"""The read side gives nobody the worker to himself."""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
from typing import TYPE_CHECKING

import pytest

from fanout.control.conduct import Throttled
from fanout.control.messages import Adopt, Closed
from fanout.options import Options
from fanout.reasons import Reason
from fanout.terms.peer_budget import PEER_PART
from fanout.workers.connections import budgets
from fanout.workers.connections.deadlines import Deadlines
from fanout.workers.connections.desk import Desk as Connections
from fanout.workers.connections.reading import ReadSide
from fanout.workers.connections.self_service import SelfService
from fanout.workers.connections.stopwatch import Stopwatch
from fanout.workers.connections.watched import SocketSets
from fanout.workers.policy.block import Block
from fanout.workers.stream.pump import Pump
from fanout.workers.stream.turn_part import without_clock
from fanout.workers.tail import Tail
from fanout.zmtp import SubscriberSession
from tests.helpers.around import Around, Outbox
from tests.helpers.log import SMALL

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from fanout.control.messages import Message
    from fanout.shm.reader import LogReader
    from fanout.workers.connections.peer import Peer
    from fanout.workers.stream.member import Member

Calls = list[tuple[str, object]]
SECOND = 1_000 * budgets.MS
BURST_NS = 20 * budgets.MS
HANDSHAKE_TURNS = 10  # thrice what it takes; by small budgets a peer may never be read again


class NotedPump(Pump):
    """A pump that notes how wants are changed."""

    def __init__(self, log: LogReader, calls: Calls) -> None:
        super().__init__(log)
        self._calls = calls

    def change(
        self,
        member: Member,
        wants: Collection[bytes],
        added: Collection[bytes],
        cancelled: Collection[bytes],
        now: int,
    ) -> None:
        self._calls.append(("pump.change", member))
        super().change(member, wants, added, cancelled, now)

    def hold(self, member: Member) -> None:
        self._calls.append(("pump.hold", member))
        super().hold(member)

    def release(self, member: Member, prefixes: Iterable[bytes], since: int, now: int) -> None:
        self._calls.append(("pump.release", member))
        super().release(member, prefixes, since, now)


class NotedOutbox(Outbox):
    """A channel that notes when reports are written and sent; `room` more of them get out."""

    def __init__(self, calls: Calls) -> None:
        super().__init__()
        self.room = 1 << 40
        self._calls = calls

    def post(self, message: Message) -> None:
        self._calls.append(("channel.post", message))
        super().post(message)

    def flush(self) -> None:
        self._calls.append(("channel.flush", None))
        while self.waiting and self.room:
            self.sent.append(self.waiting.pop(0))
            self.room -= 1


class Desk:
    """A read side with one peer or more, and the other ends of their connections.

    Attributes:
        calls: of the pump and the channel, in their order.
        peer, session: the first peer, and what is at the other end of its connection.
    """

    def __init__(self, topics: list[bytes], peers: int = 1) -> None:
        self.calls: Calls = []
        self.around = Around(SMALL)
        self.around.channel = self.channel = NotedOutbox(self.calls)
        pump = NotedPump(self.around.log, self.calls)
        self.tail: Tail[Peer] = Tail(self.around, pump, lambda: None, lambda *_: None)
        self.write_set, read_set = select.epoll(), select.epoll()
        watched = SocketSets(self.write_set, read_set)
        self.desk = Connections(self.around, Options(), Block(), pump, self.tail, watched)
        self.side = ReadSide(
            *(self.desk, Deadlines(self.desk, Options(), without_clock()), pump, self.tail),
            *(self.around.channel, read_set, Stopwatch(self.clock, self.clock), 0),
            SelfService(self.channel, allowed=True, may_block=False),
        )
        self.desk.watchers = (self.side,)
        self.ends: list[tuple[SubscriberSession, socket.socket]] = []
        for number in range(peers):
            ours, far = socket.socketpair()
            ours.setblocking(False)
            far.setblocking(False)
            self.ends.append((SubscriberSession(topics), far))
            self.around.sockets[ours.fileno()] = ours
            self.desk.adopt(Adopt(number, number, "zmtp"), [ours.fileno()])
        self.desk.greet(0)
        self.peers = list(self.desk.peers.values())
        self.peer, self.session = self.peers[0], self.ends[0][0]

    def clock(self) -> int:
        return self.around.cpu_ns()  # a test may put another one there

    def called(self, name: str) -> list[object]:
        """What these calls were about."""
        return [about for called, about in self.calls if called == name]

    def talk(self, now: int) -> int:
        """One turn after all that the subscribers have to say; how often wants were changed."""
        for session, far in self.ends:
            far.send(session.data_to_send())
        before = len(self.called("pump.change"))
        self.side.turn(now)
        return len(self.called("pump.change")) - before

    def shake_hands(self) -> None:
        turns = 0
        while not all(peer.session.subscriptions for peer in self.peers):
            turns += 1
            assert turns <= HANDSHAKE_TURNS, "it is not read: are its budgets too small?"
            self.talk(0)
            for session, far in self.ends:
                with contextlib.suppress(BlockingIOError):
                    session.receive_data(far.recv(4096))

    def close(self) -> None:
        self.side.set.close()
        for peer, (_, far) in zip(self.peers, self.ends, strict=True):
            peer.socket.close()
            far.close()
        self.write_set.close()
        self.around.close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk([b"A"])
    desk.shake_hands()
    yield desk
    desk.close()


@pytest.fixture(autouse=True)
def burst(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some hundred changes: enough to be told from one."""
    monkeypatch.setattr(budgets, "PEER_BURST_NS", BURST_NS)
    monkeypatch.setattr(budgets, "TALK_BURST_NS", BURST_NS)


def throttled(desk: Desk) -> list[int]:
    """Who was named for what it says."""
    desk.channel.flush()
    return [report.subscriber for report in desk.channel.sent if isinstance(report, Throttled)]


def churn(desk: Desk, now: int) -> int:
    """Subscribe and cancel in turn until it is not read any more; how many changes were."""
    changes = 0
    while not desk.side.spares:
        if b"x" in desk.session.subscriptions:
            desk.session.cancel(b"x")
        else:
            desk.session.subscribe(b"x")
        changes += desk.talk(now)
    return changes


def test_a_long_list_is_read_at_once_and_who_changes_it_for_ever_is_spared_and_named(
    desk: Desk,
) -> None:
    topics = [b"%d" % index for index in range(1_000)]
    for topic in topics:
        desk.session.subscribe(topic)
    while len(desk.peer.session.subscriptions) <= len(topics):
        assert desk.talk(1)
    assert not throttled(desk)

    churn(desk, 1)
    assert throttled(desk) == [desk.peer.id]
    desk.session.subscribe(b"one more")
    assert desk.talk(1) == 0
    until = desk.peer.unread_until
    assert until > 1, "nobody listens: its silence says nothing"
    desk.side.read_spared(until - 1)
    assert desk.talk(until - 1) == 0
    desk.side.read_spared(until)
    assert desk.talk(until) == 1  # what it said meanwhile has waited for it
    assert b"one more" in desk.peer.session.subscriptions


@pytest.mark.unmeasured
def test_who_goes_on_is_named_again_after_a_while(desk: Desk) -> None:
    now = 1
    while len(throttled(desk)) < 3:
        churn(desk, now)
        now = desk.peer.unread_until
        desk.side.read_spared(now)
    assert now > 2 * budgets.NAMED_EACH_NS


@pytest.mark.unmeasured
def test_a_churner_changes_no_more_in_a_second_than_its_budget_pays(desk: Desk) -> None:
    now, changes = 1, 0
    churn(desk, now)
    end = now + 20 * SECOND
    while now < end:
        now = desk.peer.unread_until
        desk.side.read_spared(now)
        changes += churn(desk, now)
    cost = budgets.READ_NS + budgets.REPORT_NS
    assert 0.5 < changes / (20 * SECOND / PEER_PART / cost) < 1.5


def test_who_was_over_its_budget_owes_it_at_its_end_and_who_was_not_does_not() -> None:
    """The second peer has said as much as anybody does: a handshake and a list."""
    desk = Desk([b"A"], peers=2)
    desk.shake_hands()
    churn(desk, 1)
    desk.around.time = 1
    for peer in desk.peers:
        desk.desk.close(peer, Reason.LEFT)
    desk.channel.flush()
    debts = {one.subscriber: one.debt for one in desk.channel.sent if isinstance(one, Closed)}
    desk.close()
    assert debts[1] == 0
    assert debts[0] > BURST_NS


def ping(desk: Desk, end: int) -> None:
    session, far = desk.ends[end]
    session.ping(b"")
    with contextlib.suppress(BlockingIOError):
        far.recv(4096)  # else its PINGs wait for it to take the answers


def half_a_frame(desk: Desk, end: int) -> None:
    desk.ends[end][1].send(b"\x00\x00")


@pytest.mark.parametrize("say", [ping, half_a_frame])
def test_who_says_little_again_and_again_is_spared_and_others_are_read(
    say: Callable[[Desk, int], None],
) -> None:
    desk = Desk([b"A"], peers=2)
    desk.shake_hands()
    for _ in range(BURST_NS // budgets.READ_NS + 1):
        say(desk, 0)
        desk.talk(1)
        if desk.side.spares:
            break
    assert throttled(desk) == [desk.peer.id]

    desk.ends[1][0].subscribe(b"B")
    assert desk.talk(1) == 1
    desk.close()


def test_who_talks_of_anything_but_subscriptions_is_spared_sooner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(budgets, "PEER_BURST_NS", 1_000 * budgets.MS)
    desk = Desk([b"A"], peers=2)
    desk.shake_hands()
    monkeypatch.setattr(budgets, "TALK_BURST_NS", 20 * budgets.READ_NS)
    churner, _far = desk.ends[1]
    for number in range(20):
        (churner.cancel if number % 2 else churner.subscribe)(b"x")
        assert desk.talk(1) == 1
    assert throttled(desk) == []

    for _ in range(21):
        ping(desk, 0)
        desk.talk(1)
        if desk.side.spares:
            break
    assert throttled(desk) == [desk.peer.id]
    desk.close()


def test_while_there_is_something_to_send_reading_takes_its_share_and_no_more() -> None:
    desk = Desk([b"A"], peers=4)
    desk.shake_hands()
    clock = itertools.count(0, budgets.TURN_NS)
    desk.around.cpu_ns = lambda: next(clock)  # type: ignore[method-assign]

    def read(now: int, *, busy: bool) -> int:
        """How many were read from in a turn; each of them takes as long as a turn may."""
        for end in range(4):
            half_a_frame(desk, end)
        assert desk.side.turn(now, busy=busy), "there is more"
        return sum(peer.last_received == now for peer in desk.peers)

    assert [read(now, busy=False) for now in (1, 2, 3)] == [1, 1, 1]
    assert [read(now, busy=True) for now in (4, 5, 6)] == [0, 0, 0]
    later = 7 + 2 * budgets.BUSY_PART * budgets.BUSY_BURST_NS
    assert read(later, busy=True) == 1
    desk.close()


def test_no_more_changes_are_read_than_there_is_time_to_apply() -> None:
    desk = Desk([b"A"], peers=24)
    desk.shake_hands()
    desk.around.cpu_ns = lambda: 0  # type: ignore[method-assign]
    for peer in desk.peers:
        peer.budget.read_bytes = budgets.READ_BYTES_MAX

    def changes(now: int, size: int, *, busy: bool) -> int:
        """How many were applied of 24 lists of ten prefixes."""
        for session, far in desk.ends:
            for number in range(10):
                session.subscribe(b"%d.%d" % (now, number) + bytes(size))
            far.send(session.data_to_send())
        applied: list[int] = []
        while not applied or sum(applied) < 24:
            before = len(desk.called("pump.change"))
            desk.side.turn(now, busy=busy)
            applied.append(len(desk.called("pump.change")) - before)
        return applied[0]

    assert [changes(1, 10, busy=True), changes(2, 2_000, busy=True)] == [24, 16]
    assert changes(3, 2_000, busy=False) == 19
    desk.close()


def test_a_turn_of_a_storm_takes_as_many_lists_as_there_is_time_to_apply() -> None:
    """In turns that were shorter by half, each subscriber there was sent twice as many pieces."""
    desk = Desk([b"A"], peers=32)
    desk.shake_hands()
    desk.around.cpu_ns = lambda: 0  # type: ignore[method-assign]

    for session, far in desk.ends:
        for number in range(100):
            session.subscribe(b"t%07d" % number)
        far.send(session.data_to_send())
    before = len(desk.called("pump.change"))
    desk.side.turn(1, busy=True)

    assert len(desk.called("pump.change")) - before == 32
    desk.close()


def say_list(desk: Desk) -> int:
    """A list of a thousand topics, longer than what is read at first; returns its bytes."""
    for number in range(1_000):
        desk.session.subscribe(b"t%07d" % number)
    said = desk.session.data_to_send()
    assert desk.ends[0][1].send(said) == len(said) > budgets.READ_BYTES_FIRST
    return len(said)


def test_a_list_is_read_at_once_though_it_is_longer_than_what_is_read_at_first(desk: Desk) -> None:
    desk.shake_hands()
    before = len(desk.called("pump.change"))
    say_list(desk)

    desk.side.turn(1)

    assert len(desk.called("pump.change")) - before == 1
    assert len(desk.peer.session.subscriptions) == 1_001


@pytest.mark.parametrize(
    "frame", [b"\x00\x00", b"\x04\x15\x09SUBSCRIBE" + bytes(11) + b"\x00\x00" * 50]
)
def test_no_more_than_ever_is_read_of_what_looks_like_no_list(desk: Desk, frame: bytes) -> None:
    desk.shake_hands()
    taken = desk.peer.inbox.taken
    said = frame * (budgets.LIST_BYTES // len(frame))
    assert desk.ends[0][1].send(said) == len(said)

    desk.side.turn(1)

    assert 0 < desk.peer.inbox.taken - taken <= budgets.READ_BYTES_FIRST


def test_whose_reading_has_taken_long_has_no_more_of_a_list_read_at_once(desk: Desk) -> None:
    desk.shake_hands()
    desk.peer.budget.learn(1, 10 * budgets.READ_AIM_NS)
    taken = desk.peer.inbox.taken
    say_list(desk)

    desk.side.turn(1)

    assert 0 < desk.peer.inbox.taken - taken <= budgets.READ_BYTES_FIRST // 2


def test_talk_takes_two_thirds_of_what_changes_may_take_of_a_turn() -> None:
    desk = Desk([b"A"], peers=12)
    desk.shake_hands()
    clock = itertools.count(0, budgets.TURN_NS // 12)  # it is asked twice for each read but one
    desk.around.cpu_ns = lambda: next(clock)  # type: ignore[method-assign]
    for end in range(12):
        half_a_frame(desk, end)

    assert desk.side.turn(1, busy=True), "there is more"

    assert sum(peer.last_received == 1 for peer in desk.peers) == 5, "else it would be 7"
    desk.close()


def test_all_who_have_said_something_have_their_turn_before_anybody_has_it_again() -> None:
    """Though each of them has always more to say, and takes all the time of a turn."""
    desk = Desk([b"A"], peers=4)
    desk.shake_hands()
    clock = itertools.count(0, budgets.TURN_NS)
    desk.around.cpu_ns = lambda: next(clock)  # type: ignore[method-assign]
    desk.peers[2].ready = False  # as one that has just come

    for now in (1, 2, 3, 4):
        for end in range(4):
            half_a_frame(desk, end)
        assert desk.side.turn(now)

    assert sorted(peer.last_received for peer in desk.peers) == [1, 2, 3, 4]
    assert desk.peers[2].last_received == 1
    desk.close()


def test_a_spared_peer_can_be_forgotten(desk: Desk) -> None:
    churn(desk, 1)
    desk.side.forget(desk.peer)
    desk.side.read_spared(1 << 62)
    desk.session.subscribe(b"one more")
    assert desk.talk(1 << 62) == 0


@contextlib.contextmanager
def two_who_change() -> Iterator[Desk]:
    """Two peers that are about to want something more."""
    desk = Desk([b"A"], peers=2)
    desk.shake_hands()
    desk.calls.clear()
    for session, _ in desk.ends:
        session.subscribe(b"B")
    try:
        yield desk
    finally:
        desk.close()


@pytest.fixture
def two() -> Iterator[Desk]:
    with two_who_change() as desk:
        yield desk


def test_the_changes_of_a_turn_go_out_together_and_are_then_applied(two: Desk) -> None:
    assert two.talk(1) == 2

    called = [name for name, _ in two.calls]
    assert called == ["channel.post"] * 2 + ["channel.flush"] + ["pump.change"] * 2


def test_whose_report_does_not_get_out_is_held_until_it_has_and_nobody_else(two: Desk) -> None:
    """Who is held may have to jump over what the coordinator knows that it wants by then."""
    two.channel.room = 1  # the first one did
    assert two.talk(1) == 1
    first, second = (peer.member for peer in two.peers)
    assert two.called("pump.change") == [first]
    assert two.called("pump.hold") == [second]
    assert [*two.tail.promised] == [two.peers[1]]
    two.channel.room = 1
    two.channel.flush()
    assert two.talk(2) == 0

    assert two.called("pump.release") == [second]
    assert not two.tail.promised


def test_whose_report_is_out_goes_on_though_those_of_others_wait(two: Desk) -> None:
    """What is published then the publisher has heard that it wants."""
    two.channel.room = 0
    assert two.talk(1) == 0
    first, second = (peer.member for peer in two.peers)
    two.channel.room = 1
    two.channel.flush()
    two.side.go_on(0)
    assert two.called("pump.release") == [first]
    assert [*two.tail.promised] == [two.peers[1]]
    two.channel.room = 1
    two.channel.flush()
    two.side.go_on(0)

    assert two.called("pump.release") == [first, second]
    assert not two.tail.promised


def test_if_no_report_gets_out_all_are_held_until_they_have(two: Desk) -> None:
    two.channel.room = 0
    assert two.talk(1) == 0
    held = two.called("pump.hold")
    two.channel.room = 2
    two.channel.flush()
    assert two.talk(2) == 0

    assert held == two.called("pump.release") == [peer.member for peer in two.peers]
    assert not two.tail.promised
