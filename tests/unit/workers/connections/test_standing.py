"""Who has kept up for a while: what was acknowledged and read, not what sockets and hosts took."""

from __future__ import annotations

from typing import Any

import pytest

from fanout.transport.kernel import Taken
from fanout.workers.connections.standing import (
    APART_NS,
    GIVEN_BYTES,
    KEPT_UP_LONG,
    KEPT_UP_MIN,
    LOOKS_PER_TICK,
    SOON_NS,
    StandingWatch,
)
from fanout.workers.policy.drop_oldest import DropOldest
from fanout.workers.policy.limits import Limits
from fanout.workers.stream.member import Member

POLICY = DropOldest(Limits(1 << 20, 1 << 20))
MUCH = 2 * GIVEN_BYTES  # in a second


class FakePeer:
    """A member with what its host has done.

    Attributes:
        tells: whether its kernel says how much it may be sent.
    """

    def __init__(self, number: int = 1) -> None:
        self.member = Member(number, len, POLICY)
        self.member.spoken_bytes = 64  # of the handshake
        self.acknowledged = 64
        self.allowed = GIVEN_BYTES
        self.tells = True

    def take(self, size: int, acknowledged: int, read: int | None = None) -> None:
        """Its socket takes so many bytes, its host acknowledges so many, its program reads some.

        Args:
            read: None = all that is acknowledged.
        """
        self.member.sent_bytes += size
        self.acknowledged += acknowledged
        self.allowed += acknowledged if read is None else read

    def taken(self) -> Taken:
        return Taken(self.acknowledged, self.allowed if self.tells else None)


class Watched:
    """Peers that are looked at once in a time."""

    def __init__(self, count: int = 1) -> None:
        self.peers = [FakePeer(number) for number in range(count)]
        self.steady: dict[Member, None] = {}
        self.asked: list[int] = []
        self.told: list[Member] = []
        self.standing = StandingWatch(self.steady, self._taken, self.told.append)
        self.now = 0
        for peer in self.peers:
            self.adopt(peer)

    def adopt(self, peer: Any) -> None:
        self.standing.adopted(peer, self.now)

    def look(self, after: int = APART_NS) -> bool:
        """Whether the first one is steady then."""
        self.now += after
        self.standing.tick(self.now)
        return self.peers[0].member in self.steady

    def _taken(self, member: Member, handed: int) -> Taken:
        assert handed == member.sent_bytes + member.spoken_bytes
        self.asked.append(member.id)
        return self.peers[member.id].taken()


@pytest.mark.parametrize("tells", [True, False])
def test_who_acknowledges_what_it_was_sent_before_becomes_steady(tells: bool) -> None:
    watched = Watched()
    (peer,) = watched.peers
    peer.tells = tells
    found = []
    for _ in range(4):
        peer.take(MUCH, acknowledged=MUCH)
        peer.take(500, acknowledged=0)  # it is on the way
        found.append(watched.look())
        peer.take(0, acknowledged=500)

    assert found == [False, False, True, True]


def test_it_is_told_once_who_has_become_steady_and_again_after_it_was_not() -> None:
    watched = Watched()
    (peer,) = watched.peers
    told, late = [], 0
    for reads in (True, True, True, True, False, False, True, True, True):
        peer.take(MUCH, acknowledged=(late + MUCH) * reads)
        late = 0 if reads else late + MUCH
        watched.look()
        told.append(len(watched.told))

    assert told == [0, 0, 1, 1, 1, 1, 1, 2, 2]
    assert watched.told == [peer.member] * 2


def test_who_has_only_buffers_does_not() -> None:
    watched = Watched()
    (peer,) = watched.peers
    peer.tells = False
    found = []
    for acknowledged in (1000, 500, 0, 0, 0):  # its own buffer is full, and then fills ours
        peer.take(1000, acknowledged)
        found.append(watched.look())

    assert found == [False] * 5


@pytest.mark.parametrize("given", [0, GIVEN_BYTES])
def test_whose_program_reads_nothing_does_not_however_slowly_its_buffer_is_filled(
    given: int,
) -> None:
    watched = Watched()
    (peer,) = watched.peers
    peer.take(1000, acknowledged=1000, read=0)
    found = [watched.look()]
    peer.take(GIVEN_BYTES, acknowledged=GIVEN_BYTES, read=given)  # its host gives it what all get
    for _ in range(3 * KEPT_UP_LONG):
        found.append(watched.look())
        peer.take(1000, acknowledged=1000, read=0)

    assert not any(found)


