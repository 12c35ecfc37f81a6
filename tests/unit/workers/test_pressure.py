"""Pressure: nobody is read from while our reports wait, and nothing turns in a circle meanwhile."""

from __future__ import annotations

import errno
import select
from types import SimpleNamespace
from typing import Any, cast

from fanout.control.channel import Strain
from fanout.workers.pressure import Pressure

SOCKET = "the channel's socket"


class Loop:
    """Notes what is watched."""

    def __init__(self) -> None:
        self.read: set[object] = set()
        self.written: set[object] = set()
        self.is_full = False

    def add_reader(self, fd: object, _callback: object) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "none")
        self.read.add(fd)

    def remove_reader(self, fd: object) -> None:
        self.read.remove(fd)

    def add_writer(self, fd: object, _callback: object) -> None:
        self.written.add(fd)

    def remove_writer(self, fd: object) -> None:
        self.written.remove(fd)


class Case:
    def __init__(self) -> None:
        self.loop = Loop()
        self.channel = SimpleNamespace(pending=0, is_short=False, socket=SOCKET, strain=Strain())
        self.readers = select.epoll()
        self.loop.read.add(self.readers.fileno())
        channel = cast("Any", self.channel)
        self.pressure = Pressure(cast("Any", self.loop), channel, self.readers, lambda: None)

    def follow(self, pending: int, *, short: bool = False) -> bool:
        self.channel.pending, self.channel.is_short = pending, short
        return self.pressure.follow()

    def reads_and_waits(self) -> tuple[bool, bool]:
        """Whether others are read from, and whether it is told of room in the channel."""
        return self.readers.fileno() in self.loop.read, SOCKET in self.loop.written


def test_reading_rests_until_all_is_reported() -> None:
    case = Case()
    assert not case.follow(0)
    assert (case.reads_and_waits(), case.pressure.is_on) == ((True, False), False)
    assert not case.follow(3)
    assert (case.reads_and_waits(), case.pressure.is_on) == ((False, True), True)
    assert not case.follow(1)
    assert case.follow(0), "who was held is looked at"
    assert (case.reads_and_waits(), case.pressure.is_on) == ((True, False), False)


def test_room_in_the_socket_says_nothing_while_the_system_has_no_memory() -> None:
    """The loop would call again at once, and for ever: a spin."""
    case = Case()
    case.follow(2, short=True)
    assert case.reads_and_waits() == (False, False)
    case.follow(2)
    assert case.reads_and_waits() == (False, True), "now the other side does not read"
    case.follow(2, short=True)
    assert case.reads_and_waits() == (False, False)
    assert case.follow(0)
    assert case.reads_and_waits() == (True, False)


def test_reading_goes_on_resting_while_the_system_watches_nothing_more() -> None:
    case = Case()
    case.follow(1)
    case.loop.is_full = True
    assert [case.follow(0), case.follow(0)] == [False, False]
    assert case.pressure.is_on
    assert case.channel.strain.channel_short == 1, "it is told of once"
    case.loop.is_full = False
    assert case.follow(0)
    assert (case.reads_and_waits(), case.pressure.is_on) == ((True, False), False)
