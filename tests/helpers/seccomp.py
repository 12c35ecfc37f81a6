"""Refusing system calls, as a sandbox does: a real filter (seccomp), for whole processes.

It cannot be taken back, so it is for processes that a test starts.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

_NUMBERS = {  # of system calls, by machine
    "x86_64": {
        "epoll_create1": 291, "epoll_ctl": 233, "eventfd2": 290, "fallocate": 285, "ioctl": 16,
        "madvise": 28, "memfd_create": 319, "pidfd_open": 434, "pidfd_send_signal": 424,
        "prlimit64": 302, "sched_getaffinity": 204, "setpriority": 141, "setsockopt": 54,
        "socketpair": 53, "waitid": 247,
    },
    "aarch64": {
        "epoll_create1": 20, "epoll_ctl": 21, "eventfd2": 19, "fallocate": 47, "ioctl": 29,
        "madvise": 233, "memfd_create": 279, "pidfd_open": 434, "pidfd_send_signal": 424,
        "prlimit64": 261, "sched_getaffinity": 123, "setpriority": 140, "setsockopt": 208,
        "socketpair": 199, "waitid": 95,
    },
}  # fmt: skip
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_LOAD, _EQUALS, _RETURN = 0x20, 0x15, 0x06  # of BPF: BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ, BPF_RET
_AT_LEAST = 0x35  # BPF_JMP|BPF_JGE
_OPERATION, _DESCRIPTOR = 24, 32  # where the second and the third argument of a call are, low half
_EPOLL_CTL_ADD = 1
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
# Nothing works without these, and not for want of a right: they are refused in part.
_IN_PART = ("epoll_ctl",)


def names() -> tuple[str, ...]:
    """The system calls that can be refused here."""
    return tuple(name for name in _NUMBERS.get(os.uname().machine, ()) if name not in _IN_PART)


def refuse(*calls: str, number: int = errno.EPERM) -> None:
    """Have these system calls fail with this error, in this thread and all that it starts.

    Raises:
        OSError: the system does not permit filters.
    """
    numbers = _NUMBERS[os.uname().machine]
    program = struct.pack("=HBBI", _LOAD, 0, 0, 0)  # the number of the call
    for call in calls:
        program += struct.pack("=HBBI", _EQUALS, 0, 1, numbers[call])
        program += struct.pack("=HBBI", _RETURN, 0, 0, _ERRNO | number)
    _install(program + struct.pack("=HBBI", _RETURN, 0, 0, _ALLOW))


def refuse_to_watch(first: int, number: int) -> None:
    """Have no descriptor from this one on be put into a set that is polled, as `refuse()` does.

    Raises:
        OSError: as there.
    """
    call = _NUMBERS[os.uname().machine]["epoll_ctl"]
    program = struct.pack("=HBBI", _LOAD, 0, 0, 0)
    program += struct.pack("=HBBI", _EQUALS, 0, 5, call)
    program += struct.pack("=HBBI", _LOAD, 0, 0, _OPERATION)
    program += struct.pack("=HBBI", _EQUALS, 0, 3, _EPOLL_CTL_ADD)
    program += struct.pack("=HBBI", _LOAD, 0, 0, _DESCRIPTOR)
    program += struct.pack("=HBBI", _AT_LEAST, 0, 1, first)
    program += struct.pack("=HBBI", _RETURN, 0, 0, _ERRNO | number)
    _install(program + struct.pack("=HBBI", _RETURN, 0, 0, _ALLOW))


def _install(program: bytes) -> None:
    code = ctypes.create_string_buffer(program)
    described = struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in (
        (_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, described, 0, 0),
    ):
        if libc.prctl(*arguments):
            raise OSError(ctypes.get_errno(), "no filter of system calls is permitted here")
