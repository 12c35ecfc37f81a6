"""The door: who is let in, and what is told and counted if that cannot be."""

from __future__ import annotations

import errno
import select
import socket
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from fanout.events import Event, EventKind
from fanout.ingress import door as doors
from fanout.ingress.admission import Admission
from fanout.ingress.door import PAUSE, Door
from fanout.ingress.poller import Poller
from fanout.ingress.sources import Source
from fanout.ingress.terms import Terms
from fanout.reasons import Reason
from fanout.send.topics import TopicTable
from fanout.shm.doorbell import Doorbell
from fanout.terms.addresses import REFUSED_HELD
from fanout.terms.places import Places, limits_of
from fanout.transport.accept_queue import accept_queue
from fanout.transport.accepting import ExhaustedError
from fanout.transport.opening import open_listener
from tests.helpers.waiting import wait_until
from tests.unit.transport.test_held import is_open

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.transport.listener import Listener

TERMS = Terms(
    numbered=False, limit=1 << 20, count_limit=100, handshake_timeout=30.0, max_command_bytes=1024
)


class Doorway:
    """A door with one endpoint, whose queue has one place."""

    def __init__(self, listener: Listener) -> None:
        table = TopicTable(100)
        places = Places(limits_of(10, 0, 2, 500.0), "producers", "max_producers")
        self.source = Source(listener, Admission(table, table.intern, None), places)
        self.events: list[Event] = []
        self._room = Doorbell()
        self._poller = Poller(self._room)
        self.door = Door(self._poller, TERMS, 1 << 20, self.events.append)
        self.door.open(self.source)
        self._peers: list[socket.socket] = []

    def connect(self) -> socket.socket:
        """Somebody waits to be accepted."""
        peer = socket.socket()
        self._peers.append(peer)
        peer.connect(self.source.listener.socket.getsockname())
        return peer

    def look(self, now: float = 0.0) -> None:
        """Accept who waits."""
        self.door.look(self.source.listener.socket.fileno(), select.EPOLLIN, now)

    def waits_to_accept(self) -> bool:
        """Whether somebody who waits would be noticed."""
        listening = self.source.listener.socket.fileno()
        return any(descriptor == listening for descriptor, _ in self._poller.wait(0.0)[0])

    def close(self) -> None:
        self.door.close()
        self._poller.close()
        self._room.close()
        for peer in self._peers:
            peer.close()


@pytest.fixture
def doorway() -> Iterator[Doorway]:
    with closing(Doorway(open_listener("tcp://127.0.0.1:*", 1))) as made:
        yield made


def test_a_queue_that_is_full_is_told_of_and_counted_and_all_are_accepted(doorway: Doorway) -> None:
    doorway.connect()
    doorway.look()
    assert (doorway.events, doorway.source.accept_queue_full) == ([], 0)
    for _ in range(2):
        doorway.connect()
    listening = doorway.source.listener.socket
    wait_until(lambda: (accept_queue(listening) or (0,))[0] == 2, "both wait")
    doorway.look()

    (told,) = doorway.events
    assert (told.kind, told.reason[:22]) == (EventKind.ACCEPT_QUEUE_FULL, "producers: 2 connectio")
    figures = doorway.source.statistics()
    assert (figures.accept_queue_full, figures.accept_pauses, figures.accepted) == (1, 0, 3)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM])
def test_who_finds_no_room_waits_for_the_end_of_a_pause(
    doorway: Doorway, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse() -> Any:
        raise OSError(number, "there is none")

    doorway.connect()
    wait_until(doorway.waits_to_accept, "somebody waits")
    listener = doorway.source.listener
    refusing = SimpleNamespace(
        **{name: getattr(listener.socket, name) for name in ("fileno", "getsockopt", "family")},
        accept=refuse,
    )
    with monkeypatch.context() as patch:
        patch.setattr(listener, "socket", refusing)
        doorway.look(100.0)
    (told,) = doorway.events
    assert (told.kind, told.cause) == (EventKind.ACCEPT_PAUSED, Reason.NO_RESOURCES)
    assert told.reason.startswith("producers: there is none")
    assert doorway.source.statistics().accept_pauses == 1
    assert not doorway.waits_to_accept(), "it spins"
    doorway.door.look_at_clock(100.0 + PAUSE)
    assert doorway.waits_to_accept()
    doorway.look(100.0 + PAUSE)
    assert doorway.source.statistics().accepted == 1


def test_where_one_cannot_be_watched_the_others_wait_for_the_end_of_a_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each would be accepted, closed, and back at once."""
    with closing(Doorway(open_listener("tcp://127.0.0.1:*", 8))) as doorway:
        for _ in range(3):
            doorway.connect()
        listening = doorway.source.listener.socket
        watch = doorway._poller.watch

        def refuse_others(descriptor: int, **wanted: bool) -> None:
            if descriptor != listening.fileno():
                raise OSError(errno.ENOSPC, "there is no place")
            watch(descriptor, **wanted)

        with monkeypatch.context() as patch:
            patch.setattr(doorway._poller, "watch", refuse_others)
            doorway.look(100.0)
        figures = doorway.source.statistics()
        assert (figures.accepted, figures.accept_pauses) == (1, 1)
        assert [event.kind for event in doorway.events] == [EventKind.ACCEPT_PAUSED]
        doorway.door.look_at_clock(100.0 + PAUSE)
        doorway.look(100.0 + PAUSE)
        assert doorway.source.statistics().accepted == 3


@pytest.fixture
def crowd(doorway: Doorway, monkeypatch: pytest.MonkeyPatch) -> list[socket.socket]:
    """Three from one address, of which two may be in their handshake, were accepted at 100.0."""
    monkeypatch.setattr(doors, "peer_name", lambda _sock, _address: "203.0.113.7:5")
    peers = []
    for _ in range(3):
        peers.append(doorway.connect())
        wait_until(doorway.waits_to_accept, "it waits")
        doorway.look(100.0)
    return peers


def test_who_is_one_too_many_of_its_address_is_held_a_moment(
    doorway: Doorway, crowd: list[socket.socket]
) -> None:
    (told,) = doorway.events
    assert (told.kind, told.cause) == (EventKind.CONNECTION_REFUSED, Reason.ADDRESS_HALF_OPEN)
    assert told.reason == "203.0.113.7 has 2 in their handshake (max_half_open_per_address)"
    figures = doorway.source.statistics()
    assert (figures.accepted, figures.refused) == (3, 1)
    assert is_open(crowd[2])
    assert doorway.door.until_next(100.0) == REFUSED_HELD
    doorway.door.look_at_clock(100.0 + REFUSED_HELD)
    assert not is_open(crowd[2])


@pytest.mark.usefixtures("crowd")
def test_who_has_left_makes_room_for_others_of_its_address(doorway: Doorway) -> None:
    for connection in list(doorway.door.connections.values()):
        doorway.door.end(connection, Reason.LEFT, "left")
        doorway.door.end(connection, Reason.LEFT, "left")
    doorway.connect()
    wait_until(doorway.waits_to_accept, "it waits")
    doorway.look(100.0)
    assert doorway.source.statistics().refused == 1
    assert len(doorway.door.connections) == 1


def test_who_is_held_leaves_when_descriptors_run_short(
    doorway: Doorway, crowd: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(_listening: socket.socket) -> Any:
        raise ExhaustedError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(doors, "sparing", exhausted)
    doorway.look(100.0)
    assert not is_open(crowd[2])
    assert doorway.source.statistics().accept_pauses == 0, "there are descriptors now"
    doorway.look(100.0)
    assert doorway.source.statistics().accept_pauses == 1