def test_who_has_just_come_is_looked_at_soon_again_and_steady_before_long() -> None:
    watched = Watched()
    (peer,) = watched.peers
    found = []
    peer.take(MUCH, acknowledged=MUCH)
    watched.look()
    for _ in range(3):
        peer.take(MUCH // 2, acknowledged=MUCH // 2)
        found.append(watched.look(SOON_NS))

    assert found == [False, True, True]
    assert len(watched.asked) == 3, "then a second is soon enough"


@pytest.mark.parametrize("tells", [True, False])
def test_who_does_not_read_or_tell_is_looked_at_each_second(tells: bool) -> None:
    watched = Watched()
    (peer,) = watched.peers
    peer.tells = tells
    peer.take(MUCH, acknowledged=MUCH)
    watched.look()
    for _ in range(8):
        peer.take(MUCH, acknowledged=MUCH, read=0)
        watched.look(SOON_NS)
    for after in (APART_NS, SOON_NS):  # from then on it does read
        peer.take(MUCH, acknowledged=MUCH)
        watched.look(after)

    assert len(watched.asked) == 4


def test_looks_soon_after_each_other_do_not_stand_for_a_long_time() -> None:
    """One that is sent little is still not trusted before its host's gift must have been used."""
    watched = Watched()
    (peer,) = watched.peers
    found = []
    peer.take(1000, acknowledged=1000)
    watched.look()
    for _ in range(KEPT_UP_LONG * APART_NS // SOON_NS):
        peer.take(1000, acknowledged=1000)
        found.append(watched.look(SOON_NS))

    assert found == [False] * (len(found) - 1) + [True]


def test_who_has_just_come_does_not_keep_others_from_being_looked_at() -> None:
    watched = Watched(3 * LOOKS_PER_TICK)
    for _ in range(4):
        for peer in watched.peers:
            peer.take(10, acknowledged=10)
        watched.look()
    watched.asked.clear()
    watched.adopt(late := FakePeer(3 * LOOKS_PER_TICK))
    watched.peers.append(late)
    late.take(10, acknowledged=10)
    for _ in range(APART_NS // SOON_NS):
        for peer in watched.peers[:-1]:
            peer.take(10, acknowledged=10)
        watched.look(SOON_NS)

    assert late.member.id in watched.asked
    assert len(watched.asked) <= APART_NS // SOON_NS * LOOKS_PER_TICK


def test_who_is_sent_little_is_steady_after_many_looks() -> None:
    watched = Watched()
    (peer,) = watched.peers
    found = []
    for _ in range(KEPT_UP_LONG + 2):
        peer.take(1000, acknowledged=1000)
        found.append(watched.look())

    assert KEPT_UP_MIN < KEPT_UP_LONG
    assert found == [False] * KEPT_UP_LONG + [True] * 2


def test_who_is_told_of_what_was_read_in_steps_stays_steady() -> None:
    watched = Watched()
    (peer,) = watched.peers
    for _ in range(3):
        peer.take(MUCH, acknowledged=MUCH)
        watched.look()
    found = []
    for read in (MUCH // 4, 2 * MUCH, MUCH // 4):
        peer.take(MUCH, acknowledged=MUCH, read=read)
        found.append(watched.look())

    assert all(found)


@pytest.mark.parametrize("how", ["takes nothing", "acknowledges nothing", "reads nothing"])
def test_who_takes_or_reads_no_more_is_not_steady_any_longer(how: str) -> None:
    watched = Watched()
    (peer,) = watched.peers
    for _ in range(3):
        peer.take(MUCH, acknowledged=MUCH)
        watched.look()
    if how == "takes nothing":
        peer.member.become(type(peer.member.state).BLOCKED)
    elif how == "acknowledges nothing":
        peer.take(1000, acknowledged=0)
        assert watched.look(), "at the first look it may be on the way yet"
        peer.take(1000, acknowledged=0)
    else:
        peer.take(MUCH, acknowledged=MUCH, read=MUCH // 5)

    assert not watched.look()


def test_who_is_sent_nothing_stays_what_it_was_and_costs_no_system_call() -> None:
    watched = Watched()
    assert not any(watched.look() for _ in range(3))
    for _ in range(3):
        watched.peers[0].take(MUCH, acknowledged=MUCH)
        watched.look()
    asked = len(watched.asked)

    assert all(watched.look() for _ in range(3))
    assert len(watched.asked) == asked == 3


def test_all_are_looked_at_in_turn_some_in_each_tick() -> None:
    watched = Watched(LOOKS_PER_TICK + 10)
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
        peer.take(MUCH, acknowledged=MUCH)
        watched.look()
    assert watched.steady

    watched.standing.forget(peer)

    assert not watched.steady
    assert not watched.look()
