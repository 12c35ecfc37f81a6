"""Who is refused for its address is held a moment, and makes room when descriptors run short."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from fanout.sockets import entrance as entrances
from fanout.sockets import wiring as wirings
from fanout.sockets.core import Core
from fanout.sockets.limits import Limits
from fanout.sockets.pipeline import Pull
from fanout.sockets.problems import ProblemKind, Problems
from fanout.sockets.wiring import Wiring
from fanout.subscriber.backoff import BackOff
from fanout.terms.addresses import REFUSED_HELD
from fanout.transport.accepting import ExhaustedError
from fanout.transport.opening import open_listener
from tests.unit.sockets.test_wiring import Watching
from tests.unit.transport.test_held import is_open

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = "203.0.113.7"


class Hall:
    """A PULL socket that lets one of each address in, which listens."""

    def __init__(self) -> None:
        self.problems = Problems()
        limits = Limits(max_connections_per_address=1)
        role = Pull(limits, self.problems)
        self.core = Core(role, limits, self.problems, lambda: BackOff(lambda: 0.5))
        self.watching = Watching()
        self.wiring = Wiring(self.core, self.watching)
        self.listener = open_listener("ipc://*", 8)
        self.wiring.listen(self.listener)
        self.wiring.turn(0.0)
        self._peers: list[socket.socket] = []

    def connect(self) -> socket.socket:
        """Somebody waits to be accepted."""
        peer = socket.socket(socket.AF_UNIX)
        self._peers.append(peer)
        peer.connect(self.listener.socket.getsockname())
        return peer

    def accept(self, now: float) -> None:
        """Accept who waits."""
        (plug,) = [one for one in self.watching.reads if one.listener is self.listener]
        self.wiring.ready(plug, now, read=True, write=False)

    def told(self) -> list[str]:
        """Who was refused, and why, since it was asked last."""
        return [one.text for one in self.problems.take() if one.kind is ProblemKind.REFUSED]

    def close(self) -> None:
        self.wiring.close(9.0)
        for peer in self._peers:
            peer.close()


@pytest.fixture
def hall(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hall]:
    monkeypatch.setattr(wirings, "peer_name", lambda _sock, _address: f"{HERE}:5")
    with closing(Hall()) as made:
        yield made


def test_who_is_one_too_many_of_its_address_is_held_a_moment(hall: Hall) -> None:
    first, second = hall.connect(), hall.connect()
    hall.accept(1.0)
    assert hall.told() == [f"{HERE} has 1 connections (max_connections_per_address)"]
    hall.wiring.turn(1.0)
    assert first.recv(1) == b"\xff", "it is greeted"
    assert is_open(second)
    due = hall.wiring.next_at()
    assert due is not None
    assert due <= 1.0 + REFUSED_HELD
    hall.wiring.turn(1.0 + REFUSED_HELD)
    assert not is_open(second)


def test_who_has_left_makes_room(hall: Hall) -> None:
    first = hall.connect()
    hall.accept(1.0)
    first.close()
    (plug,) = hall.wiring._plugs.values()
    hall.wiring.ready(plug, 1.0, read=True, write=False)
    hall.connect()
    hall.accept(1.0)
    assert hall.told() == []
    assert len(hall.core.peers) == 1


def test_who_is_held_leaves_when_descriptors_run_short(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(_listening: socket.socket) -> Iterator[object]:
        raise ExhaustedError(24, "Too many open files")

    hall.connect()
    second = hall.connect()
    hall.accept(1.0)
    hall.told()
    monkeypatch.setattr(entrances, "sparing", exhausted)
    hall.accept(1.1)
    assert not is_open(second)
    assert hall.told() == [], "there are descriptors now"
    hall.accept(1.1)
    assert hall.told() == ["cannot accept: out of file descriptors; raise the limit (`ulimit -n`)"]


def test_where_one_cannot_be_watched_the_others_wait_for_the_end_of_a_pause(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would be accepted, closed, and back at once: at another endpoint, too."""
    monkeypatch.setattr(wirings, "peer_name", lambda _sock, _address: "ipc:5")
    with closing(open_listener("ipc://*", 8)) as other:
        hall.wiring.listen(other)
        hall.wiring.turn(0.5)
        for _ in range(3):
            hall.connect()
        hall.watching.is_full = True
        hall.accept(1.0)
        lost, paused = hall.problems.take()
        assert lost.kind is ProblemKind.LOST
        assert (paused.kind, paused.text) == (ProblemKind.REFUSED, f"cannot accept: {lost.text}")
        assert list(hall.watching.reads.values()) == [False, False]
        hall.wiring.turn(1.0 + entrances.ACCEPT_PAUSE_S)
        assert [one.kind for one in hall.problems.take()] == [ProblemKind.REFUSED], "told once"
        hall.watching.is_full = False
        hall.wiring.turn(1.0 + 2 * entrances.ACCEPT_PAUSE_S)
        assert list(hall.watching.reads.values()) == [True, True]
        hall.accept(4.0)
        assert len(hall.core.peers) == 2
        assert hall.problems.take() == []
