"""What the ingest thread waits for: sockets, a bell to wake it, and room in the log. Shell.

Producers are in a set of their own. While there is no room it is left out: nobody is read then, and
their sockets, which are full before long, make them wait. All others are looked at as ever.
"""

from __future__ import annotations

import os
import select
from contextlib import suppress
from typing import TYPE_CHECKING

from fanout.system_calls import needed

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
        with needed("epoll_create1", "waits for producers"):
            self._all = select.epoll()
            self._producers = select.epoll()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._room = room
        self._room_fd = -1  # one of our own, while we wait for it
        self.is_paused = False  # producers are left alone
        self._all.register(self._bell, select.EPOLLIN)
        self._all.register(self._producers.fileno(), select.EPOLLIN)

    def wake(self) -> None:
        """End the wait that runs, or the next one; any thread."""
        with suppress(OSError):  # it is full, and so awake; or it has been closed
            os.eventfd_write(self._bell, 1)

    def wait(self, timeout: float | None) -> tuple[list[tuple[int, int]], list[int]]:
        """Wait for something.

        Returns:
            Descriptors of `watch` with their events, and those of producers.
        """
        others: list[tuple[int, int]] = []
        producers: list[int] = []
        for descriptor, events in self._all.poll(timeout):
            if descriptor == self._bell:
                with suppress(BlockingIOError):
                    os.eventfd_read(self._bell)
            elif descriptor == self._room_fd:
                self._room.clear()
            elif descriptor == self._producers.fileno():
                producers = [one for one, _ in self._producers.poll(0)]
            else:
                others.append((descriptor, events))
        return others, producers

    def watch(self, descriptor: int, *, write: bool = False) -> None:
        """Wait until this can be read, and written to if that is wanted."""
        events = select.EPOLLIN | (select.EPOLLOUT if write else 0)
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
            self._all.unregister(self._producers.fileno())
            with suppress(OSError):  # no descriptor: then we look again and again
                self._room_fd = self._room.duplicate()
                if self._room_fd >= 0:
                    self._all.register(self._room_fd, select.EPOLLIN)
        else:
            self._close_room()
            self._all.register(self._producers.fileno(), select.EPOLLIN)

    def close(self) -> None:
        """Release all descriptors. Idempotent; in a forked child, too."""
        self._close_room()
        bell, self._bell = self._bell, -1
        if bell >= 0:
            os.close(bell)
        self._all.close()
        self._producers.close()

    def _close_room(self) -> None:
        room, self._room_fd = self._room_fd, -1
        if room >= 0:
            os.close(room)
