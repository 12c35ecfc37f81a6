"""System calls that a sandbox may refuse: which one it was, what for, and what to do. Pure.

A container's profile (seccomp), or a kernel that does not know a call, answers with an error that
says neither. What cannot work without a call names it; everything else is done without it.
"""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# No descriptor, of the process or of the machine, no memory, or no place in a set of sockets that
# are watched (ENOSPC, which no other call for a connection says) is left for one connection more.
EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC))
REFUSED = frozenset((errno.EPERM, errno.EACCES, errno.ENOSYS))  # by a sandbox, or an old kernel


class RefusedError(OSError):
    """The system refuses a call that nothing works without; the text says what to do."""


def is_refused(error: OSError) -> bool:
    """Whether the system does not let us make this call at all."""
    return error.errno in REFUSED


def is_exhausted(error: OSError) -> bool:
    """Whether nobody can be accepted until something is free again; who waits goes on waiting."""
    return error.errno in EXHAUSTED


@contextmanager
def needed(call: str, purpose: str) -> Iterator[None]:
    """Say of an OSError in this block, if the call is refused, which one and what it is for.

    Args:
        call: its name, as in a profile of seccomp.
        purpose: what is made by it, to follow "which".

    Raises:
        RefusedError: in place of the error, with its `errno`.
    """
    try:
        yield
    except OSError as error:
        if not is_refused(error) or isinstance(error, RefusedError):
            raise
        text = (
            f"the system refuses the call {call} ({error.strerror}), which {purpose}: "
            f"allow it in the profile of the sandbox or container (seccomp)"
        )
        raise RefusedError(error.errno, text) from error


@contextmanager
def dispensable() -> Iterator[None]:
    """Go on behind the block if the system refuses a call in it."""
    try:
        yield
    except OSError as error:
        if not is_refused(error):
            raise


def explain(error: OSError) -> str:
    """An error of the system in words, with what to do if there is anything to do."""
    if error.errno == errno.EMFILE:
        return "out of file descriptors; raise the limit (`ulimit -n`)"
    if error.errno == errno.ENFILE:
        return "the whole system is out of file descriptors; raise fs.file-max"
    return error.strerror or str(error)


def explain_unwatched(error: OSError) -> str:
    """As `explain`, of a socket that cannot be watched: what ENOSPC means there is in no word."""
    if error.errno == errno.ENOSPC:
        return "this user may watch no more sockets; raise fs.epoll.max_user_watches"
    return explain(error)
