"""Programs of users, in processes of their own, and what they leave behind."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias

import psutil

from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

ROOT = Path(__file__).parents[2]


class Program:
    """A running Python program; killed when the block that holds it is left.

    Args:
        arguments: of the interpreter.
        directory: where it runs.
    """

    def __init__(self, arguments: list[str], directory: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def line(self) -> str:
        """The next line of its output."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().rstrip("\n")
        if not line:
            assert self.process.stderr is not None
            raise AssertionError(f"it ended: {self.process.stderr.read()}")
        return line

    def say(self, line: str = "") -> None:
        """Give it a line of its input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def finish(self, text: str = "") -> tuple[str, str]:
        """Give it the rest of its input; returns its output and errors when it has ended well."""
        output, errors = self.process.communicate(text, timeout=DEADLINE_S)
        assert self.process.returncode == 0, errors
        return output, errors


def outputs_of(script: str, hash_seeds: Iterable[int]) -> set[bytes]:
    """What it prints in processes in each of which sets of bytes have another order."""
    return {
        subprocess.check_output(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            timeout=DEADLINE_S,
        )
        for seed in hash_seeds
    }


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has collected yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def children(pid: int | str = "self") -> set[int]:
    """The processes that a process has started and that were not collected yet.

    To ask each process of the machine whose it is takes ten times as long.
    """
    tasks = list(Path(f"/proc/{pid}/task").glob("*/children"))
    if not tasks and pid == "self":  # the kernel was built without these files
        return {child.pid for child in psutil.Process().children()}
    found: set[int] = set()
    for task in tasks:
        with suppress(OSError):  # the thread has ended
            found.update(map(int, task.read_text().split()))
    return found


def descendants(pid: int | str = "self") -> set[int]:
    """The same, and what these have started."""
    found = children(pid)
    return found.union(*map(descendants, found))


Holdings: TypeAlias = tuple[set[str], set[int], set[str]]


def holdings() -> Holdings:
    """What this process has: descriptors, children and threads."""
    gc.collect()  # what earlier tests have left in exceptions and frames
    tasks = Path("/proc/self/task").glob("*/comm")
    threads = {str(task.parent.name) for task in tasks}
    return descriptors(), children(), threads


def descriptors() -> set[str]:
    """Those of this process, with what each is of."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
        except FileNotFoundError:
            continue  # that of the listing itself
    return found


def require_holdings(before: Holdings, where: str = "") -> None:
    """The process has what it had before, or soon has.

    A thread that was joined is gone for Python, and the system may take a moment longer; one whose
    end nobody could wait for, because of an interruption, closes what it has in a moment. For the
    same reason what was there before may hold a thread or a child of an earlier test that is just
    ending, or the last timer of `tests/helpers/watchdog.py`: there may be fewer of them now. A
    descriptor less would be one closed by mistake.
    """
    now = holdings()
    if not _is_no_more(now, before):
        wait_until(
            lambda: _is_no_more(holdings(), before), f"{where}: nothing but {before}, found {now}"
        )


def _is_no_more(now: Holdings, before: Holdings) -> bool:
    """Whether nothing was added to what there was before."""
    return now[0] == before[0] and now[1] <= before[1] and now[2] <= before[2]


def pause(pid: int) -> None:
    """Stop a process, and wait until it stands still: a signal takes a moment to get there."""
    os.kill(pid, signal.SIGSTOP)
    process = psutil.Process(pid)
    wait_until(lambda: process.status() == psutil.STATUS_STOPPED, "its pause")


@contextmanager
def paused(pid: int) -> Iterator[None]:
    """The same for as long as the block runs."""
    try:
        pause(pid)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
