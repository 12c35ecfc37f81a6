"""Accepting: who waits at a socket that listens, some in a row. Shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.basics.system_calls import is_exhausted
from fanout.transport.reserve import allowed_descriptors, leave_reserve

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

ACCEPTS_PER_TURN = 64  # then other events get their turn; a storm is taken in slices


class ExhaustedError(OSError):
    """The system has no descriptor, or no memory, for one more; who waits goes on waiting."""


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


def sparing(listening: socket.socket) -> Iterator[tuple[socket.socket, object]]:
    """As `waiting_at`, but the last descriptors are left to the program.

    Raises:
        ExhaustedError: as there; or only those are left, and the last who came was closed.
    """
    allowed = allowed_descriptors()
    for sock, address in waiting_at(listening):
        try:
            leave_reserve(sock.fileno(), allowed)
        except OSError as error:
            sock.close()
            text = f"{error.strerror}; raise the limit (`ulimit -n`)"
            raise ExhaustedError(error.errno, text) from None
        yield sock, address
