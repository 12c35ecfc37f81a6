"""A socket file that may have been left by a process that was killed: whose it is, and its end."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress

from fanout.basics.descriptors import standard_taken


def remove_left(path: bytes, birth: bytes, directory: bytes = b"") -> None:
    """Remove the socket file of a process that was killed, if it is still that one.

    Another publisher may listen there by now: its file was made at another time, and somebody
    listens on it. Check and removal are two steps, as where a stale file is replaced: one that
    binds in the microseconds between them would lose its file.

    Args:
        path: of the file.
        birth: of it, as it was bound.
        directory: that was made for it alone; empty = none.
    """
    with suppress(OSError):  # it is gone, or is not ours to remove
        if birth_of(os.lstat(path)) == birth and not is_listening(os.fsdecode(path)):
            os.unlink(path)
    if directory:
        with suppress(OSError):  # not empty: somebody else put something there
            os.rmdir(directory)


def is_listening(path: str) -> bool:
    """Find out whether a process listens on the socket file; a refused connection is proof."""
    with standard_taken(), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a full backlog must not hold us
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
        except BlockingIOError:
            return True  # its backlog is full
        except OSError as error:
            if error.errno == errno.EPROTOTYPE:
                return True  # a socket of another type, a datagram logger for one
            raise
    return True


def birth_of(status: os.stat_result) -> bytes:
    """The identity of a file, and when it was made.

    File systems give the number of a file that was removed to the next one. The time of the last
    change of its content is that of its making: a socket file has no content, and `chmod`, which
    users do, changes another time.
    """
    return b"%d %d %d" % (status.st_dev, status.st_ino, status.st_mtime_ns)
