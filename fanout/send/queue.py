"""Tasks that wait for room in the log, on an event loop, which may not block for them."""

from __future__ import annotations

import asyncio
import os
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from fanout.send.attempt import NO_SPACE
from fanout.send.path import LOOK, ROOM_POLL
from fanout.send.verbs import no_room
from fanout.terms.arguments import as_timeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.send.attempt import Attempt
    from fanout.send.path import SendPath
    from fanout.send.topics import Subject
    from fanout.statistics import InTheWay


class SendQueue:
    """Appends at once while there is room, else lets tasks wait; belongs to one event loop.

    Tasks are served in their order: as long as one waits, nobody appends before it.

    Args:
        in_the_way: for whom they wait, as far as is known.
        switch: a method of the publisher's, which is told whether tasks wait, when that may have
            changed; it is referred to weakly, for the publisher refers to this.

    Attributes:
        append: that of the path, for what is appended at once; never does while a task waits.
    """

    def __init__(
        self,
        path: SendPath,
        in_the_way: Callable[[], InTheWay | None],
        switch: Callable[[bool], None] | None = None,
    ) -> None:
        self.append: Callable[[bytes, Subject], int] = path.append
        self._switch = None if switch is None else weakref.WeakMethod(switch)
        self._path = path
        self._in_the_way = in_the_way
        self._turn = asyncio.Lock()
        # Of each task that waits what only its call holds: one that is interrupted anywhere, even
        # while it takes itself out again, does not seem to wait for ever.
        self._waiting: weakref.WeakSet[asyncio.Timeout] = weakref.WeakSet()

    async def send(self, attempt: Attempt, timeout: float | None) -> int:
        """Append, and wait for room if there is none; returns the sequence.

        Cancelled, it was sent whole or not at all.

        Raises:
            As `fanout.Publisher.publish()`.
        """
        seconds = as_timeout(timeout)
        if self.append is _others_wait and not self.waits:
            self._tell()  # who waited last was interrupted before it said so
        if self.append is not _others_wait:
            sequence = attempt.append()
            if sequence != NO_SPACE:
                return sequence
        waiting = asyncio.timeout(seconds)
        try:
            self._waiting.add(waiting)
            self._tell()
            async with waiting:
                return await self._send_in_turn(attempt, waiting)
        except TimeoutError:
            if waiting.expired():
                raise no_room(timeout, self._in_the_way()) from None
            raise
        finally:
            self._waiting.discard(waiting)
            self._tell()

    @property
    def waits(self) -> bool:
        """Whether a task waits."""
        return len(self._waiting) > 0

    def _tell(self) -> None:
        """Have others append at once, or wait too."""
        waits = self.waits
        if waits:
            self.append = _others_wait
        switch = None if self._switch is None else self._switch()
        if switch is not None:
            switch(waits)
        if not waits:  # last: until then the next send sees that not all of this was done
            self.append = self._path.append

    async def _send_in_turn(self, attempt: Attempt, waiting: asyncio.Timeout) -> int:
        path = self._path
        look_until = asyncio.get_running_loop().time() + LOOK
        async with self._turn:
            while True:
                # Nothing suspends between a commit and the return: a task is told of either.
                if path.make_room(attempt.size, attempt.count):
                    sequence = attempt.append()
                    if sequence != NO_SPACE:
                        return sequence
                ends = waiting.when()
                if path.is_undecided and ends is not None and ends < look_until:
                    waiting.reschedule(look_until)
                await self._wait_for_room()

    async def _wait_for_room(self) -> None:
        """Wait for the room doorbell, for at most ROOM_POLL seconds."""
        loop = asyncio.get_running_loop()
        room = self._path.room
        woken = loop.create_future()

        def wake() -> None:
            if not woken.done():
                woken.set_result(None)

        timer = loop.call_later(ROOM_POLL, wake)
        descriptor = -1  # one of our own: the publisher may close the doorbell meanwhile
        try:
            with suppress(OSError):  # none left, or no place for it: then the timer alone
                descriptor = room.duplicate()
                loop.add_reader(descriptor, wake)
            await woken
        finally:
            timer.cancel()
            if descriptor >= 0:
                loop.remove_reader(descriptor)
                os.close(descriptor)
        room.clear()


def _others_wait(_body: bytes, _subject: Subject) -> int:
    return NO_SPACE
