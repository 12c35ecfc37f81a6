"""Numbers of descriptors: none of ours is that of a standard stream.

A program may be started with its standard streams closed. What is opened then gets their numbers,
and what the program, or a C library in it, writes to standard error goes there: into the log, or to
a subscriber. So whatever is opened here and kept gets a number from FIRST on. The numbers below
are the program's: they are as they were before, but in processes of our own (workers, and the
`fanout` command), where /dev/null takes them.
"""

from __future__ import annotations

import fcntl
import os
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from fanout.basics.system_calls import needed

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = 3  # the lowest number of ours


def duplicate(descriptor: int) -> int:
    """As `os.dup`, with a number of ours.

    Raises:
        OSError: as there.
    """
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST)


@contextmanager
def standard_taken() -> Iterator[None]:
    """Have the standard numbers that are free taken for the length of a block, which opens things.

    What is written to them meanwhile goes nowhere. To give a new descriptor another number would
    leave a moment in which another thread's message goes there. One thread of ours at a time, which
    may be in it twice: who is done gives the numbers back. What the program itself has put in the
    place of ours meanwhile stays.

    Raises:
        OSError: the system gives no descriptors.
    """
    if _all_are_the_programs():
        yield
        return
    turn = _turn
    with turn.lock:
        turn.begun += 1
        one = object()
        held: dict[int, tuple[int, int]] = {}
        made = -1
        try:
            turn.holders.add(one)
            with needed("memfd_create", "keeps the numbers of closed standard streams"):
                while True:
                    made = os.memfd_create("fanout-placeholder", os.MFD_CLOEXEC)
                    if made >= FIRST:
                        break
                    held[made] = _file_of(made)
            yield
        finally:
            if made >= 0:
                held.setdefault(made, _file_of(made))
            for number, ours in held.items():
                with suppress(OSError):  # the program has closed it
                    if _file_of(number) == ours:
                        os.close(number)
            turn.holders.discard(one)


def fill_standard() -> None:
    """Have /dev/null take the standard numbers that are closed, for good.

    For processes that are ours alone. `sys.stdin` and `sys.stdout` stay None where Python found
    them closed: who needs one says so. Standard error is only for reading, and nobody does.
    """
    with suppress(OSError):  # there is no /dev/null
        for number in range(FIRST):
            if _is_closed(number):
                os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    if sys.stderr is None:
        with suppress(OSError):
            sys.stderr = os.fdopen(2, "w", closefd=False)


def _is_closed(number: int) -> bool:
    try:
        fcntl.fcntl(number, fcntl.F_GETFD)
    except OSError:
        return True
    return False


def _file_of(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


class _Turn:
    """Whose turn it is to hold standard numbers; how many blocks do, and how often one began to."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.holders: set[object] = set()  # what each block holds
        self.begun = 0


_turn = _Turn()


def _all_are_the_programs() -> bool:
    """Whether no standard number is free, nor held by us; in most programs that is all there is."""
    begun = _turn.begun
    is_held = bool(_turn.holders) or any(_is_closed(number) for number in range(FIRST))
    return not is_held and begun == _turn.begun


def _forget_turn() -> None:
    global _turn
    _turn = _Turn()  # a thread that a forked child has not got may hold the old one


os.register_at_fork(after_in_child=_forget_turn)
