"""Conditions: what the kernel says of a process. Shell."""

from __future__ import annotations

import os

from fanout.basics.descriptors import standard_taken
from fanout.coordinator.lives import Condition

_STATE, _USER, _SYSTEM = 0, 11, 12  # fields of /proc/PID/stat, behind the name of the program
_TICKS = os.sysconf("SC_CLK_TCK")  # in a second


def read_condition(pid: int) -> Condition | None:
    """How a process is doing; None if the system does not say, or it has ended and is reaped.

    It takes about 20 us.
    """
    try:
        with standard_taken(), open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    fields = text.rpartition(b")")[2].split()  # a name may have spaces and brackets in it
    worked = int(fields[_USER]) + int(fields[_SYSTEM])
    return Condition(fields[_STATE].decode(), worked / _TICKS)
