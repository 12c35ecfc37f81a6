"""What the ingest thread waits for: sockets, a bell to wake it, and room in the log. Shell.

Producers are in a set of their own. While there is no room it is left out: nobody is read then, and
their sockets, which are full before long, make them wait. All others are looked at as ever.

To wait for one more may be refused by the system (`max_user_watches`, memory), and is then
`OSError`, with nothing changed. To leave one alone and look at it again never is.
"""

from __future__ import annotations

import os
import select
from contextlib import suppress
from io import FileIO
from typing import TYPE_CHECKING

from fanout.basics.descriptors import standard_taken
from fanout.basics.system_calls import needed

if TYPE_CHECKING:
    from fanout.shm.doorbell import Doorbell

HANGUP = select.EPOLLHUP | select.EPOLLERR


class Poller:
    """Owned by one thread, but for `wake`.

    Args:
        room: rings when there may be room.

    Raises:
        OSError: the system gives no descriptor; nothing is left open.
    """

    def __init__(self, room: Doorbell) -> None:
        with standard_taken():
            with needed("epoll_create1", "waits for producers"):
                self._all = select.epoll()
                self._producers = select.epoll()
            # As files: closed once however often that is tried, and with the last reference.
            self._bell = FileIO(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK))
        self._room = room
        self._room_copy: FileIO | None = None  # of its descriptor, while we wait for it
        self.is_paused = False  # producers are left alone
        self._all.register(self._bell.fileno(), select.EPOLLIN)
        self._all.register(self._producers.fileno(), select.EPOLLIN)

    def wake(self) -> None:
        """End the wait that runs, or the next one; any thread."""
        with suppress(OSError, ValueError):  # it is full, and so awake; or it has been closed
            os.eventfd_write(self._bell.fileno(), 1)

    def wait(self, timeout: float | None) -> tuple[list[tuple[int, int]], list[int]]:
        """Wait for something.

        Returns:
            Descriptors of `watch` with their events, and those of producers.
        """
        others: list[tuple[int, int]] = []
        producers: list[int] = []
        bell = self._bell.fileno()
        room = -1 if self._room_copy is None else self._room_copy.fileno()
        for descriptor, events in self._all.poll(timeout):
            if descriptor == bell:
                with suppress(BlockingIOError):
                    os.eventfd_read(bell)
            elif descriptor == room:
                self._room.clear()
            elif descriptor == self._producers.fileno():
                producers = [one for one, _ in self._producers.poll(0)]
            else:
                others.append((descriptor, events))
        return others, producers

    def watch(self, descriptor: int, *, read: bool = True, write: bool = False) -> None:
        """Wait until this can be read, and written to if that is wanted."""
        events = (select.EPOLLIN if read else 0) | (select.EPOLLOUT if write else 0)
        try:
            self._all.register(descriptor, events)
        except FileExistsError:
            self._all.modify(descriptor, events)

    def watch_producer(self, descriptor: int) -> None:
        """Wait until this one can be read, unless producers are left alone."""
        self._producers.register(descriptor, select.EPOLLIN)

    def await_writing(self, descriptor: int) -> None:
        """Wait until a producer, which is watched, can be written to."""
        self._all.register(descriptor, select.EPOLLOUT)

    def forget(self, descriptor: int) -> None:
        """Wait for nothing of it any more."""
        for one in (self._all, self._producers):
            with suppress(OSError, ValueError):  # it is not there
                one.unregister(descriptor)

    def forget_writing(self, descriptor: int) -> None:
        """A producer has taken what it was to be sent."""
        with suppress(OSError):
            self._all.unregister(descriptor)

    def pause(self, paused: bool) -> None:
        """Leave producers alone until there is room, or look at them again."""
        if paused == self.is_paused:
            return
        self.is_paused = paused
        if paused:
            self._all.modify(self._producers.fileno(), 0)
            with suppress(OSError):  # no descriptor: then we look again and again
                if (room := self._room.duplicate()) >= 0:
                    self._room_copy = FileIO(room)
                    self._all.register(room, select.EPOLLIN)
        else:
            self._close_room()
            self._all.modify(self._producers.fileno(), select.EPOLLIN)

    def close(self) -> None:
        """Release all descriptors. Idempotent; in a forked child, too."""
        self._close_room()
        self._bell.close()
        self._all.close()
        self._producers.close()

    def _close_room(self) -> None:
        if self._room_copy is not None:
            self._room_copy.close()
            self._room_copy = None
