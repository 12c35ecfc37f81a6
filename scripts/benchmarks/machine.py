"""What the figures were measured on."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import psutil

PACKAGES = (
    *("fanout-zmq", "pyzmq", "websockets", "redis", "nats-py"),
    *("multiprocess", "msgpack", "psutil"),
)
PROGRAMS = {"nats-server": "--version", "redis-server": "--version"}
VERSION = re.compile(r"\d+\.\d+\.\d+")
SYSCTLS = ("net/ipv4/tcp_wmem", "net/ipv4/tcp_rmem")
PROGRAM_SECONDS = 10.0


def describe_machine() -> dict[str, str]:
    """Processor, memory, kernel and the versions of everything that is measured."""
    described = {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            described[package] = importlib.metadata.version(package)
    with contextlib.suppress(ImportError):
        import zmq

        described["libzmq"] = zmq.zmq_version()
    for program, option in PROGRAMS.items():
        described[program] = _program_version(program, option)
    for name in SYSCTLS:
        with contextlib.suppress(OSError):
            described[Path(name).name] = " ".join(Path("/proc/sys", name).read_text().split())
    return described


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "CPU part")):
                return line.partition(":")[2].strip()
    return platform.machine()


def _program_version(program: str, option: str) -> str:
    if shutil.which(program) is None:
        return "absent"
    answer = subprocess.run(
        [program, option], capture_output=True, text=True, timeout=PROGRAM_SECONDS, check=False
    )
    found = VERSION.search(answer.stdout + answer.stderr)
    return found.group() if found else "unknown"
