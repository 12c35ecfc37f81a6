"""The last descriptors: whoever is accepted leaves them to the program, in whose process that is.

Strangers decide how many connect. A program that gets no descriptor any more can open no file and
answer nobody, whatever we do.
"""

from __future__ import annotations

import errno
import resource

KEPT_DESCRIPTORS = 128  # below the limit of open files
KEPT_PART = 8  # but no more than 1/8 of a low limit
_NO_LIMIT = 1 << 31  # the kernel's numbers of descriptors are below it


def leave_reserve(descriptor: int, allowed: int) -> None:
    """Refuse a new descriptor that is one of the last, which the program may need for itself.

    The kernel gives the lowest that is free: all below this one are in use.

    Args:
        allowed: the limit of open files.

    Raises:
        OSError: EMFILE; the text says of the reserve.
    """
    first = first_kept(allowed)
    if descriptor >= first:
        text = f"of {allowed:,} open files the last {allowed - first} are kept for the program"
        raise OSError(errno.EMFILE, text)


def first_kept(allowed: int) -> int:
    """The first of the last ones, of so many."""
    return allowed - min(KEPT_DESCRIPTORS, allowed // KEPT_PART)


def allowed_descriptors() -> int:
    """The limit of open files of this process; if nobody says it, more than there can be."""
    try:
        allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    except OSError:
        return _NO_LIMIT
    return _NO_LIMIT if allowed == resource.RLIM_INFINITY else allowed
