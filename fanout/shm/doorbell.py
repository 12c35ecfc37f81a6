"""Doorbells: an eventfd that one process rings and another waits on.

Ringing is one write(2); it never blocks (a counter that is full is a bell that is ringing) and
never fails for a reader that is gone, because both ends hold the same descriptor.
"""

from __future__ import annotations

import os
import select


class Doorbell:
    """One eventfd. Any process that holds the descriptor may ring or wait; owns the descriptor."""

    __slots__ = ("fd",)

    def __init__(self, fd: int | None = None) -> None:
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK) if fd is None else fd

    def ring(self) -> None:
        """Wake whoever waits; a ring that nobody waits for is kept for the next wait."""
        try:
            os.eventfd_write(self.fd, 1)
        except BlockingIOError:
            return  # 2**64 - 2 rings are pending: it is ringing

    def clear(self) -> None:
        """Forget the rings so far."""
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            return  # nobody has rung

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds; True if it rang. Clears it."""
        poller = select.poll()
        poller.register(self.fd, select.POLLIN)
        rang = bool(poller.poll(max(0.0, timeout) * 1000))
        if rang:
            self.clear()
        return rang

    def close(self) -> None:
        """Close this process's descriptor."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
