"""Accepting: who waits at a socket that listens, some in a row. Shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.basics.system_calls import is_exhausted

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
