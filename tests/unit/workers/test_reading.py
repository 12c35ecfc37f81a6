"""The read side gives nobody the worker to himself."""

from __future__ import annotations

import contextlib
import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from fanout.shm import layout as at
from fanout.zmtp import SessionLimits, SubscriberSession
from workers import reading
from workers.peer import Peer
from workers.reading import ReadSide

if TYPE_CHECKING:
    from collections.abc import Iterator


class Desk:
    """A read side with one peer, and the other end of its connection."""

    def __init__(self, topics: list[bytes]) -> None:
        ours, self.far = socket.socketpair()
        ours.setblocking(False)
        slot = memoryview(bytearray(at.SLOT_BYTES)).cast("Q")
        self.peer = Peer(1, slot, ours, SessionLimits(), 0)
        self.session = SubscriberSession(topics)
        self.pump = mock.Mock(front=0)
        worker: Any = SimpleNamespace(
            channel=mock.Mock(pending=0),
            by_descriptor={ours.fileno(): self.peer},
            pump=self.pump,
            protect_front=mock.Mock(),
            connected=mock.Mock(),
            close=mock.Mock(),
            say=lambda peer, _now: ours.send(peer.session.data_to_send()),
        )
        self.side = ReadSide(worker)
        self.side.watch(self.peer)
        ours.send(self.peer.session.data_to_send())
        self.far.setblocking(False)

    def talk(self, now: int) -> int:
        """One turn after all that the subscriber has to say; how often its wants were changed."""
        self.far.send(self.session.data_to_send())
        before: int = self.pump.subscribe.call_count
        self.side.turn(now)
        after: int = self.pump.subscribe.call_count
        return after - before

    def shake_hands(self) -> None:
        while not self.peer.session.subscriptions:
            self.talk(0)
            with contextlib.suppress(BlockingIOError):
                self.session.receive_data(self.far.recv(4096))

    def close(self) -> None:
        self.side.set.close()
        self.peer.socket.close()
        self.far.close()


@pytest.fixture
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    desk = Desk([b"%d" % i for i in range(request.param)])
    desk.shake_hands()
    yield desk
    desk.close()


@pytest.mark.parametrize("desk", [reading.REST_FROM], indirect=True)
def test_a_peer_with_a_long_list_rests_after_each_change(desk: Desk) -> None:
    desk.session.subscribe(b"one more")
    assert desk.talk(1) == 0  # not read: its list was just changed
    rest = reading.REST_FROM * reading.REST_NS_EACH
    desk.side.end_rests(rest - 1)
    assert desk.talk(rest - 1) == 0
    desk.side.end_rests(rest)
    assert desk.talk(rest) == 1  # what it said meanwhile has waited for it
    assert b"one more" in desk.peer.session.subscriptions


@pytest.mark.parametrize("desk", [reading.REST_FROM - 2], indirect=True)
def test_a_peer_with_a_short_list_is_read_at_once(desk: Desk) -> None:
    desk.session.subscribe(b"one more")
    assert desk.talk(1) == 1


@pytest.mark.parametrize("desk", [reading.REST_FROM], indirect=True)
def test_a_resting_peer_can_be_forgotten(desk: Desk) -> None:
    desk.side.forget(desk.peer)
    desk.side.end_rests(1 << 62)
    desk.session.subscribe(b"one more")
    assert desk.talk(1 << 62) == 0
