"""The read side gives nobody the worker to himself."""

from __future__ import annotations

import contextlib
import select
import socket
from typing import TYPE_CHECKING

import pytest

from fanout.control.messages import Adopt
from fanout.options import Options
from fanout.workers.connections import reading
from fanout.workers.connections.deadlines import Deadlines
from fanout.workers.connections.desk import Desk as Connections
from fanout.workers.connections.reading import ReadSide
from fanout.workers.policy.block import Block
from fanout.workers.policy.limits import UNLIMITED
from fanout.workers.stream.pump import Pump
from fanout.workers.tail import Tail
from fanout.workers.tuning import TUNING
from fanout.zmtp import SubscriberSession
from tests.helpers.around import Around, Outbox
from tests.helpers.log import SMALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fanout.control.messages import Message
    from fanout.shm.reader import LogReader
    from fanout.workers.connections.peer import Peer
    from fanout.workers.stream.member import Member

Calls = list[tuple[str, object]]


class NotedPump(Pump):
    """A pump that notes how wants are changed."""

    def __init__(self, log: LogReader, calls: Calls) -> None:
        super().__init__(log, UNLIMITED, 1)
        self._calls = calls

    def subscribe(self, member: Member, prefixes: Iterable[bytes]) -> None:
        self._calls.append(("pump.subscribe", member))
        super().subscribe(member, prefixes)

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
        self.tail: Tail[Peer] = Tail(self.around, pump, lambda: None)
        self.write_set = select.epoll()
        self.desk = Connections(self.around, Options(), Block(), pump, self.tail, self.write_set)
        self.side = ReadSide(
            *(self.desk, Deadlines(self.desk, Options()), pump, self.tail),
            *(self.around.channel, select.epoll(), TUNING),
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
        self.peers = list(self.desk.peers.values())
        self.peer, self.session = self.peers[0], self.ends[0][0]

    def called(self, name: str) -> list[object]:
        """What these calls were about."""
        return [about for called, about in self.calls if called == name]

    def talk(self, now: int) -> int:
        """One turn after all that the subscribers have to say; how often wants were changed."""
        for session, far in self.ends:
            far.send(session.data_to_send())
        before = len(self.called("pump.subscribe"))
        self.side.turn(now)
        return len(self.called("pump.subscribe")) - before

    def shake_hands(self) -> None:
        while not all(peer.session.subscriptions for peer in self.peers):
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
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    desk = Desk([b"%d" % i for i in range(request.param)])
    desk.shake_hands()
    yield desk
    desk.close()


@pytest.mark.parametrize("desk", [TUNING.spared_from], indirect=True)
def test_a_peer_with_a_long_list_is_spared_after_each_change(desk: Desk) -> None:
    desk.session.subscribe(b"one more")
    assert desk.talk(1) == 0  # not read: its list was just changed
    desk.side.read_spared(0)
    assert desk.peer.heard == 0 + TUNING.spared_from * reading.SPARED_NS_EACH, "nobody listens"
    rest = TUNING.spared_from * reading.SPARED_NS_EACH
    desk.side.read_spared(rest - 1)
    assert desk.talk(rest - 1) == 0
    desk.side.read_spared(rest)
    assert desk.talk(rest) == 1  # what it said meanwhile has waited for it
    assert b"one more" in desk.peer.session.subscriptions


@pytest.mark.parametrize("desk", [TUNING.spared_from - 2], indirect=True)
def test_a_peer_with_a_short_list_is_read_at_once(desk: Desk) -> None:
    desk.session.subscribe(b"one more")
    assert desk.talk(1) == 1


@pytest.mark.parametrize("desk", [TUNING.spared_from], indirect=True)
def test_a_spared_peer_can_be_forgotten(desk: Desk) -> None:
    desk.side.forget(desk.peer)
    desk.side.read_spared(1 << 62)
    desk.session.subscribe(b"one more")
    assert desk.talk(1 << 62) == 0


@pytest.fixture
def two() -> Iterator[Desk]:
    desk = Desk([b"A"], peers=2)
    desk.shake_hands()
    desk.calls.clear()
    for session, _ in desk.ends:
        session.subscribe(b"B")
    yield desk
    desk.close()


def test_the_changes_of_a_turn_go_out_together_and_are_then_applied(two: Desk) -> None:
    assert two.talk(1) == 2

    called = [name for name, _ in two.calls]
    assert called == ["channel.post"] * 2 + ["channel.flush"] + ["pump.subscribe"] * 2


def test_if_the_reports_do_not_get_out_all_are_held_until_they_have(two: Desk) -> None:
    two.channel.room = 1  # one of them did
    assert two.talk(1) == 0
    held = two.called("pump.hold")
    two.channel.room = 1
    two.channel.flush()
    assert two.talk(2) == 0
    released = two.called("pump.release")

    assert held == released == [peer.member for peer in two.peers]
    assert not two.tail.promised
