"""Deliveries: one turn sends what there is, within its bounds, and says whether there is more."""

from __future__ import annotations

import contextlib
import select
import socket
from typing import TYPE_CHECKING

import pytest

from fanout.shm.layout import PAGE, Layout
from fanout.workers import deliveries
from fanout.workers.connections.peer import Peer
from fanout.workers.deliveries import Deliveries
from fanout.workers.figures import Figures
from fanout.workers.policy.block import Block
from fanout.workers.stream.pump import Pump
from fanout.workers.stream.turn_part import without_clock
from fanout.workers.tuning import Tuning
from fanout.zmtp import Session
from fanout.zmtp.frames import encode_message
from tests.helpers.around import Around
from tests.helpers.limits import LIMITS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ONE = encode_message([b"A", b"one"])
LAYOUT = Layout(16 * PAGE, 64, 4)


class Turns:
    """Deliveries of a worker whose peers have real sockets."""

    def __init__(self, tuning: Tuning) -> None:
        self.around = Around(LAYOUT)
        self.pump = Pump(self.around.log, tuning)
        self.figures = Figures(self.around, self.pump)
        self.write_set = select.epoll()
        self.peers: dict[int, Peer] = {}
        self.ends: list[socket.socket] = []
        self.deliveries = Deliveries(
            *(self.pump, self.around.log, self.write_set, self.peers, self.figures),
            *(without_clock(), tuning),
        )

    def publish(self, count: int) -> None:
        for _ in range(count):
            self.around.written.publish(b"A", b"one")

    def connect(self, *prefixes: bytes) -> Peer:
        """A peer whose socket has room."""
        ours, far = socket.socketpair()
        ours.setblocking(False)
        far.setblocking(False)
        number = len(self.peers)
        slots = self.around.subscriber_slot(number), self.around.stream_slot(number)
        peer = Peer(number, slots[0], ours, Session(LIMITS), Block(), 0, record=slots[1])
        self.peers[ours.fileno()] = peer
        self.ends.append(far)
        self.pump.subscribe(peer.member, prefixes)
        return peer

    def fill(self, peer: Peer) -> None:
        """Leave its socket no room; then it is watched, as the worker does it."""
        with contextlib.suppress(BlockingIOError):
            while True:
                peer.socket.send(bytes(65536))
        self.write_set.register(peer.socket, select.EPOLLOUT | select.EPOLLET)
        self.write_set.poll(0)

    def drain(self, peer: Peer) -> bytes:
        """All that has arrived at the other end."""
        far = self.ends[peer.member.id]
        data = b""
        with contextlib.suppress(BlockingIOError):
            while True:
                data += far.recv(1 << 20)
        return data

    def close(self) -> None:
        self.write_set.close()
        for peer in self.peers.values():
            peer.socket.close()
        for far in self.ends:
            far.close()
        self.around.close()


@pytest.fixture
def make_turns() -> Iterator[Callable[[Tuning], Turns]]:
    with contextlib.ExitStack() as stack:

        def make(tuning: Tuning) -> Turns:
            turns = Turns(tuning)
            stack.callback(turns.close)
            return turns

        yield make


def test_messages_are_due_for_those_who_want_some(make_turns: Callable[[Tuning], Turns]) -> None:
    turns = make_turns(Tuning())
    turns.publish(1)
    nobody = turns.deliveries.are_due
    turns.pump.follow()
    turns.connect(b"A")
    nothing = turns.deliveries.are_due
    turns.publish(1)
    due = turns.deliveries.are_due
    turns.deliveries.advance(0)

    assert (nobody, nothing, due, turns.deliveries.are_due) == (False, False, True, False)


def test_while_nobody_wants_any_the_front_follows(make_turns: Callable[[Tuning], Turns]) -> None:
    turns = make_turns(Tuning())
    turns.publish(5)

    assert not turns.deliveries.advance(0)
    assert (turns.pump.front, turns.figures.progress) == (5, 1)


def test_a_turn_takes_so_many_batches(make_turns: Callable[[Tuning], Turns]) -> None:
    turns = make_turns(Tuning(span_bytes=2 * len(ONE), batches_per_turn=2))
    peer = turns.connect(b"")
    turns.publish(9)

    fronts = []
    more = True
    while more:
        more = turns.deliveries.advance(0)
        fronts.append(turns.pump.front)

    assert fronts == [4, 8, 9]
    assert (turns.figures.progress, turns.drain(peer)) == (3, ONE * 9)


