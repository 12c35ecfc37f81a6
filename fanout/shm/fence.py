"""A full memory barrier from pure Python, for processors that reorder stores.

x86-64 keeps stores in order and loads in order, so a commit needs nothing; only a store that must
be seen before a later *load* (the doorbell) needs a barrier. aarch64 may reorder all of them.

With FANOUT_FENCES=always in the environment every machine is treated as one that reorders, so that
what is there for those can be tested on any. It is read once; workers inherit it.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

STORES_STAY_IN_ORDER = (
    os.uname().machine == "x86_64" and os.environ.get("FANOUT_FENCES") != "always"
)


def make_fence() -> Callable[[], None]:
    """A function that is a full barrier for the thread that calls it.

    Releasing a lock and taking it again is one: nothing moves down over the release or up over the
    acquire, and a release is not reordered with a later acquire (Arm ARM, B2.3, "barrier-ordered-
    before"). Each caller needs a fence of its own: a shared one would be a lock.

    Interrupted between the two (KeyboardInterrupt), it leaves the lock released; the next call
    mends that.
    """
    lock = threading.Lock()
    lock.acquire()
    release, acquire = lock.release, lock.acquire

    def fence() -> None:
        try:
            release()
        except RuntimeError:
            acquire()
            release()
        acquire()

    return fence


def _barrier() -> None:
    lock = threading.Lock()  # of this call only: another thread, or a signal handler, may be in one
    lock.acquire()
    lock.release()
    lock.acquire()


# For records that change in several stores: between their version and the rest, on both sides.
BARRIER: Callable[[], None] | None = None if STORES_STAY_IN_ORDER else _barrier


def keep_order() -> None:
    """What was loaded and stored before is seen before what comes; nothing to do on x86-64."""
    if BARRIER is not None:
        BARRIER()
