"""Pressure: while our reports wait, nobody is read from who could give us more to report. Shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.basics.system_calls import is_exhausted

if TYPE_CHECKING:
    import select
    from collections.abc import Callable

    from fanout.control.channel import Channel
    from fanout.workers.surroundings import Loop


class Pressure:
    """Of one worker, on its loop.

    Its mutable state: whether reading rests, whether the loop tells of room in the channel, and
    whether it cannot tell again of who says something.

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
        self._is_short = False  # the loop has no place for the set of those who are read from
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
        if full:
            loop.remove_reader(self._read_set.fileno())
        elif not self._read_again():
            return False
        self.is_on = full
        return not full

    def _read_again(self) -> bool:
        """Have the loop tell of who says something; False if it cannot: then the next turn tries.

        The next is that of a tick at the latest.
        """
        try:
            self._loop.add_reader(self._read_set.fileno(), self._turn)
        except OSError as error:
            if not is_exhausted(error):
                raise
            strain = self._channel.strain
            strain.channel_short += not self._is_short
            self._is_short = True
            return False
        self._is_short = False
        return True
