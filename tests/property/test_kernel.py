"""The model of the kernel that the simulation runs on does as the kernel does.

Both take the same steps at random. How much a send takes, and when what is acknowledged, is the
kernel's affair: the model is told that, and all that follows from it must be the same.
"""

from __future__ import annotations

import select
import socket
import struct
import termios
from contextlib import closing
from random import Random
from typing import Any

import pytest

from tests.helpers.waiting import wait_until
from tests.property.kernel_pair import KernelPair, asked, outcome
from tests.simulation.kernel import CLOSED, ESTABLISHED, Connection

STEPS = 80
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: a close breaks the connection off


class Pair(KernelPair):
    """A connection of the loopback, and the model of our end of it; theirs has connected."""

    receive_flags = (0, 0, socket.MSG_PEEK)

    def __init__(self, rng: Random) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            theirs = socket.socket()
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rng.choice((2_300, 65_536)))
            theirs.connect(listening.getsockname())
            ours = listening.accept()[0]
        for end in (ours, theirs):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(rng, ours, theirs, Connection())
        self._has_left = False

    # What is done to both.

    def throw_away(self) -> None:
        if self.model.inq:
            size = self._rng.randint(1, self.model.inq)
            mine = outcome(self.model.recv, size, socket.MSG_TRUNC)
            real = outcome(self.ours.recv, size, socket.MSG_TRUNC)
            assert isinstance(mine, bytes)
            assert isinstance(real, bytes)
            self._agree(len(real), len(mine), f"throw away {size}")

    def be_read(self) -> None:
        size = self._rng.choice((1, 100, 10_000))
        real = outcome(self.theirs.recv, size)
        if isinstance(real, bytes) and real:
            wait_until(lambda: self._has_arrived(len(real)), "what was read to be acknowledged")
            self._agree(real, self.model.read(len(real)), f"be read {len(real)}")

    def wait_for_more(self) -> None:
        size = self._rng.choice((1, 1, 5, 2_000))
        for end in (self.ours, self.model):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)
        lowat = self.ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT)
        self._agree(lowat, self.model.lowat, f"wait for {size}")

    def end(self) -> None:
        real = outcome(self.ours.shutdown, socket.SHUT_WR)
        self._agree(real, outcome(self.model.shutdown, socket.SHUT_WR), "end")

    def be_left(self) -> None:
        if not self._has_left:
            self._has_left = True
            self.theirs.shutdown(socket.SHUT_WR)
            self.model.end()
            self.steps.append("be left")

    def be_broken_off(self) -> None:
        self.theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        self.theirs.close()
        self.model.reset()
        self.steps.append("be broken off")

    # That both are the same.

    def _follow(self) -> None:
        """What the kernel has acknowledged is acknowledged."""
        if self.theirs.fileno() >= 0:
            self.theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        acknowledged = self._info()[1] - self.model.acked
        if acknowledged > 0:
            self.model.acknowledge(acknowledged)

    def _has_arrived(self, size: int) -> bool:
        self._follow()
        return len(self.model.arrived) >= size

    def _info(self) -> tuple[int, int, int]:
        info = self.ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232)
        return info[0], *struct.unpack_from("=QQ", info, 120)

    def _seen(self) -> list[Any]:
        """The state of the connection, what is counted, and whether there is something to read."""
        readable = select.select([self.ours], [], [], 0)[0] != []
        counts = asked(self.ours, termios.TIOCOUTQ), asked(self.ours, termios.FIONREAD)
        return [*self._info(), *counts, readable]

    def _expected(self) -> list[Any]:
        model = self.model
        state, acked, received = model.info()[0], *struct.unpack_from("=QQ", model.info(), 120)
        counts = model.ioctl(termios.TIOCOUTQ), model.ioctl(termios.FIONREAD)
        return [state, acked, received, *counts, bool(model.events & select.EPOLLIN)]

    def are_the_same(self) -> bool:
        """Whether both are, as soon as the network has done its work."""
        seen = self._seen()
        self._follow()
        return seen == self._seen() == self._expected()


@pytest.mark.parametrize("seed", range(12))
def test_the_model_counts_as_the_kernel_does(seed: int) -> None:
    rng = Random(seed)
    with closing(Pair(rng)) as pair:
        ends = rng.choice(((), (pair.end,), (pair.be_left,), (pair.be_left, pair.be_broken_off)))
        usual = (pair.send, pair.receive, pair.throw_away, pair.be_told, pair.be_read)
        steps = [*rng.choices((*usual, pair.wait_for_more), k=STEPS), *ends]
        for number, step in enumerate(steps):
            if pair.theirs.fileno() < 0:
                break
            step()
            wait_until(pair.are_the_same, f"{pair._seen()} is {pair._expected()}: {number}")

        for _ in range(4):  # what is left to be read, and that it is over
            pair.receive()
            pair.send()
        assert pair.model.state in (CLOSED, ESTABLISHED) or ends


def test_what_is_read_in_between_may_be_counted_twice_or_not_at_all() -> None:
    """Why it is read until it stays the same: two numbers, one of which moves to the other."""
    connection = Connection()
    connection.send(b"abc")
    before = connection.acked + 0
    connection.acknowledge(2)

    assert before + connection.outq == 1
    assert connection.acked + connection.outq == 3
