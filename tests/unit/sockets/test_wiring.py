"""The descriptors of a socket, with a clock of the test's own."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from fanout.sockets.core import Core
from fanout.sockets.limits import Limits
from fanout.sockets.peer import Peer
from fanout.sockets.pipeline import Pull, Push
from fanout.sockets.plug import Plug
from fanout.sockets.problems import ProblemKind, Problems
from fanout.sockets.wiring import Wiring
from fanout.subscriber.backoff import BackOff
from fanout.transport.endpoints import parse_endpoint
from fanout.transport.opening import open_listener
from fanout.zmtp import commands, encode_message
from fanout.zmtp.metadata import ready
from tests.unit.zmtp.wire import GREETING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.sockets.dial import Dial


class Watching:
    """Remembers what is waited for."""

    def __init__(self) -> None:
        self.reads: dict[Plug, bool] = {}
        self.is_full = False  # no place is left for one more, as the system says of event loops

    def watch(self, plug: Plug, *, read: bool, write: bool) -> None:
        if self.is_full and (read or write) and not self.reads.get(plug):
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        self.reads[plug] = read

    def forget(self, plug: Plug) -> None:
        self.reads.pop(plug, None)

    def resolve(self, dial: Dial, host: str, port: int) -> None:
        raise AssertionError("nothing is connected to")


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    yield ours, theirs
    ours.close()
    theirs.close()


def test_who_is_not_read_for_want_of_room_is_not_silent(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    """It had said that it is to be given up after a second without a word of it."""
    ours, theirs = ends
    limits = Limits(inbox_messages=1)
    role = Pull(limits, Problems())
    core = Core(role, limits, Problems(), lambda: BackOff(lambda: 0.5))
    watching = Watching()
    wiring = Wiring(core, watching)
    peer = core.accepted("peer", 0.0)
    assert isinstance(peer, Peer)
    plug = Plug(ours, peer=peer)
    wiring._open(plug, 0.0)
    theirs.sendall(GREETING + ready(b"PUSH") + commands.ping(b"", 10) + encode_message([b"x"]))
    wiring.ready(plug, 0.0, read=True, write=False)
    assert watching.reads[plug] is False
    for now in range(1, 60):
        wiring.turn(float(now))
    assert core.ready == 1
    role.try_recv()
    wiring.turn(60.5)
    assert watching.reads[plug] is True
    wiring.turn(61.4)
    assert core.ready == 1
    wiring.turn(62.5)
    assert core.ready == 0


def test_who_is_pushed_to_and_reads_nothing_is_not_lost(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    core = Core(Push(Limits(), Problems()), Limits(), Problems(), lambda: BackOff(lambda: 0.5))
    wiring = Wiring(core, Watching())
    wiring._adopt(ours, "", 0.0)
    theirs.send(GREETING + ready(b"PULL") + commands.pong(b""))
    (plug,) = wiring._plugs.values()
    wiring.ready(plug, 0.0, read=True, write=False)
    assert core.ready == 1
    for now in range(1, 100):
        wiring.turn(float(now))
    assert core.ready == 1


def test_a_role_has_its_turn_when_it_wants_one_by_the_clock(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _ = ends
    role = Pull(Limits(), Problems())
    wiring = Wiring(Core(role, Limits(), Problems(), lambda: BackOff(lambda: 0.5)), Watching())
    wiring._adopt(ours, "", 0.0)
    wiring.turn(0.0)
    assert wiring.next_at() == 1.0
    monkeypatch.setattr(role, "next_at", lambda: 0.25)
    assert wiring.next_at() == 0.25
    monkeypatch.setattr(role, "next_at", lambda: 7.0)
    assert wiring.next_at() == 1.0


UNWATCHED = "its socket cannot be watched: Cannot allocate memory"


def test_who_cannot_be_watched_is_lost_and_nobody_else(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    """One who has just come, and one whose reading was paused."""
    ours, theirs = ends
    problems, watching = Problems(), Watching()
    limits = Limits(inbox_messages=1)
    role = Pull(limits, problems)
    core = Core(role, limits, problems, lambda: BackOff(lambda: 0.5))
    wiring = Wiring(core, watching)
    wiring._adopt(ours, "first", 0.0)
    theirs.sendall(GREETING + ready(b"PUSH") + encode_message([b"x"]))
    (plug,) = wiring._plugs.values()
    wiring.ready(plug, 0.0, read=True, write=False)
    assert watching.reads[plug] is False
    watching.is_full = True
    newcomer, other = socket.socketpair()
    with other:
        wiring._adopt(newcomer, "second", 0.0)
        assert [(one.kind, one.text) for one in problems.take()] == [(ProblemKind.LOST, UNWATCHED)]
        assert newcomer.fileno() == -1, "it is closed"
    assert core.ready == 1
    role.try_recv()
    wiring.turn(1.0)
    assert [(one.kind, one.text) for one in problems.take()] == [(ProblemKind.LOST, UNWATCHED)]
    assert core.ready == 0


def test_a_listener_that_cannot_be_watched_is_tried_again() -> None:
    problems, watching = Problems(), Watching()
    core = Core(Pull(Limits(), problems), Limits(), problems, lambda: BackOff(lambda: 0.5))
    wiring = Wiring(core, watching)
    watching.is_full = True
    with closing(open_listener("ipc://*", 8)) as listener:
        wiring.listen(listener)
        for now in (0.0, 0.5, 1.5):
            wiring.turn(now)
        told = [(one.kind, one.text) for one in problems.take()]
        assert told == [(ProblemKind.REFUSED, f"cannot accept: {UNWATCHED}")] * 2
        watching.is_full = False
        wiring.turn(3.0)
        assert list(watching.reads.values()) == [True]
        wiring.stop_listening()


@pytest.mark.parametrize("is_full", [False, True])
def test_what_connects_and_cannot_be_watched_has_failed(is_full: bool) -> None:
    """Of several addresses each is tried."""
    problems, watching = Problems(), Watching()
    core = Core(Push(Limits(), problems), Limits(), problems, lambda: BackOff(lambda: 0.5))
    wiring = Wiring(core, watching)
    watching.is_full = is_full
    with closing(open_listener("ipc://*", 8)) as listener:
        core.connect(parse_endpoint(listener.endpoint))
        wiring.turn(0.0)
        told = [(one.kind, one.text) for one in problems.take()]
        assert told == [(ProblemKind.FAILED, UNWATCHED)] * is_full
        assert len(watching.reads) == 1 - is_full
        wiring.close(0.0)
