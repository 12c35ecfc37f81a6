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
        "epoll_create1": 291, "eventfd2": 290, "fallocate": 285, "ioctl": 16, "madvise": 28,
        "memfd_create": 319, "pidfd_open": 434, "pidfd_send_signal": 424, "prlimit64": 302,
        "sched_getaffinity": 204, "setpriority": 141, "setsockopt": 54, "socketpair": 53,
        "waitid": 247,
    },
    "aarch64": {
        "epoll_create1": 20, "eventfd2": 19, "fallocate": 47, "ioctl": 29, "madvise": 233,
        "memfd_create": 279, "pidfd_open": 434, "pidfd_send_signal": 424, "prlimit64": 261,
        "sched_getaffinity": 123, "setpriority": 140, "setsockopt": 208, "socketpair": 199,
        "waitid": 95,
    },
}  # fmt: skip
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_LOAD, _EQUALS, _RETURN = 0x20, 0x15, 0x06  # of BPF: BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ, BPF_RET
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


def names() -> tuple[str, ...]:
    """The system calls that can be refused here."""
    return tuple(_NUMBERS.get(os.uname().machine, ()))


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
    program += struct.pack("=HBBI", _RETURN, 0, 0, _ALLOW)
    code = ctypes.create_string_buffer(program)
    described = struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in (
        (_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, described, 0, 0),
    ):
        if libc.prctl(*arguments):
            raise OSError(ctypes.get_errno(), "no filter of system calls is permitted here")
