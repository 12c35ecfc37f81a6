"""How a worker's process ends: the codes that it ends with, and how that is told to people."""

from __future__ import annotations

import enum
import signal


class Exit(enum.IntEnum):
    """Exit codes of a worker; the values are stable, and `text` says what each one means."""

    text: str

    def __new__(cls, value: int, text: str) -> Exit:
        member = int.__new__(cls, value)
        member._value_ = value
        member.text = text
        return member

    OK = 0, "it was told to end, or lost the publisher"
    PYTHON = 1, "Python failed before it was a worker; the reason is on standard error"
    START = 3, "it could not start; the reason is on standard error"
    BUG = 4, "it met a bug of fanout; the traceback is on standard error"
    MEMORY = 5, "it got no memory: lower log_bytes, or give the processes more"
    DESCRIPTORS = 6, "it got no descriptor: raise the limit of open files"
    VERSION = 7, "it is of another version of fanout than the publisher: start the program again"
    REFUSED = 8, "the system refuses it a call that it needs; which one is on standard error"
    EXEC = 255, "the Python of this program could not be executed again"


_TEXTS = {int(one): one.text for one in Exit}


# Signals that a process gets for what it does itself; all others are sent by somebody.
_CRASHES = {
    *(signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV),
    *(signal.SIGSYS, signal.SIGTRAP, signal.SIGXCPU, signal.SIGXFSZ),
}


def is_from_outside(code: int | None) -> bool:
    """Whether somebody else has ended a process: a signal that is not for what it does.

    The kernel that is out of memory is somebody else as well. Of a code that nobody knows it cannot
    be said, and so it is not.

    Args:
        code: as in `describe_exit()`.
    """
    return code is not None and code < 0 and -code not in _CRASHES


def describe_exit(code: int | None) -> str:
    """How a process ended, for people.

    Args:
        code: its exit status, -N for signal N, None if nobody knows.
    """
    if code is None:
        return "ended; another part of this program collected its exit status"
    if code >= 0:
        text = _TEXTS.get(code)
        return f"exit status {code}: {text}" if text else f"exit status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = " (out of memory?)" if -code == signal.SIGKILL else ""
    return f"killed by {name}{hint}"
