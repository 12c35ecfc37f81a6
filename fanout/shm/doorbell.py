"""Doorbells: an eventfd that one process rings and another waits on.

Ringing is one write(2); it never blocks (a counter that is full is a bell that is ringing) and
never fails for a reader that is gone, because both ends hold the same descriptor.

A thread may ring while another closes. Its write must not go to a file that the program has opened
under the same number meanwhile, so closing waits for those who are at it. They are counted without
a lock: one that was interrupted and never left costs the closing a moment, not a deadlock.
"""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress

from fanout.basics.descriptors import duplicate, standard_taken
from fanout.basics.system_calls import needed

CLOSE_WAIT = 0.1  # seconds for a thread to leave that rings or waits; longer than any wait here
CLOSE_POLL = 0.001  # seconds


class Doorbell:
    """One eventfd. Any process that holds the descriptor may ring or wait; owns the descriptor.

    Ringing, waiting for and clearing a closed doorbell does nothing.
    """

    __slots__ = ("_users", "fd")

    def __init__(self, fd: int | None = None) -> None:
        if fd is None:
            with standard_taken(), needed("eventfd2", "wakes workers and publisher"):
                self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        else:
            self.fd = fd
        self._users: list[None] = []  # one for each call that uses the descriptor right now

    def __del__(self) -> None:
        # An interrupted start may drop it before anybody is there to close it.
        if getattr(self, "fd", -1) >= 0:
            os.close(self.fd)

    def ring(self) -> None:
        """Wake whoever waits; a ring that nobody waits for is kept for the next wait."""
        self._users.append(None)
        try:
            fd = self.fd
            if fd >= 0:
                with suppress(BlockingIOError):  # 2**64 - 2 rings are pending: it is ringing
                    os.eventfd_write(fd, 1)
        finally:
            self._users.pop()

    def clear(self) -> None:
        """Forget the rings so far."""
        self._users.append(None)
        try:
            fd = self.fd
            if fd >= 0:
                with suppress(BlockingIOError):  # nobody has rung
                    os.eventfd_read(fd)
        finally:
            self._users.pop()

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds; True if it rang. Clears it."""
        self._users.append(None)
        try:
            fd = self.fd
            poller = select.poll()
            if fd >= 0:
                poller.register(fd, select.POLLIN)
            rang = bool(poller.poll(max(0.0, timeout) * 1000))
            if rang:
                self.clear()
            return rang
        finally:
            self._users.pop()

    def duplicate(self) -> int:
        """A descriptor of its own for the caller, -1 if it is closed.

        Raises:
            OSError: there are no descriptors left.
        """
        self._users.append(None)
        try:
            fd = self.fd
            return duplicate(fd) if fd >= 0 else -1
        finally:
            self._users.pop()

    def close(self) -> None:
        """Close this process's descriptor."""
        fd, self.fd = self.fd, -1
        if fd < 0:
            return
        deadline = time.monotonic() + CLOSE_WAIT
        while self._users and time.monotonic() < deadline:
            time.sleep(CLOSE_POLL)
        os.close(fd)
