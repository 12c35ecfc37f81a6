"""Where fanout runs: on Linux. Importing this elsewhere is an `ImportError` that says so.

It comes before any module that needs what only Linux has, so that nothing less clear is raised.
"""

from __future__ import annotations

import os
import sys

from fanout.errors import StartupError

MACHINES = ("x86_64", "aarch64")  # the order of stores to shared memory was thought out for these
_WHERE = "fanout runs on Linux (x86-64 and aarch64)"

if sys.platform != "linux":
    raise ImportError(f"{_WHERE}, not on {sys.platform}")


def check_machine() -> None:
    """Refuse processors that fanout was not made for.

    Raises:
        StartupError: this machine has another one.
    """
    machine = os.uname().machine
    if machine not in MACHINES:
        raise StartupError(f"{_WHERE}, not on {machine}")


__all__ = ["check_machine"]
