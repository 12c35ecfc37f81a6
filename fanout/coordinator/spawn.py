"""Starting worker processes, from any kind of program.

`multiprocess` spawns by running the user's main module again, which needs an
`if __name__ == "__main__"` guard and does not work from standard input. Our workers need nothing of
the user's program, so their command imports our entry point only. The process is exec'ed at once
(vfork semantics): nothing of the user's process, its threads and locks above all, is forked.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from multiprocess import process, spawn, util
from multiprocess.popen_spawn_posix import Popen

import fanout

# -P keeps the current directory out of sys.path, and the root of fanout comes first: a user's own
# workers.py does no harm. The parent's path follows, so that what fanout needs is found where the
# parent found it.
_BOOT = (
    "import sys, json; root, path, fd = json.loads(sys.argv[1]); sys.path.insert(0, root); "
    "sys.path.extend(p for p in path if p not in sys.path); "
    "from fanout.workers.main import main; sys.exit(main(fd))"
)


class _ExecPopen(Popen):  # type: ignore[misc]  # multiprocess has no types
    """Starts the worker's command instead of the user's main module."""

    def _launch(self, process_obj: WorkerProcess) -> None:
        self.pid = util.spawnv_passfds(
            spawn.get_executable(), process_obj.command(), [process_obj.control_fd]
        )
        # A pipe that its end closes would not tell, if the user forks while it is being made: the
        # child of that fork would hold it open.
        try:
            self.sentinel = os.pidfd_open(self.pid)  # readable = the process has ended
        except BaseException:
            self.kill()
            self.wait()
            raise
        self.finalizer = util.Finalize(self, util.close_fds, (self.sentinel,))


class WorkerProcess(process.BaseProcess):  # type: ignore[misc]  # multiprocess has no types
    """One worker process; start, join and kill it as any `multiprocess` process.

    It is kept out of `multiprocess.active_children()`, whose exit handler would wait for it before
    the publisher could tell it to end.

    Args:
        index: of the worker, for its name.
        control_fd: its end of the control channel; the caller closes its copy after `start()`.
    """

    def __init__(self, index: int, control_fd: int) -> None:
        super().__init__(name=f"fanout-worker-{index}")
        self.control_fd = control_fd

    @staticmethod
    def _Popen(process_obj: WorkerProcess) -> _ExecPopen:  # the name is multiprocess's
        return _ExecPopen(process_obj)

    def start(self) -> None:
        """Start the process."""
        super().start()
        process._children.discard(self)

    def command(self) -> list[str]:
        """The command line; it names the worker for people who read process lists."""
        root = str(Path(fanout.__file__).resolve().parent.parent)
        path = [entry for entry in sys.path if entry and Path(entry).exists()]
        arguments = json.dumps([root, path, self.control_fd])
        flags: list[str] = util._args_from_interpreter_flags()
        executable: Any = spawn.get_executable()
        return [os.fsdecode(executable), *flags, "-P", "-c", _BOOT, arguments, self.name]
