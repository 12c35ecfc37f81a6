"""Workers that have nothing to load: forked from a process that did, as children of this one.

A worker takes 0.2 s of a core until it serves, nearly all of it to load what every worker loads.
The tests start many hundreds, and what they are about begins after that. So what the publisher has
run is run once, up to where it is the worker of somebody; a fork of it gets the control channel and
goes on as one. All else is as ever: the process is a child of this one, has the standard streams
that it would have, and its exit status is seen.

Whatever is not as it was when that process was started (another Python, path, boot, variable or
limit, coverage to be measured) has the worker started as users have it. So are the workers of the
programs that tests run, which are other processes; and all with FANOUT_NURSERY=off, which a test
sets for itself when it is about the start.
"""

from __future__ import annotations

import os
import platform
import resource
import signal
import socket
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from multiprocess import spawn as multiprocess_spawn
from multiprocess import util

from fanout.coordinator import spawn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

SWITCH = "FANOUT_NURSERY"
CLONE_NUMBERS = {"x86_64": 56, "aarch64": 220}  # of the system call
STREAMS = (0, 1, 2)
NAME = "fanout-worker-nursery"
OF_THE_START = ("PYTHON", "FANOUT", "COVERAGE_PROCESS")  # variables that change how a worker begins
OF_MEASURING = (
    "COVERAGE_PROCESS"  # it never does: a fork would write to the file of the process before it
)
LIMITS = tuple(getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_"))

# `clone` with CLONE_PARENT: who asks is the parent, and hears of the end. There is one thread, so
# nothing is held by another; what Python does before and after a fork it does here, too. A fork
# goes on behind the loop, with what was said and its descriptors.
_FORK = """\
import ctypes, os, signal, socket, sys
libc, python = ctypes.CDLL(None), ctypes.pythonapi
while True:
    said, descriptors, _, _ = socket.recv_fds(asked, SAID_BYTES, 4)
    if not said:
        sys.exit()
    python.PyOS_BeforeFork()
    born = libc.syscall(CLONE, 0x8000 | signal.SIGCHLD, 0, 0, 0, 0)
    if born == 0:
        python.PyOS_AfterFork_Child()
        break
    python.PyOS_AfterFork_Parent()
    for descriptor in descriptors:
        os.close(descriptor)
    asked.send(born.to_bytes(8, "little", signed=True))
asked.close()
for number, descriptor in enumerate(descriptors[-3:]):
    os.dup2(descriptor, number)
    os.close(descriptor)
"""
# All that Python does at an end, but that it takes the modules apart: a fork would copy their pages
# for that, which is half of what such a worker costs. One that fails ends as ever.
_END = """\
status = main(int(control))
import atexit, threading
threading._shutdown()
atexit._run_exitfuncs()
sys.stdout.flush()
sys.stderr.flush()
os._exit(status)
"""
_SERVE = """\
import signal, socket
signal.signal(signal.SIGINT, signal.SIG_IGN)
asked = socket.socket(fileno=int(control))
"""


class Nursery:
    """Starts workers in the place of `multiprocess`, while the block runs; any thread.

    It is for the process that has made it: a fork of that one starts its workers by itself.
    """

    def __init__(self) -> None:
        self._before: Any = util.spawnv_passfds
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._asked, theirs = socket.socketpair()
        with theirs:
            command = spawn.WorkerProcess(0, theirs.fileno()).command()
            self._common = _common(command)
            variables = {
                name: value
                for name, value in os.environ.items()
                if not name.startswith(OF_MEASURING)
            }
            self._surroundings = surroundings(variables)
            boot, last = spawn._BOOT.split("sys.exit(")
            assert last == "main(int(control)))\n"
            serve = _SERVE + forked_on_demand(said_bytes=1) + "control = descriptors[0]\n"
            changes = {spawn._BOOT: boot + serve + _END, "fanout-worker-0": NAME}
            self._process = subprocess.Popen(
                [changes.get(one, one) for one in command],
                executable=multiprocess_spawn.get_executable(),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=variables,
            )

    def __enter__(self) -> Self:
        util.spawnv_passfds = self._start
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        util.spawnv_passfds = self._before
        self._asked.close()
        self._process.wait()

    def _start(self, path: bytes, command: Sequence[str], descriptors: Sequence[int]) -> int:
        """As `multiprocess.util.spawnv_passfds`; returns the number of the process."""
        if self._pid == os.getpid() and self._is_as_ever(path, command):
            with self._lock:
                socket.send_fds(self._asked, [b"."], [*descriptors, *STREAMS])
                born = int.from_bytes(self._asked.recv(8), "little", signed=True)
            if born > 0:
                return born
        number: int = self._before(path, command, descriptors)
        return number

    def _is_as_ever(self, path: bytes, command: Sequence[str]) -> bool:
        """Whether the worker would be what the process that it is forked from is."""
        return (
            path == multiprocess_spawn.get_executable()
            and _common(command) == self._common
            and surroundings(os.environ) == self._surroundings
        )


@contextmanager
def loaded_workers() -> Iterator[None]:
    """A block in which workers of this process have nothing to load, where that can be."""
    if not is_possible():
        yield
        return
    with Nursery():
        yield


def is_possible() -> bool:
    """Whether processes can be forked for others here, and are to be."""
    return os.environ.get(SWITCH) != "off" and platform.machine() in CLONE_NUMBERS


def forked_on_demand(said_bytes: int) -> str:
    """A piece of a program that has one forked for each message that comes to its socket `asked`.

    The fork has what was `said`, and the `descriptors` that came with that, of which the last three
    are its standard streams by then.

    Args:
        said_bytes: of a message, at most.
    """
    number = CLONE_NUMBERS[platform.machine()]
    return _FORK.replace("CLONE", str(number)).replace("SAID_BYTES", str(said_bytes))


def _common(command: Sequence[str]) -> list[str]:
    """A command without the name of the worker and its channel, if it is one."""
    if spawn._BOOT not in command:
        return []
    name = command.index(spawn._BOOT) + 1
    return [*command[:name], *command[name + 2 :]]


def surroundings(variables: Mapping[str, str]) -> list[object]:
    """What a worker inherits, as far as it can tell."""
    return [
        {name: value for name, value in variables.items() if name.startswith(OF_THE_START)},
        os.getcwd(),
        os.sched_getaffinity(0),
        os.getpriority(os.PRIO_PROCESS, 0),
        [resource.getrlimit(limit) for limit in LIMITS],
        [signal.getsignal(number) is signal.SIG_IGN for number in signal.valid_signals()],
        multiprocess_spawn.get_executable(),
    ]
