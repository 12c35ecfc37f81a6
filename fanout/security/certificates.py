"""Certificates of CURVE: key pairs in files, as `zmq.auth` of pyzmq makes and reads them.

NAME.key has the public key and whatever else is said of its owner, NAME.key_secret both keys.
"""

from __future__ import annotations

import os
import re
import secrets
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fanout.basics.descriptors import standard_taken
from fanout.errors import ConfigError
from fanout.security.curve import raw_key, sodium
from fanout.security.z85 import z85_encode

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE_BYTES_MAX = 64 * 1024  # a certificate has some hundred; more is some other file
FILES_MAX = 10_000  # certificates of one directory
KEY_BYTES = 32
_SECRET_MODE = 0o600
_KEY = re.compile(r'^\s*(public|secret)-key\s*=\s*"([^"]*)"\s*$')
_SAID = re.compile(r"^\s*([A-Za-z0-9_.-]+)\s*=\s*(.*?)\s*$")
_PUBLIC = """\
#   ZeroMQ CURVE Public Certificate
#   Exchange securely, or use a secure mechanism to verify the contents
#   of this file after exchange.

"""
_SECRET = """\
#   ZeroMQ CURVE **Secret** Certificate
#   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions.

"""


class Certificate(NamedTuple):
    """What is in one; its repr has nothing secret."""

    public: str
    """Z85."""

    secret: str | None
    """Z85; None = it has the public key alone."""

    metadata: dict[str, str]
    """What else it says of its owner; `name` is the user, for `Directory`."""

    def __repr__(self) -> str:
        return f"<Certificate {self.public}>"


def create_certificates(
    directory: str | os.PathLike[str], name: str, metadata: Mapping[str, str] | None = None
) -> tuple[str, str]:
    """Make a key pair, and write it to NAME.key and NAME.key_secret, which only we may read.

    Args:
        directory: where; it must be there. Files of these names are not overwritten.
        metadata: what else the public one says, lines of text.

    Returns:
        Both paths, the public one first.

    Raises:
        ConfigError: there is such a file already, or none can be written, or the metadata have
            more than a line, or PyNaCl is not installed, or too old. What was begun is removed.
    """
    said = "".join(f"    {key} = {value}\n" for key, value in (metadata or {}).items())
    if len(said.splitlines()) != len(metadata or {}):
        raise ConfigError("the metadata of a certificate are lines of text")
    secret = secrets.token_bytes(KEY_BYTES)
    lines = f'metadata\n{said}curve\n    public-key = "{z85_encode(sodium().public_of(secret))}"\n'
    public_path = os.path.join(directory, f"{name}.key")
    secret_path = os.path.join(directory, f"{name}.key_secret")
    _write(secret_path, f'{_SECRET}{lines}    secret-key = "{z85_encode(secret)}"\n', _SECRET_MODE)
    try:
        _write(public_path, _PUBLIC + lines, 0o644)
    except BaseException:
        os.unlink(secret_path)
        raise
    return public_path, secret_path


def read_certificate(path: str | os.PathLike[str]) -> Certificate:
    """Read a certificate.

    Raises:
        ConfigError: it cannot be read, or is none. The text has nothing of what is in it.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
            mode = os.fstat(file.fileno()).st_mode
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    keys: dict[str, str] = {}
    metadata: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        if line.lstrip().startswith("#"):
            continue
        found, said = _KEY.match(line), _SAID.match(line)
        if found is not None:
            keys[found[1]] = z85_encode(raw_key(found[2], f"{path}: its {found[1]}-key"))
        elif said is not None:
            metadata[said[1]] = said[2]
    if len(data) > FILE_BYTES_MAX or "public" not in keys:
        raise ConfigError(f"{path}: no certificate of CURVE (no public-key in it)")
    if "secret" in keys and mode & 0o077:
        warnings.warn(f"{path}: others can read this secret key: chmod 600", stacklevel=3)
    return Certificate(keys["public"], keys.get("secret"), metadata)


def load_certificate(path: str | os.PathLike[str]) -> tuple[bytes, bytes | None]:
    """The public key of a certificate, and the secret one if it has that, in Z85; as in pyzmq.

    Raises:
        ConfigError: as `read_certificate`.
    """
    found = read_certificate(path)
    return found.public.encode(), None if found.secret is None else found.secret.encode()


def load_certificates(directory: str | os.PathLike[str] = ".") -> dict[bytes, bool]:
    """The public keys, in Z85, of all *.key of a directory, each with True; as in pyzmq.

    Raises:
        ConfigError: it is no directory, has more than 10,000 of them, or one is none.
    """
    return {one.public.encode(): True for one in read_directory(directory)}


def read_directory(directory: str | os.PathLike[str]) -> list[Certificate]:
    """All *.key of a directory, by name.

    Raises:
        ConfigError: as `load_certificates`.
    """
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".key"))
    except OSError as error:
        raise ConfigError(f"{directory}: {error.strerror}") from None
    if len(names) > FILES_MAX:
        raise ConfigError(f"{directory}: more than {FILES_MAX:,} certificates")
    return [read_certificate(os.path.join(directory, name)) for name in names]


def _write(path: str, text: str, mode: int) -> None:
    try:
        with standard_taken():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except BaseException:
        os.unlink(path)
        raise
