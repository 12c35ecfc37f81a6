"""The file of a Unix socket: whose it is, and when it may be removed.

A Unix socket leaves a file behind when its process is killed. Such a stale file is replaced, one
that somebody still listens on is not, and a file that is not a socket is never touched. libzmq
removes all three, and so takes the subscribers of a publisher that runs.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fanout.errors import BindError
from fanout.transport.advice import advice
from fanout.transport.left_file import birth_of, is_listening

_FileIdentity = tuple[int, int]  # st_dev, st_ino


@dataclass(frozen=True, slots=True)
class SocketFile:
    """A socket file that this process made and will remove."""

    path: Path  # absolute: the user may change the directory
    identity: _FileIdentity
    directory: Path | None  # a directory made for it alone
    owner_pid: int
    birth: bytes  # see `birth_of`

    @property
    def left(self) -> list[bytes]:
        """For `left_file.remove_left()`, in a process that outlives this one."""
        directory = b"" if self.directory is None else os.fsencode(self.directory)
        return [os.fsencode(self.path), self.birth, directory]

    def remove(self) -> None:
        """Remove the file if it is still ours and this is the process that made it."""
        if os.getpid() != self.owner_pid:
            return
        with suppress(OSError):
            if _identity(os.lstat(self.path)) == self.identity:
                self.path.unlink()
        if self.directory is not None:
            with suppress(OSError):  # not empty: somebody else put something there
                self.directory.rmdir()


def file_made(endpoint: str, path: str, directory: Path | None) -> SocketFile:
    """Take hold of the socket file that was just bound.

    Args:
        endpoint: as the user gave it, for the error.
        path: where it was bound; the current directory is still the same.
        directory: what `fresh_directory` made for it.

    Raises:
        BindError: somebody removed it already.
    """
    try:
        status = os.lstat(path)
    except OSError as error:
        problem = "the socket file was removed while it was being bound"
        raise BindError(endpoint, problem, error.errno) from error
    return SocketFile(
        Path(path).absolute(), _identity(status), directory, os.getpid(), birth_of(status)
    )


def fresh_directory(endpoint: str) -> Path:
    """Make a directory for one socket file, in the temporary directory.

    Raises:
        BindError: none can be made there.
    """
    # Imported here: it imports `random`, and a user's own random.py may be found in its place.
    import tempfile

    try:
        return Path(tempfile.mkdtemp(prefix="fanout-"))
    except OSError as error:
        problem = f"no directory can be made for it in {tempfile.gettempdir()!r}: {advice(error)}"
        raise BindError(endpoint, problem, error.errno) from error


def remove_stale(endpoint: str, path: str) -> bool:
    """Remove the socket file at `path` if nobody listens on it.

    The check and the removal are two steps. A process that binds the path between them would lose
    its file; the window is some microseconds, and the file's identity narrows it further.

    Returns:
        True if the path is free now, False if it is in use.

    Raises:
        BindError: what is there is not a socket, or it may not be probed or removed.
    """
    try:
        status = os.lstat(path)
        if not stat.S_ISSOCK(status.st_mode):
            problem = "a file that is not a socket is in its place; it was left alone"
            raise BindError(endpoint, problem, errno.EADDRINUSE)
        if is_listening(path):
            return False
        if _identity(os.lstat(path)) == _identity(status):
            os.unlink(path)
    except FileNotFoundError:
        return True  # gone in the meantime
    except BindError:
        raise
    except OSError as error:
        problem = f"a socket file is in its place, and it cannot be replaced: {advice(error)}"
        raise BindError(endpoint, problem, error.errno) from error
    return True


def _identity(status: os.stat_result) -> _FileIdentity:
    return status.st_dev, status.st_ino
