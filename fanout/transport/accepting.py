"""Accepting: who waits at a socket that listens, some in a row. Shell."""

from __future__ import annotations

import errno
import select
from typing import TYPE_CHECKING

from fanout.basics.system_calls import is_exhausted
from fanout.transport.reserve import allowed_descriptors, leave_reserve

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

_MORE_FILES = " (raise the limit of open files: ulimit -n, LimitNOFILE=)"
ACCEPTS_PER_TURN = 64  # then other events get their turn; a storm is taken in slices


class ExhaustedError(OSError):
    """The system has no descriptor, or no memory, for one more; who waits goes on waiting."""


def explain_exhausted(error: OSError) -> str:
    """What the system has none of, and what to do if there is anything to do."""
    return f"{error.strerror}{_MORE_FILES if error.errno == errno.EMFILE else ''}"


def waiting_at(listening: socket.socket) -> Iterator[tuple[socket.socket, object]]:
    """Accept those who wait, with their addresses, but no more than ACCEPTS_PER_TURN.

    Raises:
        ExhaustedError: see there; with the `errno` and `strerror` of the system.
    """
    for _ in range(ACCEPTS_PER_TURN):
        try:
            came = listening.accept()
        except BlockingIOError:
            return
        except OSError as error:
            if is_exhausted(error):
                raise ExhaustedError(error.errno, error.strerror) from error
            continue  # it has left already
        yield came


def sparing(
    listening: socket.socket, allowed: int | None = None, *, doubled: bool = False
) -> Iterator[tuple[socket.socket, object]]:
    """As `waiting_at`, but the last descriptors are left to the program.

    Args:
        allowed: the limit of open files; None = as the system says.
        doubled: of each a duplicate will be made, too.

    Raises:
        ExhaustedError: as there; or somebody waits, and only those are left. He goes on waiting.
    """
    allowed = allowed_descriptors() if allowed is None else allowed
    waiting = waiting_at(listening)
    while True:
        try:
            leave_reserve(_next_descriptor(doubled=doubled), allowed)
        except OSError as error:
            if _is_awaited(listening):
                raise ExhaustedError(error.errno, error.strerror) from None
            return
        came = next(waiting, None)
        if came is None:
            return
        yield came


def _next_descriptor(*, doubled: bool) -> int:
    """Which one who comes next would have, or its duplicate, which is above it.

    They are closed with their objects, whatever interrupts.
    """
    first = select.epoll()
    return (select.epoll() if doubled else first).fileno()


def _is_awaited(listening: socket.socket) -> bool:
    poller = select.poll()
    poller.register(listening, select.POLLIN)
    return bool(poller.poll(0))
