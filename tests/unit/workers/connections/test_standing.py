"""Who has kept up for a while: two looks in a row, at what was acknowledged, not what was taken."""

from __future__ import annotations

from typing import Any

import pytest

from fanout.workers.connections.standing import APART_NS, LOOKS_PER_TICK, Standing
from fanout.workers.policy.drop_oldest import DropOldest
from fanout.workers.policy.limits import Limits
from fanout.workers.stream.member import Member

POLICY = DropOldest(Limits(1 << 20, 1 << 20))


class FakePeer:
    """A member with what the kernel holds for it."""

    def __init__(self, number: int = 1) -> None:
        self.member = Member(number, len, POLICY)
        self.member.spoken_bytes = 64  # of the handshake
        self.unsent = 0

    def take(self, size: int, acknowledged: int) -> None:
        """Its socket takes so many bytes, and its host acknowledges so many."""
        self.member.sent_bytes += size
        self.unsent += size - acknowledged


class Watched:
    """Peers that are looked at once in a time."""

    def __init__(self, count: int = 1) -> None:
        self.peers = [FakePeer(number) for number in range(count)]
        self.steady: dict[Member, None] = {}
        self.asked: list[int] = []
        self.standing = Standing(self.steady, self._unsent)
        self.now = 0
        for peer in self.peers:
            self.adopt(peer)

    def adopt(self, peer: Any) -> None:
        self.standing.adopted(peer, self.now)

    def look(self) -> bool:
        """Whether the first one is steady then."""
        self.now += APART_NS
        self.standing.tick(self.now)
        return self.peers[0].member in self.steady

    def _unsent(self, member: Member) -> int:
        self.asked.append(member.id)
        return self.peers[member.id].unsent


def test_who_acknowledges_what_it_was_sent_before_becomes_steady() -> None:
    watched = Watched()
    (peer,) = watched.peers
    found = []
    for _ in range(4):
        peer.take(1000, acknowledged=1000)
        peer.take(500, acknowledged=0)  # it is on the way
        found.append(watched.look())
        peer.take(0, acknowledged=500)

    assert found == [False, False, True, True]


def test_who_has_only_buffers_does_not() -> None:
    watched = Watched()
    (peer,) = watched.peers
    found = []
    for acknowledged in (1000, 500, 0, 0, 0):  # its own buffer is full, and then fills ours
        peer.take(1000, acknowledged)
        found.append(watched.look())

    assert found == [False] * 5


@pytest.mark.parametrize("blocked", [False, True])
def test_who_acknowledges_no_more_is_not_steady_any_longer(blocked: bool) -> None:
    watched = Watched()
    (peer,) = watched.peers
    for _ in range(3):
        peer.take(1000, acknowledged=1000)
        watched.look()
    if blocked:  # its socket takes nothing
        peer.member.become(type(peer.member.state).BLOCKED)
    else:
        peer.take(1000, acknowledged=0)
        assert watched.look(), "at the first look it may be on the way yet"
        peer.take(1000, acknowledged=0)

    assert not watched.look()


def test_who_is_sent_nothing_stays_what_it_was_and_costs_no_system_call() -> None:
    watched = Watched()
    assert not any(watched.look() for _ in range(3))
    for _ in range(3):
        watched.peers[0].take(1000, acknowledged=1000)
        watched.look()
    asked = len(watched.asked)

    assert all(watched.look() for _ in range(3))
    assert len(watched.asked) == asked == 2


def test_all_are_looked_at_in_turn_some_in_each_tick() -> None:
    watched = Watched(LOOKS_PER_TICK + 10)
    for _ in range(2):
        for peer in watched.peers:
            peer.take(1000, acknowledged=1000)
        watched.look()
        watched.standing.tick(watched.now)
        watched.standing.tick(watched.now)

    assert watched.asked == list(range(LOOKS_PER_TICK + 10))


def test_who_is_closed_is_forgotten() -> None:
    watched = Watched()
    peer: Any = watched.peers[0]
    for _ in range(3):
        peer.take(1000, acknowledged=1000)
        watched.look()

    watched.standing.forget(peer)

    assert not watched.steady
    assert not watched.look()
