"""Connections end when their peers have read all, whatever these have said meanwhile."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from fanout.sockets import parting
from fanout.sockets.parting import has_parted, part_with
from fanout.sockets.plug import Plug

if TYPE_CHECKING:
    from collections.abc import Iterator


class Watched:
    """What is waited for."""

    def __init__(self) -> None:
        self.read: list[Plug] = []

    def watch(self, plug: Plug, *, read: bool, write: bool) -> None:
        assert read
        assert not write
        self.read.append(plug)


@pytest.fixture
def ends() -> Iterator[tuple[Plug, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield Plug(ours), theirs


def test_the_end_is_said_and_what_comes_is_thrown_away(ends: tuple[Plug, socket.socket]) -> None:
    plug, theirs = ends
    watched = Watched()
    plug.sock.send(b"last")
    part_with([plug], watched.watch)
    assert (plug.is_parting, watched.read) == (True, [plug])
    theirs.send(b"PONG")
    assert not has_parted(plug)
    assert (theirs.recv(9), theirs.recv(9)) == (b"last", b"")
    theirs.close()
    assert has_parted(plug)


def test_one_that_is_gone_already(ends: tuple[Plug, socket.socket]) -> None:
    plug, theirs = ends
    plug.sock.send(b"unread")
    theirs.close()
    part_with([plug], Watched().watch)
    assert has_parted(plug)


def test_one_that_sends_without_end_takes_no_turn_for_itself(
    ends: tuple[Plug, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parting, "READ_BYTES", 1)
    plug, theirs = ends
    theirs.send(bytes(parting.READS_MAX + 1))
    theirs.close()
    assert not has_parted(plug)
    assert has_parted(plug)
