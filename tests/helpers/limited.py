"""Runs the tests, but not for ever: says where who hangs, ends all, and lets nobody stay.

    python -m tests.helpers.limited SECONDS COMMAND...

Its exit status is that of the command, or 1 if a process hung, died in the middle, or stayed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.helpers.programs import is_alive
from tests.helpers.watchdog import FOLDER, STACKS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LOOK_EVERY_S = 1.0
PRINTING_S = 20.0  # within it a process that is asked to has printed its stacks
EXECUTING_S, EXECUTING_LOOKS = 0.001, 20  # how often it is looked again for an environment
LEAVING_S = 60.0  # within it whatever the tests have started is gone, after their end

_never = threading.Event()


class Run:
    """All processes of one run of the tests: they have its folder in their environment.

    Args:
        folder: where the processes write what they are at, and stacks.
    """

    def __init__(self, folder: Path) -> None:
        self.went_wrong = False
        self._folder = folder
        self._mark = f"{FOLDER}={folder}".encode()
        self._printed: dict[Path, int] = {}

    def processes(self) -> list[psutil.Process]:
        """Those that are there; of users of this machine who are nobody else."""
        return [process for process in psutil.process_iter() if self._is_of_the_run(process)]

    def look(self) -> None:
        """Print new stacks, and who died in the middle; end what such have left."""
        self.print_stacks()
        for path in self._folder.glob("*.at"):
            if not is_alive(int(path.stem)):
                self.went_wrong = True
                _say(f"{self._name(path)}, ended in the middle of that")
                path.unlink()
                # A child of a fork keeps open by what xdist would notice the end.
                self.end(self._orphans())

    def print_stacks(self) -> None:
        """What is new of them."""
        for path in sorted(self._folder.glob("*.stacks")):
            text = path.read_text(encoding="utf-8", errors="replace")
            new = text[self._printed.get(path, 0) :]
            if new:
                self._printed[path] = len(text)
                self.went_wrong = True
                _say(f"stacks of {self._name(path)}", new)

    def show(self, processes: Sequence[psutil.Process]) -> None:
        """Print what they are, and the stacks of those that can."""
        asked = set()
        for process in processes:
            _say(f"there is {process.pid}: {_command(process)}")
            if _catches(process, STACKS):
                process.send_signal(STACKS)
                asked.add(self._folder / f"{process.pid}.stacks")
        deadline = time.monotonic() + PRINTING_S
        before = dict(self._printed)
        while time.monotonic() < deadline and any(
            self._printed.get(path) == before.get(path) for path in asked
        ):
            _never.wait(LOOK_EVERY_S / 10)
            self.print_stacks()

    def end(self, processes: Sequence[psutil.Process]) -> None:
        """Kill them."""
        for process in processes:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue

    def _is_of_the_run(self, process: psutil.Process) -> bool:
        try:
            return self._mark in environment_of(process.pid).split(b"\0")
        except OSError:  # it has ended, or is another user's
            return False

    def _orphans(self) -> list[psutil.Process]:
        mine = {child.pid for child in psutil.Process().children(recursive=True)}
        return [process for process in self.processes() if process.pid not in mine]

    def _name(self, path: Path) -> str:
        at = path.with_suffix(".at")
        try:
            seconds = time.time() - at.stat().st_mtime
            what = at.read_text(encoding="utf-8") or "nothing"
        except FileNotFoundError:
            return f"process {path.stem}, at its exit"
        return f"process {path.stem}, for {seconds:.0f} s at {what}"


def _read_environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def environment_of(pid: int, read: Callable[[int], bytes] = _read_environment) -> bytes:
    """With what it was started.

    There is nothing to be read for some microseconds in which it becomes another program.

    Raises:
        OSError: it has ended, or is no program.
    """
    for _ in range(EXECUTING_LOOKS):
        found = read(pid)
        if found:
            break
        os.readlink(f"/proc/{pid}/exe")
        _never.wait(EXECUTING_S)
    return found


def _catches(process: psutil.Process, number: int) -> bool:
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    caught = next(line.split()[1] for line in lines if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (number - 1) & 1)


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:200] or process.name()
    except psutil.Error:
        return "gone"


def _say(what: str, text: str = "") -> None:
    print(f"\n== {what}\n{text}", end="", flush=True)


def run(seconds: float, command: Sequence[str], leaving_s: float = LEAVING_S) -> int:
    """The command with a limit; returns its exit status."""
    signal.signal(signal.SIGINT, lambda *_: None)  # who sees to it is the command
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="fanout-tests-") as folder:
        run = Run(Path(folder))
        deadline = time.monotonic() + seconds
        try:
            process = subprocess.Popen(command, env={**os.environ, FOLDER: folder})
            while process.poll() is None and time.monotonic() < deadline:
                _wait(process)
                run.look()
            if process.poll() is None:
                _say(f"not over within {seconds:.0f} s")
                run.went_wrong = True
                run.show(run.processes())
            else:
                _see_them_leave(run, leaving_s)
                run.look()
        finally:
            run.end(run.processes())
        status = process.wait()
        return status if status > 0 else int(status != 0 or run.went_wrong)


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(LOOK_EVERY_S)
    except subprocess.TimeoutExpired:
        return


def _see_them_leave(run: Run, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while left := run.processes():
        if time.monotonic() > deadline:
            _say("these have not ended with the tests")
            run.went_wrong = True
            run.show(left)
            return
        _never.wait(LOOK_EVERY_S / 10)


if __name__ == "__main__":
    sys.exit(run(float(sys.argv[1]), sys.argv[2:]))
