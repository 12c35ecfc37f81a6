"""Child processes that never outlive the harness."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any, Self

from benchmarks.channel import Channel, ChannelClosed, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import IO

PR_SET_PDEATHSIG = 1
CLOSE_SECONDS = 10.0  # a publisher with a drain timeout of 5 s ends by itself within this
OTHER_DESCRIPTORS = 100  # of a process besides its subscribers: its own, and those of its children
OUTPUT_TAIL = 2_000  # bytes of a failed child's output that are shown
END_SECONDS = 5.0  # until one has ended whose channel or pipe is at its end


class ChildFailed(Exception):
    """A child process ended, or reported an error, before it had done its work."""


def die_with_parent() -> None:
    """Asks the kernel to kill this process when its parent ends, however that ends."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def raise_descriptor_limit() -> int:
    """Raises the soft limit of open files to the hard one; returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def require_descriptors(sockets: int) -> None:
    """Says what is missing before so many sockets fail to open one by one.

    Raises:
        OSError: the hard limit of open files is too low for them.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = sockets + OTHER_DESCRIPTORS
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise OSError(
            errno.EMFILE,
            f"{sockets:,} subscribers need {needed:,} open files in one process, and the hard "
            f"limit is {hard:,} (ulimit -Hn)",
        )


class Child:
    """A Python module of this package in its own process, with a channel to it.

    Args:
        environment: what it has beside that of this process.
    """

    def __init__(
        self, module: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> None:
        ours, theirs = socket.socketpair()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the child)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(theirs.fileno()), *arguments],
                pass_fds=[theirs.fileno()],
                # The child finds what this process finds, wherever it was started from.
                env=os.environ
                | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
                | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own, to be killed with all its children
            )
        self.channel = Channel(ours)
        self.pid = self._process.pid

    def ask(self, timeout: float, **message: Any) -> Message:
        """Sends a message and waits for the answer."""
        self.tell(**message)
        return self.answer(timeout)

    def tell(self, **message: Any) -> None:
        """Sends a message.

        Raises:
            ChildFailed: the child is gone.
        """
        try:
            self.channel.send(**message)
        except ChannelClosed as error:
            raise ChildFailed(last_words(self._process, self._output)) from error

    def answer(self, timeout: float) -> Message:
        """Waits for the next answer, at most `timeout` seconds.

        Raises:
            TimeoutError: none came in time.
            ChildFailed: the child is gone, or reports an error.
        """
        try:
            message = self.channel.receive(timeout)
        except ChannelClosed as error:
            raise ChildFailed(last_words(self._process, self._output)) from error
        if "error" in message:
            raise ChildFailed(message["error"])
        return message

    def close(self) -> None:
        """Ends the child and everything that it has started."""
        self.channel.close()
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


def last_words(process: subprocess.Popen[bytes], output: IO[bytes]) -> str:
    """How a process has ended that does not answer any more, and the last of what it said."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    output.seek(0, os.SEEK_END)
    output.seek(max(0, output.tell() - OUTPUT_TAIL))
    text = output.read().decode(errors="replace").strip()
    return f"process ended with {process.returncode}: {text}"


def run_child(main: Callable[[Channel, Sequence[str]], None]) -> None:
    """Runs the body of a child process; its errors go to the harness."""
    die_with_parent()
    raise_descriptor_limit()
    channel = Channel.from_descriptor(int(sys.argv[1]))
    try:
        main(channel, sys.argv[2:])
    except ChannelClosed:
        pass  # the harness is done with us
    except Exception as error:
        with contextlib.suppress(ChannelClosed):
            channel.send(error=f"{type(error).__name__}: {error}")
        raise