def test_who_is_to_begin_at_the_front_has_it_moved_further_than_in_a_turn(
    make_turns: Callable[[Tuning], Turns],
) -> None:
    """But no further than in so many turns."""
    turns = make_turns(Tuning(span_bytes=len(ONE), batches_per_turn=2, catch_ups=3))
    turns.connect(b"")
    for count, front in ((5, 5), (7, 5 + 2 * 3)):
        turns.publish(count)
        assert turns.deliveries.catch_up(lambda: 0)
        assert turns.pump.front == front
    turns.deliveries.advance(0)

    assert not turns.deliveries.catch_up(lambda: 0), "and then there was nothing"
    assert turns.pump.front == turns.around.log.head()


def test_a_turn_takes_no_further_batch_after_so_many_messages(
    make_turns: Callable[[Tuning], Turns], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "MESSAGES_PER_TURN", 3)
    turns = make_turns(Tuning(span_bytes=2 * len(ONE)))
    turns.connect(b"")
    turns.publish(9)

    assert turns.deliveries.advance(0)
    assert (turns.pump.front, turns.figures.progress) == (4, 1)


def test_what_is_published_during_a_turn_is_more(make_turns: Callable[[Tuning], Turns]) -> None:
    turns = make_turns(Tuning())
    peer = turns.connect(b"")

    def send_while_publishing(data: bytes | memoryview) -> int:
        turns.publish(1)
        return len(data)

    peer.member.send = send_while_publishing
    turns.publish(1)

    assert turns.deliveries.advance(0)
    assert (turns.pump.front, turns.deliveries.are_due) == (1, True)


def test_who_has_room_again_goes_on(make_turns: Callable[[Tuning], Turns]) -> None:
    turns = make_turns(Tuning())
    peer, other = turns.connect(b"A"), turns.connect(b"A")
    for full in (peer, other):
        turns.fill(full)
    turns.publish(3)
    turns.deliveries.advance(0)
    turns.deliveries.serve(0)
    assert (peer.member.blocked, other.member.blocked) == (True, True)
    turns.drain(peer)

    turns.deliveries.serve(0)

    assert (peer.member.blocked, other.member.blocked) == (False, True)
    assert turns.drain(peer) == ONE * 3


def test_who_has_room_is_served_in_slices(make_turns: Callable[[Tuning], Turns]) -> None:
    turns = make_turns(Tuning(writable_per_turn=2))
    peers = [turns.connect(b"A") for _ in range(3)]
    for peer in peers:
        turns.fill(peer)
    turns.publish(1)
    turns.deliveries.advance(0)
    for peer in peers:
        turns.drain(peer)

    behind = []
    for _ in range(2):
        turns.deliveries.serve(0)
        behind.append(sum(peer.member.blocked for peer in peers))
        assert not turns.pump.runnable, "more events were taken than are dealt with"

    assert behind == [1, 0]


def test_who_could_take_more_is_served_without_an_event(
    make_turns: Callable[[Tuning], Turns],
) -> None:
    turns = make_turns(Tuning(serve_steps=1, span_bytes=len(ONE)))
    peer = turns.connect(b"A")
    turns.fill(peer)
    turns.publish(2)
    turns.deliveries.advance(0)
    turns.drain(peer)

    taken = []
    for _ in range(3):
        turns.deliveries.serve(0)
        taken.append(turns.drain(peer))

    assert (taken, peer.member.blocked) == ([ONE, ONE, b""], False)


def test_an_event_of_one_who_has_left_is_nobodys(make_turns: Callable[[Tuning], Turns]) -> None:
    turns = make_turns(Tuning())
    peer = turns.connect(b"A")
    turns.fill(peer)
    turns.publish(1)
    turns.deliveries.advance(0)
    turns.drain(peer)
    left = turns.peers.pop(peer.socket.fileno())

    turns.deliveries.serve(0)

    assert (turns.drain(peer), dict(turns.pump.runnable)) == (b"", {})
    turns.peers[left.socket.fileno()] = left
