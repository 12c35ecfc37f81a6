"""Pressure: while our reports wait, nobody is read from who could give us more to report. Shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import select
    from collections.abc import Callable

    from fanout.control.channel import Channel
    from fanout.workers.surroundings import Loop


class Pressure:
    """Of one worker, on its loop.

    Its mutable state: whether reading rests, and whether the loop tells of room in the channel.

    Args:
        read_set: of those who are read from.
        turn: is called when there is something to read, or room again.

    Attributes:
        is_on: reading rests.
    """

    def __init__(
        self, loop: Loop, channel: Channel, read_set: select.epoll, turn: Callable[[], object]
    ) -> None:
        self.is_on = False
        self._waits_for_room = False
        self._loop = loop
        self._channel = channel
        self._read_set = read_set
        self._turn = turn

    def follow(self) -> bool:
        """Read from subscribers only while the coordinator reads our reports, else it wakes us.

        What the system has no memory for is tried again by the next tick: the socket seems to have
        room all the time, and would wake us again and again.

        Returns:
            Whether reading has just begun again.
        """
        channel, loop = self._channel, self._loop
        full = channel.pending > 0
        if full == self.is_on and not full:
            return False
        waits = full and not channel.is_short
        if waits != self._waits_for_room:
            self._waits_for_room = waits
            if waits:
                loop.add_writer(channel.socket, self._turn)
            else:
                loop.remove_writer(channel.socket)
        if full == self.is_on:
            return False
        self.is_on = full
        if full:
            loop.remove_reader(self._read_set.fileno())
        else:
            loop.add_reader(self._read_set.fileno(), self._turn)
        return not full
