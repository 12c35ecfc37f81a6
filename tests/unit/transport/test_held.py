"""Who is refused believes to be connected for a while, and is ended then."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from typing import TYPE_CHECKING

from fanout.transport import held as holding
from fanout.transport.held import HeldBack

if TYPE_CHECKING:
    import pytest


def is_open(peer: socket.socket) -> bool:
    peer.setblocking(False)
    try:
        return bool(peer.recv(1))
    except BlockingIOError:
        return True


def pair(held: HeldBack, until: float) -> socket.socket:
    """One is held until then; returns the other end."""
    ours, theirs = socket.socketpair()
    held.hold(ours.detach(), until)
    return theirs


def test_each_is_ended_at_its_time() -> None:
    held = HeldBack()
    with closing(pair(held, 2.0)) as later, closing(pair(held, 1.0)) as sooner:
        assert (len(held), held.next_at()) == (2, 1.0)
        held.end(0.9)
        assert (is_open(sooner), is_open(later)) == (True, True)
        held.end(1.0)
        assert (is_open(sooner), is_open(later)) == (False, True)
        assert held.next_at() == 2.0
        held.end()
        assert not is_open(later)
        assert (len(held), held.next_at()) == (0, None)


def test_all_make_room_for_who_finds_no_descriptor() -> None:
    held = HeldBack()
    with closing(pair(held, 1.0)) as one, closing(pair(held, 2.0)) as other:
        assert held.make_room()
        assert (is_open(one), is_open(other), len(held)) == (False, False, 0)
        assert not held.make_room(), "that left none: accept nobody for a while"


def test_the_oldest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "HELD_MAX", 2)
    held = HeldBack()
    peers = [pair(held, float(number)) for number in range(3)]
    assert [is_open(one) for one in peers] == [False, True, True]
    held.end()
    for one in peers:
        one.close()


def test_the_connection_ends_for_all_who_have_it() -> None:
    held = HeldBack()
    ours, theirs = socket.socketpair()
    with closing(theirs), closing(ours.dup()) as copy:
        held.hold(ours.detach(), 1.0)
        held.end()
        assert not is_open(theirs)
        assert copy.fileno() >= 0


def test_a_forked_child_closes_its_copies_and_ends_nobody() -> None:
    """Who is held would come back to the parent at once."""
    held = HeldBack()
    with closing(pair(held, 1.0)) as theirs:
        child = os.fork()
        if not child:
            held.end()
            os._exit(len(held))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert is_open(theirs)
        held.end()
        assert not is_open(theirs)


def test_a_forked_child_that_has_closed_some_already_closes_the_others() -> None:
    """As who becomes a daemon closes all that it has inherited."""
    held = HeldBack()
    with closing(pair(held, 1.0)), closing(pair(held, 2.0)):
        first = held._held[0][1]
        child = os.fork()
        if not child:
            left = 1
            try:
                os.close(first)
                held.end()
                left = len(held)
            finally:
                os._exit(left)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        held.end()
