"""Who is not read for a while: it keeps its place in the set, since there may be none later."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from fanout.control.messages import Adopt
from fanout.options import Options
from fanout.workers.worker import Worker
from tests.helpers.around import Around
from tests.helpers.log import SMALL
from tests.helpers.patient import PatientSet
from tests.helpers.refusing import refusing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.workers.connections.peer import Peer


class Spared:
    """A worker with one peer, which is spared until a time."""

    def __init__(self) -> None:
        self.around = Around(SMALL)
        self.sets = PatientSet(), PatientSet()
        with mock.patch.object(self.around, "poll_set", side_effect=self.sets):
            self.worker = Worker(Options(), self.around)
        ours, self.far = socket.socketpair()
        ours.setblocking(False)
        self.around.sockets[ours.fileno()] = ours
        self.worker.desk.adopt(Adopt(7, 3, "zmtp"), [ours.fileno()])
        self.readable: Any = self.worker.reads._readable
        self.readable.spare(self.peer, 1_000)

    @property
    def peer(self) -> Peer:
        return self.worker.desk.peers[7]

    def close(self) -> None:
        for peer in self.worker.desk.peers.values():
            peer.socket.close()
        for one in self.sets:
            one.close()
        self.far.close()
        self.around.close()


@pytest.fixture
def spared() -> Iterator[Spared]:
    one = Spared()
    yield one
    one.close()


def test_one_that_was_spared_is_read_again_though_the_system_watches_nothing_more(
    spared: Spared,
) -> None:
    spared.far.send(b"said meanwhile")
    assert not spared.readable.poll()
    assert not spared.readable.polled
    with mock.patch.object(spared.sets[1], "register", side_effect=refusing(errno.ENOSPC)):
        spared.readable.read_spared(1_000)
    spared.readable.poll()

    assert [*spared.readable.polled] == [spared.peer]
    assert not spared.readable.spared


def test_of_one_that_is_spared_and_over_the_set_tells_once_and_it_is_not_read(
    spared: Spared,
) -> None:
    spared.far.close()
    told = [spared.readable.set.poll(0) for _ in range(2)]
    assert [len(one) for one in told] == [1, 0], "it would have turns for nothing, without end"
    spared.peer.inbox.listen()
    spared.peer.inbox.mute()
    spared.readable.poll()
    assert not spared.readable.polled

    spared.readable.read_spared(1_000)
    spared.readable.poll()
    assert [*spared.readable.polled] == [spared.peer]


def test_one_that_is_closed_while_it_is_spared_has_left_both_sets(spared: Spared) -> None:
    """Its descriptor is one of several of its connection, which stays in a set while any does."""
    other = spared.peer.socket.dup()
    with other:
        spared.worker.desk.let_go(spared.peer)
        spared.far.send(b"for who goes on with it")
        spared.far.close()

        assert [one.poll(0) for one in spared.sets] == [[], []]
