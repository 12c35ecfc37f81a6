"""Subscribers that compare each byte with what they must get, whatever happens to the workers.

Message k is made from k alone, so that who wants what can be told without remembering anything.
"""

from __future__ import annotations

import selectors
import socket
from contextlib import suppress
from itertools import count
from math import ceil
from typing import TYPE_CHECKING

from tests.helpers.raw import RawPeer, command, frame
from tests.helpers.reading import ReadsBeside
from tests.helpers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable

TOPICS = (b"T0", b"T1", b"T2", b"T3", b"U0")
SIZES = (16, 200, 30, 1_000, 64, 17, 5_000, 128, 61, 20_000, 16, 300)
FILLER = bytes(range(251)) * 300
READ_BYTES = 1 << 18
COMMAND = 4


def message(number: int) -> tuple[bytes, bytes]:
    """Topic and payload of a message; neighbours differ in every byte."""
    begin = number * 7 % 251
    size = SIZES[number % len(SIZES)]
    return TOPICS[number % len(TOPICS)], number.to_bytes(8, "big") + FILLER[begin : begin + size]


def _ping(number: int) -> bytes:
    """A PING with this context."""
    return command(b"PING", b"\0\0%08d" % number)


PING_BYTES = len(_ping(0))


def wire(number: int) -> bytes:
    """The same as it is on the wire."""
    topic, payload = message(number)
    return frame(topic, 1) + frame(payload)


class Checked:
    """One subscriber, and where in its stream it is.

    Attributes:
        number: the next message that it must get.
        wrong: what was wrong with what it got; empty = nothing.
        pings, asked: PINGs that it has sent, and those of them that it has sent whole.
        pongs: answers to these, which came in order.
        may_end: its connection may be closed, in the middle of anything; what came is checked.
        has_ended: whether it was.
    """

    def __init__(self, endpoint: str, prefix: bytes, receive_buffer: int = 0) -> None:
        peer = RawPeer.version_3(endpoint, prefix, receive_buffer=receive_buffer)
        self.socket: socket.socket = peer.socket
        self.prefix = prefix
        self.pings = self.asked = self.pongs = 0
        self.may_end = endpoint.startswith("ipc://")
        self.has_ended = False
        self._hurries = False
        self._may_fail = [OSError] if self.may_end else []
        self._unsaid = b""
        self.wrong = ""
        self._numbers = (n for n in count() if message(n)[0].startswith(prefix))
        self.number = next(self._numbers)
        self._rest = wire(self.number)
        self._command = b""

    def ping(self, cut: int = 0) -> None:
        """Ask for a sign of life, with a running number, and say what was left of the one before.

        Args:
            cut: so many bytes of it are left for later.
        """
        if self.has_ended:
            return
        self.pings += 1
        self._unsaid += _ping(self.pings)
        self._say(len(self._unsaid) - cut)

    def say_the_rest(self) -> None:
        """Say what is left of its last questions, as soon as there is room for it."""
        wait_until(lambda: self._say(len(self._unsaid)) or self.has_ended, "room for what it says")

    def _say(self, count: int) -> bool:
        """Say so many bytes of what is left to be said, or what there is room for; if all is said.

        The kernel has none at times, also for a few bytes: when TCP may take no more on a machine.
        """
        said = 0
        with suppress(BlockingIOError, *self._may_fail):
            said = self.socket.send(self._unsaid[:count]) if count > 0 else 0
        self._unsaid = self._unsaid[said:]
        self.asked = self.pings - ceil(len(self._unsaid) / PING_BYTES)
        return not self._unsaid

    def hurry(self) -> None:
        """Read what is left as fast as it can be sent.

        The sender's buffer holds one segment of the loopback interface, for whose acknowledgement
        it waits, and the receiver's kernel puts that off for 40 ms each time.
        """
        self._hurries = self.socket.family != socket.AF_UNIX

    def has_all(self, published: int) -> bool:
        """Whether it has got all of so many messages that it wants, and all answers."""
        return self.has_ended or (self.number >= published and self.pongs == self.asked)

    def read(self) -> None:
        """Take what is there, and compare it."""
        try:
            if self._hurries:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            data = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(f"broken: {error}")
            return
        if not data:
            self._end("closed")
        self._check(data)

    def _end(self, how: str) -> None:
        self.has_ended = True
        if not self.may_end:
            self.wrong = how

    def _check(self, data: bytes) -> None:
        at = 0
        is_between = len(self._rest) == len(wire(self.number))
        while at < len(data) and not self.wrong:
            if self._command or (is_between and data[at] == COMMAND):
                at = self._take_command(data, at)
                continue
            size = min(len(self._rest), len(data) - at)
            if data[at : at + size] != self._rest[:size]:
                got, wanted = data[at : at + 40], self._rest[:40]
                self.wrong = f"in message {self.number}: {got!r}, not {wanted!r}"
                return
            at += size
            self._rest = self._rest[size:]
            is_between = not self._rest
            if is_between:
                self.number = next(self._numbers)
                self._rest = wire(self.number)

    def _take_command(self, data: bytes, at: int) -> int:
        expected = command(b"PONG", b"%08d" % (self.pongs + 1))
        size = min(len(expected) - len(self._command), len(data) - at)
        self._command += data[at : at + size]
        if not expected.startswith(self._command):
            self.wrong = f"a command {self._command!r}, not {expected!r}"
        elif self._command == expected:
            self.pongs += 1
            self._command = b""
        return at + size


class Audience(ReadsBeside):
    """Reads for all of them."""

    def __init__(self, subscribers: Iterable[Checked]) -> None:
        super().__init__()
        self.subscribers = list(subscribers)
        self._selector = selectors.DefaultSelector()
        for one in self.subscribers:
            one.socket.setblocking(False)
            self._selector.register(one.socket, selectors.EVENT_READ, one)

    @property
    def wrong(self) -> list[str]:
        """What was wrong with whom."""
        return [f"{one.prefix!r}: {one.wrong}" for one in self.subscribers if one.wrong]

    def wait_for(self, published: int) -> None:
        """Until all have got everything, or something is wrong; nothing is published any more."""
        for one in self.subscribers:
            one.hurry()
        wait_until(
            lambda: self.wrong != [] or all(one.has_all(published) for one in self.subscribers),
            "that everybody has everything",
        )

    def read(self) -> None:
        while not self.is_over:
            for key, _ in self._selector.select(0.05):
                one: Checked = key.data
                one.read()
                if one.wrong or one.has_ended:
                    self._selector.unregister(one.socket)

    def stop(self) -> None:
        """It looks by itself."""

    def close(self) -> None:
        self._selector.close()
        for one in self.subscribers:
            one.socket.close()
