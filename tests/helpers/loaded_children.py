"""Children of the benchmarks and the soak that have nothing to load, as programs in `loaded.py`.

Each session of theirs starts some processes, and each of these takes 0.1 to 0.4 s of a core until
it has loaded fanout, pyzmq and the harness: longer than the little that it does in a test. So they
are forked from a process that has. Whatever has another environment than that one (another Python,
folder, variable or limit) is started as users have it; so are the workers of their publishers.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

from benchmarks import children
from tests.helpers.loaded import Loaded
from tests.helpers.nursery import surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LOADED = (
    *("asyncio", "runpy", "zmq", "fanout.engine.engine", "fanout.asyncio"),
    *("benchmarks.host", "benchmarks.receiver", "benchmarks.peers.fanout"),
    *("soaking.publishing", "soaking.attacking", "soaking.listening", "soaking.pauses"),
)
# As `python -m`: the module is loaded once more, as the main one.
_RUN = """\
import runpy, sys
sys.argv.pop(0)
sys.modules.pop(sys.argv[0], None)
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def _variables() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


class LoadedChildren:
    """Starts them in the place of `subprocess`; any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._surroundings = surroundings(_variables())
        self.loaded = Loaded(LOADED, (), _variables())

    def popen(self, command: Sequence[str], **how: Any) -> subprocess.Popen[bytes]:
        """As `subprocess.Popen`, of what `benchmarks.children` starts."""
        if surroundings(how["env"]) != self._surroundings:
            return subprocess.Popen(command, **how)
        with self._lock:
            return _LoadedChild(self.loaded, command, how)


class _LoadedChild(subprocess.Popen[bytes]):
    def __init__(self, loaded: Loaded, command: Sequence[str], how: dict[str, Any]) -> None:
        self._loaded = loaded
        (descriptor,) = how["pass_fds"]
        self._passed = descriptor
        self._request = {
            "program": _RUN,
            "arguments": command[2:],
            "folder": os.getcwd(),
            "environment": how["env"],
            "cores": sorted(os.sched_getaffinity(0)),
            "passed": [descriptor],
            "session": how["start_new_session"],
        }
        super().__init__(command, **how)

    def _execute_child(self, *of: Any) -> None:
        """See `LoadedProgram`."""
        ends = of[10:16]
        born = self._loaded.fork(self._request, [self._passed, ends[0], ends[3], ends[5]])
        if born <= 0:
            super()._execute_child(*of)  # type: ignore[misc]  # it has no types
            return
        self.pid, self._child_created = born, True
        self._close_pipe_fds(*ends)  # type: ignore[attr-defined]


@contextmanager
def loaded_children() -> Iterator[None]:
    """A block in which the children of `benchmarks.children` have nothing to load."""
    starting = LoadedChildren()
    names = {**vars(subprocess), "Popen": starting.popen}
    try:
        with mock.patch.object(children, "subprocess", SimpleNamespace(**names)):
            yield
    finally:
        starting.loaded.close()
