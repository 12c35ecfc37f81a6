"""Files with a key: a line of Z85, or what `zmq.auth.create_certificates` makes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from fanout.errors import ConfigError
from fanout.security.curve import raw_key

if TYPE_CHECKING:
    import os

FILE_BYTES_MAX = 64 * 1024  # a certificate has some hundred; more is some other file
_IN_CERTIFICATE = {
    kind: re.compile(rf'^\s*{kind}-key\s*=\s*"([^"]*)"\s*$', re.MULTILINE)
    for kind in ("public", "secret")
}


def load_secret_key(path: str | os.PathLike[str]) -> bytes:
    """Read a secret key of CURVE; 32 bytes, for `Curve`.

    Args:
        path: of a file with 40 characters of Z85 in its only line, beside empty ones and those that
            begin with `# `; or of a secret certificate, as pyzmq makes them.

    Raises:
        ConfigError: it cannot be read, or has no secret key. The text has nothing of what is in it.
    """
    return _load(path, "secret")


def load_public_key(path: str | os.PathLike[str]) -> bytes:
    """Read a public key of CURVE; 32 bytes, for `CurveClient`.

    Args:
        path: of a file with 40 characters of Z85, as that of `load_secret_key`; or of a
            certificate, as `fanout keys` and pyzmq make them.

    Raises:
        ConfigError: it cannot be read, or has no public key. The text has nothing of what is in it.
    """
    return _load(path, "public")


def _load(path: str | os.PathLike[str], kind: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    text = data.decode("utf-8", "replace")
    found = _IN_CERTIFICATE[kind].findall(text)
    if not found:
        # A key may begin with any character of Z85, # among them: but no blank follows.
        lines = [line.strip() for line in text.splitlines()]
        found = [line for line in lines if line and not f"{line} ".startswith("# ")]
    if len(data) > FILE_BYTES_MAX or len(found) != 1:
        raise ConfigError(f"{path}: not a file with one {kind} key, in Z85 or as pyzmq has it")
    return raw_key(found[0], f"{path}: what is in it")
