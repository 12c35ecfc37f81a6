"""A moment: what is the same for all who are accepted in one turn; and the limit of open files."""

from __future__ import annotations

import errno
import resource
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

KEPT_DESCRIPTORS = 128  # below the limit of open files, for the program: it lives in this process
KEPT_PART = 8  # but no more than 1/8 of a low limit
_NO_LIMIT = 1 << 31  # the kernel's numbers of descriptors are below it


class Moment(NamedTuple):
    """What is the same for all who are accepted in one turn."""

    now: float
    ready: list[int]  # the workers that serve
    loads: Sequence[int]
    allowed: int  # open files of this process

    def leave_reserve(self, descriptor: int) -> None:
        """Refuse a new descriptor that is one of the last, which the program may need for itself.

        The kernel gives the lowest that is free: all below this one are in use.

        Raises:
            OSError: EMFILE; the text says of the reserve.
        """
        allowed = self.allowed
        kept = min(KEPT_DESCRIPTORS, allowed // KEPT_PART)
        if descriptor >= allowed - kept:
            text = f"of {allowed:,} open files the last {kept} are kept for the program"
            raise OSError(errno.EMFILE, text)


def allowed_descriptors() -> int:
    """The limit of open files of this process; if nobody says it, more than there can be."""
    try:
        allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    except OSError:
        return _NO_LIMIT
    return _NO_LIMIT if allowed == resource.RLIM_INFINITY else allowed
