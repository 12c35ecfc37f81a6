"""Accepting: who waits at a socket that listens, some in a row. Shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.basics.system_calls import explain, is_exhausted

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

ACCEPT_MAX = 64  # connections in a row: those that are there are to be served, too


class ExhaustedError(Exception):
    """The system has no descriptor, or no memory, for one more; who waits goes on waiting."""


def waiting_at(listening: socket.socket) -> Iterator[tuple[socket.socket, object]]:
    """Accept those who wait, with their addresses, but no more than ACCEPT_MAX.

    Raises:
        ExhaustedError: see there.
    """
    for _ in range(ACCEPT_MAX):
        try:
            came = listening.accept()
        except BlockingIOError:
            return
        except OSError as error:
            if is_exhausted(error):
                raise ExhaustedError(explain(error)) from error
            continue  # it has left already
        yield came
