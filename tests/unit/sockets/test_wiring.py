"""The descriptors of a socket, with a clock of the test's own."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from fanout.sockets.core import Core
from fanout.sockets.limits import Limits
from fanout.sockets.pipeline import Pull, Push
from fanout.sockets.plug import Plug
from fanout.sockets.problems import Problems
from fanout.sockets.wiring import Wiring
from fanout.subscriber.backoff import BackOff
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

    def watch(self, plug: Plug, *, read: bool, write: bool) -> None:
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
