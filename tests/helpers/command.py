"""The `fanout` command as a process of its own, with its lines waited for by deadline."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.helpers.lines import Lines
from tests.helpers.loaded import Loaded
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator
    from types import TracebackType

ROOT = Path(__file__).parents[2]
# What `fanout serve` and `fanout sub` load, which takes longer than most of what they then do.
LOADED = (
    *("fanout.cli.main", "fanout.cli.serve.command", "fanout.cli.sub.command"),
    *("fanout.publisher", "fanout.engine.engine", "json", "msgpack"),
)
PROGRAM = """\
import sys
from fanout.cli.main import main
sys.argv[:] = {}
sys.exit(main())
"""


class Commands:
    """Starts commands: the first has one process load them, which all are forked from."""

    def __init__(self) -> None:
        self._loaded: Loaded | None = None

    def start(self, arguments: list[str]) -> subprocess.Popen[Any]:
        """Start one, with pipes, as a child of this process."""
        if self._loaded is None:
            self._loaded = Loaded(LOADED, (), dict(os.environ))
        program = PROGRAM.format(["fanout", *arguments])
        return self._loaded.start(
            program, str(ROOT), dict(os.environ), stdin=subprocess.PIPE, text=False
        )

    def close(self) -> None:
        """End that process."""
        if self._loaded is not None:
            self._loaded.close()


_commands: list[Commands] = []  # that of the block, if there is one


@contextmanager
def loaded_commands() -> Iterator[None]:
    """A block in which commands have nothing to load; their workers start as those of users do."""
    commands = Commands()
    _commands.append(commands)
    try:
        yield
    finally:
        _commands.remove(commands)
        commands.close()


class Command:
    """A running `fanout ...`; killed when the block that holds it is left.

    Attributes:
        error_lines: what it has written to standard error so far.
    """

    def __init__(self, *arguments: str) -> None:
        self.process = _started([*arguments])
        assert self.process.stderr is not None
        self._errors = Lines(self.process.stderr)
        self.error_lines = self._errors.said

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
        self._errors.join()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def write(self, data: bytes) -> None:
        """Writes to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def end_input(self) -> None:
        """Closes its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def read_line(self) -> bytes:
        """Returns the next line of its standard output."""
        assert self.process.stdout is not None
        line: bytes = self.process.stdout.readline()
        return line

    def send_signal(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Waits for its end; returns its exit status."""
        status = self.process.wait(DEADLINE_S)
        self._errors.join(DEADLINE_S)
        return status

    def error_line(self, wanted: Callable[[str], bool]) -> str:
        """Waits for a line on standard error that is `wanted`, and returns it."""
        return self._errors.first(lambda line: line if wanted(line) else None)


def _started(arguments: list[str]) -> subprocess.Popen[Any]:
    if _commands:
        return _commands[-1].start(arguments)
    return subprocess.Popen(
        [sys.executable, "-m", "fanout", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
