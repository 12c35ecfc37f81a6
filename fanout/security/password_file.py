"""Files of users and what is stored of their passwords."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fanout.errors import ConfigError
from fanout.security.passwords import Passwords

if TYPE_CHECKING:
    import os

FILE_BYTES_MAX = 64 * 1024 * 1024  # half a million users; more is some other file


def load_passwords(path: str | os.PathLike[str]) -> Passwords:
    """Read users and passwords: a line for each, `user:scrypt$...`, as `fanout password` prints it.

    Empty lines, and those that begin with #, are skipped. It is read once: who wants a change to
    count makes another publisher, or a check of his own.

    Raises:
        ConfigError: it cannot be read, or a line is none. The text names file and line, and has
            nothing of what is in them but a user.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(f"{path}: larger than {FILE_BYTES_MAX:,} bytes")
    stored: dict[str, str] = {}
    for number, raw in enumerate(data.splitlines(), start=1):
        line = raw.decode("utf-8", "surrogateescape").strip()
        if not line or line.startswith("#"):
            continue
        user, colon, made = line.rpartition(":")
        if not colon:
            raise ConfigError(f"{path}, line {number}: not user:scrypt$…, see `fanout password`")
        if user in stored:
            raise ConfigError(f"{path}, line {number}: the user {user!r} is there already")
        stored[user] = made
    try:
        return Passwords(stored)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
