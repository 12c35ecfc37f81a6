"""The read side gives nobody the worker to himself."""

from __future__ import annotations

import contextlib
import select
import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from fanout.shm.subscriber_slot import SubscriberSlot
from fanout.workers.connections import reading
from fanout.workers.connections.peer import Peer
from fanout.workers.connections.reading import ReadSide
from fanout.workers.policy.block import Block
from fanout.workers.tail import Tail
from fanout.workers.tuning import TUNING
from fanout.zmtp import Session, SubscriberSession
from tests.helpers.around import Around
from tests.helpers.limits import LIMITS
from tests.helpers.log import SMALL

if TYPE_CHECKING:
    from collections.abc import Iterator


class Desk:
    """A read side with one peer or more, and the other ends of their connections.

    Attributes:
        calls: of the pump and the channel, in their order.
        peer, session: the first peer, and what is at the other end of its connection.
    """

    def __init__(self, topics: list[bytes], peers: int = 1) -> None:
        self.calls = mock.Mock()
        self.calls.pump.front = self.calls.channel.pending = 0
        by_descriptor: dict[int, Peer] = {}
        desk: Any = SimpleNamespace(
            by_descriptor=by_descriptor,
            connected=mock.Mock(),
            close=mock.Mock(),
            say=lambda peer, _now: peer.socket.send(peer.session.data_to_send()),
        )
        around = Around(SMALL)
        self.segment = around.written.segment
        self.tail: Tail[Peer] = Tail(around, self.calls.pump, mock.Mock())
        self.side = ReadSide(
            *(desk, mock.Mock(), self.calls.pump, self.tail),
            *(self.calls.channel, select.epoll(), TUNING),
        )
        self.peers: list[Peer] = []
        self.ends: list[tuple[SubscriberSession, socket.socket]] = []
        for number in range(peers):
            ours, far = socket.socketpair()
            ours.setblocking(False)
            far.setblocking(False)
            slot = SubscriberSlot(self.segment, number)
            self.peers.append(Peer(number, slot, ours, Session(LIMITS), Block(), 0))
            self.ends.append((SubscriberSession(topics), far))
            by_descriptor[ours.fileno()] = self.peers[-1]
            self.side.adopted(self.peers[-1], 0)
            ours.send(self.peers[-1].session.data_to_send())
        self.peer, self.session = self.peers[0], self.ends[0][0]

    def talk(self, now: int) -> int:
        """One turn after all that the subscribers have to say; how often wants were changed."""
        for session, far in self.ends:
            far.send(session.data_to_send())
        before: int = self.calls.pump.subscribe.call_count
        self.side.turn(now)
        after: int = self.calls.pump.subscribe.call_count
        return after - before

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
    desk.calls.reset_mock()
    for session, _ in desk.ends:
        session.subscribe(b"B")
    yield desk
    desk.close()


def test_the_changes_of_a_turn_go_out_together_and_are_then_applied(two: Desk) -> None:
    assert two.talk(1) == 2

    called = [name for name, _, _ in two.calls.mock_calls]
    assert called == ["channel.post"] * 2 + ["channel.flush"] + ["pump.subscribe"] * 2


def test_if_the_reports_do_not_get_out_all_are_held_until_they_have(two: Desk) -> None:
    two.calls.channel.pending = 1  # one of them did
    assert two.talk(1) == 0
    held = [call.args[0] for call in two.calls.pump.hold.call_args_list]
    two.calls.channel.pending = 0
    assert two.talk(2) == 0
    released = [call.args[0] for call in two.calls.pump.release.call_args_list]

    assert held == released == [peer.member for peer in two.peers]
    assert not two.tail.promised
