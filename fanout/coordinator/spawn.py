"""Starting worker processes, from any kind of program.

`multiprocess` spawns by running the user's main module again, which needs an
`if __name__ == "__main__"` guard and does not work from standard input. Our workers need nothing of
the user's program, so their command imports our entry point only. The process is exec'ed at once
(vfork semantics): nothing of the user's process, its threads and locks above all, is forked.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
from contextlib import suppress
from typing import Any

from multiprocess import process, spawn, util
from multiprocess.popen_spawn_posix import Popen

from fanout.basics.descriptors import standard_taken
from fanout.basics.system_calls import dispensable, needed
from fanout.errors import StartupError

# What a worker does before it is one. The path of the parent comes first of all, so that every
# module is the one that the parent would find. `fanout` itself is taken from where the parent has
# it, whatever is found on the path; a frozen program has it in no file, and the path decides.
# asyncio does without what we have no use for, 5 MB of each worker: see `lean`. A worker
# never collects garbage, nor what is loaded now: there is none. Python does so at the end, whatever
# it was told, and would look through all that was loaded: 6 % of what a start takes.
_BOOT = """\
import gc, sys
gc.disable()
name, control, root, *path = sys.argv[1:]
sys.path[:] = [*path, *(entry for entry in sys.path if entry not in path)]
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
spec = PathFinder.find_spec("fanout", [root])
if spec is not None:
    sys.modules["fanout"] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules["fanout"])
from fanout.workers import lean
lean.begin()
from fanout.workers.main import main
lean.end()
gc.freeze()
sys.exit(main(int(control)))
"""
_ENTRY_BYTES_MAX = 4096  # PATH_MAX: nothing can be there under a longer name


_NAME_ONE = "name a Python that has fanout by multiprocess.set_executable()"


def check_python() -> None:
    """Find out, before anything is started, whether there is a Python to start workers with.

    A program that is no Python, a frozen one or one that embeds it, would run itself again for each
    worker. What it is cannot be seen from outside with certainty, so a program that finds itself
    started as a worker refuses as well: that ends it with the first.

    Raises:
        StartupError: there is none; the text says what to do.
    """
    given = spawn.get_executable()
    executable = os.fsdecode(given) if given else ""
    if not executable:
        raise StartupError(
            f"there is no Python to run workers: sys.executable is empty; {_NAME_ONE}"
        )
    if getattr(sys, "frozen", False) and executable == sys.executable:
        raise StartupError(
            f"this program is frozen (sys.frozen): {executable!r} would run the program again in "
            f"place of a worker; run it by a Python, or {_NAME_ONE}"
        )
    if not (os.path.isfile(executable) and os.access(executable, os.X_OK)):
        raise StartupError(
            f"there is no Python to run workers: {executable!r} (sys.executable) is no file that "
            f"can be executed; {_NAME_ONE}"
        )
    if _was_started_as_worker():
        raise StartupError(
            f"this program was run in place of a worker: its executable {executable!r} is no "
            f"Python; {_NAME_ONE}"
        )


def _was_started_as_worker() -> bool:
    try:
        with open("/proc/self/cmdline", "rb") as file:
            return os.fsencode(_BOOT) in file.read().split(b"\0")
    except OSError:  # no /proc
        return _BOOT in sys.argv


class _ExecPopen(Popen):  # type: ignore[misc]  # multiprocess has no types
    """Starts the worker's command instead of the user's main module.

    What is done with the process later goes by a pidfd, not by its number: a program may ignore
    SIGCHLD, or collect exit statuses itself, and then the number may be another process's already.
    """

    returncode: int | None

    def _launch(self, process_obj: WorkerProcess) -> None:
        with standard_taken():
            self._execute(process_obj)

    def _execute(self, process_obj: WorkerProcess) -> None:
        with needed("clone, vfork or execve", "starts the workers"):
            self.pid = util.spawnv_passfds(
                spawn.get_executable(), process_obj.command(), [process_obj.control_fd]
            )
        # A pipe that its end closes would not tell, if the user forks while it is being made: the
        # child of that fork would hold it open.
        try:
            with needed("pidfd_open", "tells when a worker has ended"):
                self.sentinel: int = os.pidfd_open(self.pid)  # readable = the process has ended
        except ProcessLookupError:
            raise ProcessLookupError(errno.ESRCH, "its process has ended at once") from None
        except BaseException:
            with suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            raise
        self.finalizer = util.Finalize(self, util.close_fds, (self.sentinel,))

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        """The exit code; None if it runs, or has ended and nobody knows how."""
        if self.returncode is None:
            with suppress(ChildProcessError), dispensable():  # somebody else has collected it
                ended = os.waitid(os.P_PIDFD, self.sentinel, os.WEXITED | flag)
                if ended is not None:
                    is_exit = ended.si_code == os.CLD_EXITED
                    self.returncode = ended.si_status if is_exit else -ended.si_status
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """As `poll()`, once it has ended or so many seconds have passed."""
        poller = select.poll()
        poller.register(self.sentinel, select.POLLIN)
        poller.poll(None if timeout is None else timeout * 1000)
        return self.poll()

    def _send_signal(self, sig: int) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):  # it has ended
                signal.pidfd_send_signal(self.sentinel, sig)


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

    def abort(self) -> None:
        """Have it print the stacks of its threads and end, whatever Python does in it.

        Raises:
            PermissionError: as `kill()`: this program has given up the rights that it had.
        """
        self._popen._send_signal(signal.SIGABRT)

    def close(self) -> None:
        """Release what is held for it; also where nobody knows how it ended, or whether."""
        if self._popen is not None and self._popen.poll() is None:
            self._popen.returncode = 0  # multiprocess releases nothing of one without
        super().close()

    def command(self) -> list[str]:
        """The command line; it names the worker for people who read process lists."""
        root = os.path.abspath(os.path.join(__file__, *[os.pardir] * 3))
        flags: list[str] = util._args_from_interpreter_flags()
        executable: Any = spawn.get_executable()
        program = [os.fsdecode(executable), *flags, "-P", "-c", _BOOT]
        return [*program, self.name, str(self.control_fd), root, *path_for_workers()]


def path_for_workers() -> list[str]:
    """This program's `sys.path` in its order, but for the folder of the script, which comes last.

    Python puts that folder first, or the current one for `-c`, `-m` and standard input; a user's
    own `queue.py` there must not stand for that of the standard library. What is vendored in it is
    still found. Entries that cannot be handed over are left out: Python would skip them as well.

    What a frozen program has there is of its own Python, and of no use to another.
    """
    if getattr(sys, "frozen", False):
        return []
    entries = [entry for entry in sys.path if _can_be_an_argument(entry)]
    folders = _script_folders()
    return sorted(dict.fromkeys(entries), key=lambda entry: entry in folders)  # a stable sort


def _script_folders() -> set[str]:
    """What `sys.path[0]` may be because of how this program was started."""
    if sys.flags.safe_path:
        return set()
    main = sys.modules.get("__main__")
    script, spec = (getattr(main, name, None) for name in ("__file__", "__spec__"))
    if isinstance(script, str) and (spec is None or spec.name == "__main__"):  # a folder or zip
        return {os.path.dirname(script), os.path.dirname(os.path.realpath(script))}
    return {"", process.ORIGINAL_DIR or ""}  # the current directory at the start


def _can_be_an_argument(entry: object) -> bool:
    if not isinstance(entry, str) or "\0" in entry:
        return False
    try:
        return len(os.fsencode(entry)) < _ENTRY_BYTES_MAX
    except UnicodeEncodeError:  # a name that no file can have
        return False
