"""How connections end: they are read until their peers have ended them, too. Shell.

Who closes a socket with something unread in it, say an answer to a PING, has the kernel reset the
connection; and what the peer has not read of it by then is lost, though it was sent. So the end is
said, and what still comes is thrown away.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fanout.sockets.plug import Plug

PART_S = 1.0
"""So long a peer has to read what it was sent, and to end the connection. Most do so at once; of
one that does not, what was unread here is gone by then, and few have more to say so much later."""

READ_BYTES = 64 * 1024
READS_MAX = 16  # of one peer in a turn: it may send without end, and others are to part, too


def part_with(plugs: Iterable[Plug], watch: Callable[..., None]) -> None:
    """Say that nothing more comes.

    Args:
        watch: that of a `PlugWatcher`.
    """
    for plug in plugs:
        plug.is_parting = True
        with suppress(OSError):  # it is gone already, as will be seen
            plug.sock.shutdown(socket.SHUT_WR)
        with suppress(OSError):  # it has its time then, and its end is not seen before
            watch(plug, read=True, write=False)


def has_parted(plug: Plug) -> bool:
    """Throw away what has come; whether the peer has ended the connection, too."""
    try:
        for _ in range(READS_MAX):
            if not plug.sock.recv(READ_BYTES):
                return True
    except (BlockingIOError, InterruptedError):
        return False
    except OSError:
        return True
    return False
