"""Programs that have nothing to load: forked from a process that did, as children of this one.

A publisher's process takes 0.3 s of a core until it has loaded what every publisher loads. Where
tests run many programs that are about what comes after that, one process loads it, and a fork of it
becomes each of them: with its own arguments, folder, environment and standard streams, as a child
of this process, whose end and exit status are seen. Its workers are started as users have it. So is
a program that is about how it is loaded: it is started by `subprocess` itself.

`FANOUT_NURSERY=off` starts all of them as users have it; so does a machine whose `clone` is not
known (`tests/helpers/nursery.py`).
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from textwrap import indent
from typing import TYPE_CHECKING, Any, Self

from tests.helpers.nursery import OF_MEASURING, forked_on_demand, is_possible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

REQUEST_BYTES_MAX = 1 << 20  # an example is some thousand bytes, an environment as much

# What is loaded is never garbage. A fork would look through it as it ends, and copy its pages.
_SERVE = """\
def _next():
    import gc, importlib, json, os, socket, sys
    for name in sys.argv[2:]:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    asked = socket.socket(fileno=int(sys.argv[1]))
FORK
    said = json.loads(said)
    for passed, number in zip(descriptors, said.get("passed", ())):
        os.dup2(passed, number)
        if passed != number:
            os.close(passed)
    if said.get("session"):
        os.setsid()
    os.sched_setaffinity(0, said["cores"])
    os.chdir(said["folder"])
    os.environ.clear()
    os.environ.update(said["environment"])
    sys.argv[:] = ["-c", *said.get("arguments", ())]
    return compile(said["program"], "<string>", "exec")
exec(globals().pop("_next")())
"""


class Loaded:
    """Starts programs that have loaded some modules, of which each is forked.

    Args:
        modules: what is loaded.
        options: of the interpreter.
        environment: with which it loads; that of each program has the same `PYTHON*` variables.
    """

    def __init__(
        self, modules: Sequence[str], options: Sequence[str], environment: dict[str, str]
    ) -> None:
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        if not is_possible():
            return
        self._asked, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        serve = _SERVE.replace("FORK", indent(forked_on_demand(REQUEST_BYTES_MAX), "    "))
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, *options, "-c", serve, str(theirs.fileno()), *modules],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={name: environment[name] for name in environment if not _measures(name)},
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it; programs that it has started go on."""
        if self._process is not None:
            self._asked.close()
            self._process.wait()

    def start(
        self,
        program: str,
        folder: str,
        environment: dict[str, str],
        *,
        stdin: int = subprocess.DEVNULL,
        text: bool = True,
    ) -> LoadedProgram:
        """Start a program, whose output and errors are read from pipes."""
        arguments = [*self._options, "-c", program]
        return LoadedProgram(self, arguments, folder, environment, stdin=stdin, text=text)

    def fork(self, request: dict[str, Any], streams: Sequence[int]) -> int:
        """Have one forked; returns its number, or 0 if it is to be started as users have it.

        Args:
            request: its program, folder, environment and cores; and if it has them, its arguments,
                which numbers the streams that are passed have in it, and if it leads a session.
            streams: what is passed, and the standard ones.
        """
        if self._process is None:
            return 0
        socket.send_fds(self._asked, [json.dumps(request).encode()], streams)
        return int.from_bytes(self._asked.recv(8), "little", signed=True)


class LoadedProgram(subprocess.Popen[Any]):
    """One of these, as `subprocess` has them."""

    def __init__(
        self,
        loaded: Loaded,
        arguments: list[str],
        folder: str,
        environment: dict[str, str],
        *,
        stdin: int,
        text: bool,
    ) -> None:
        self._loaded = loaded
        self._request = {
            "program": arguments[-1],
            "folder": folder,
            "environment": environment,
            "cores": sorted(os.sched_getaffinity(0)),
        }
        super().__init__(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=text,
        )

    def _execute_child(self, *of: Any) -> None:
        """Instead of what `subprocess` does; `of` has one order in all Pythons from 3.11 on."""
        ends = of[10:16]
        assert all(isinstance(end, int) for end in ends), "another order than in Python 3.11"
        born = self._loaded.fork(self._request, [ends[0], ends[3], ends[5]])
        if born <= 0:
            super()._execute_child(*of)  # type: ignore[misc]  # it has no types
            return
        self.pid, self._child_created = born, True
        self._close_pipe_fds(*ends)  # type: ignore[attr-defined]


def _measures(name: str) -> bool:
    return name.startswith(OF_MEASURING)
