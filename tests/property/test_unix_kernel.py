"""The model of Unix sockets that the simulation runs on does as the kernel does.

As with TCP: both take the same steps, and how much a send takes is what the kernel takes.
"""

from __future__ import annotations

import os
import select
import socket
import termios
from contextlib import closing
from random import Random

import pytest

from tests.property.kernel_pair import KernelPair, asked, outcome
from tests.simulation.unix_kernel import SO_PEEK_OFF, UnixConnection

STEPS = 120
WATCHED = select.POLLIN | select.POLLRDHUP
EVENTS = WATCHED | select.POLLHUP | select.POLLERR


class Pair(KernelPair):
    """A pair of Unix sockets, and the model of our end of it."""

    model: UnixConnection
    receive_flags = (0, socket.MSG_PEEK, socket.MSG_PEEK)

    def __init__(self, rng: Random) -> None:
        ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        super().__init__(rng, *ends, UnixConnection())

    # What is done to both.

    def throw_away(self) -> None:
        if self.model.inq:
            size = self._rng.randint(1, self.model.inq)
            real = outcome(self.ours.recv_into, bytearray(size), size, socket.MSG_TRUNC)
            mine = outcome(self.model.recv, size, socket.MSG_TRUNC)
            self._agree(real, len(mine), f"throw away {size}")

    def look_from_start(self) -> None:
        for end in (self.ours, self.model):
            end.setsockopt(socket.SOL_SOCKET, SO_PEEK_OFF, 0)
        self.steps.append("look from the start")

    def wait_for_more(self) -> None:
        for end in (self.ours, self.model):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 2_000)
        self.steps.append("wait for more")

    def be_read(self) -> None:
        size = self._rng.choice((1, 100, 10_000))
        real = outcome(self.theirs.recv, size)
        if isinstance(real, bytes):
            self._agree(real, self.model.read(len(real)), f"be read {len(real)}")

    def end(self) -> None:
        how = self._rng.choice((socket.SHUT_WR, socket.SHUT_RDWR))
        real = outcome(self.ours.shutdown, how)
        self._agree(real, outcome(self.model.shutdown, how), f"end {how}")

    def be_left(self) -> None:
        self.theirs.shutdown(socket.SHUT_WR)
        self.model.end()
        self.steps.append("be left")

    def be_closed(self) -> None:
        self.theirs.close()
        self.model.reset()
        self.steps.append("be closed")

    # That both are the same.

    def require_the_same(self) -> None:
        """What can be asked, after each step; there is no network to wait for."""
        look = select.poll()
        look.register(self.ours, WATCHED)
        seen = dict(look.poll(0)).get(self.ours.fileno(), 0)
        off = self.ours.getsockopt(socket.SOL_SOCKET, SO_PEEK_OFF)
        real = seen, asked(self.ours, termios.FIONREAD), off
        model = self.model
        mine = model.events & EVENTS, model.ioctl(termios.FIONREAD), model.peek_off
        assert mine == real, self.steps
        memory = asked(self.ours, termios.TIOCOUTQ)
        assert (memory > 0) == (model.outq > 0), self.steps
        assert memory >= len(model.arrived) or not model.outq, self.steps


@pytest.mark.parametrize("seed", range(60))
def test_the_model_counts_what_is_looked_at_as_the_kernel_does(seed: int) -> None:
    rng = Random(seed)
    with closing(Pair(rng)) as pair:
        last = ((), (pair.end,), (pair.be_left,), (pair.be_left, pair.end), (pair.be_closed,))
        usual = (pair.send, pair.receive, pair.throw_away, pair.be_told, pair.be_read)
        others = (pair.look_from_start, pair.wait_for_more)
        steps = [*rng.choices((*usual, *usual, *others), k=STEPS), *rng.choice(last)]
        for step in steps:
            step()
            pair.require_the_same()

        for _ in range(6):  # what is left to be read, and that it is over
            pair.receive()
            pair.send()


@pytest.mark.parametrize("modifies", [False, True], ids=["edges", "watched anew"])
def test_an_edge_is_that_more_has_come(modifies: bool) -> None:
    """As the model has it: `in_events`, and that all is new once it is watched anew."""
    watched = select.EPOLLIN | select.EPOLLET
    with closing(Pair(Random(1))) as pair, select.epoll() as by:
        by.register(pair.ours, watched)
        seen: list[tuple[bool, ...]] = []
        for _ in range(3):
            before = pair.model.in_events
            pair.be_told()
            assert pair.model.in_events == before + 1
            seen.append((bool(by.poll(0)), bool(by.poll(0))))
            if modifies:
                by.modify(pair.ours, watched)
                seen[-1] = *seen[-1], bool(by.poll(0))

    assert seen == [(True, False, True) if modifies else (True, False)] * 3


def test_what_a_process_has_looked_at_is_known_when_it_is_dead() -> None:
    with closing(Pair(Random(1))) as pair:
        pair.look_from_start()
        pair.theirs.send(b"abcdef")
        child = os.fork()
        if not child:
            pair.ours.recv(4, socket.MSG_PEEK)
            pair.ours.recv(1)
            os._exit(0)
        assert os.waitpid(child, 0) == (child, 0)

        pair.model.say(b"abcdef")
        pair.model.recv(4, socket.MSG_PEEK)
        pair.model.recv(1)
        pair.require_the_same()
        assert pair.model.peek_off == 3
