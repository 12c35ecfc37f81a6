"""Secret keys in files: bare ones, and those of pyzmq; what is wrong is named, not shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import zmq.auth

from fanout.errors import ConfigError
from fanout.security.key_file import FILE_BYTES_MAX, load_secret_key
from fanout.security.z85 import z85_decode

if TYPE_CHECKING:
    from pathlib import Path

KEY = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"


@pytest.mark.parametrize(
    "text", [KEY, f"{KEY}\n", f"# of the feed\n#\n\n  {KEY}  \n", f'secret-key = "{KEY}"\n']
)
def test_a_key(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    assert load_secret_key(tmp_path / "key") == z85_decode(KEY)


def test_a_key_that_begins_as_a_comment(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("#" + "0" * 39)
    with pytest.raises(ConfigError, match="what is in it is no key"):  # larger than 4 bytes
        load_secret_key(tmp_path / "key")
    (tmp_path / "key").write_text("#0000" * 8)
    with pytest.raises(ConfigError, match="what is in it is no key"):
        load_secret_key(tmp_path / "key")


def test_a_certificate_of_pyzmq(tmp_path: Path) -> None:
    public, secret = zmq.auth.create_certificates(tmp_path, "server")
    _, expected = zmq.auth.load_certificate(secret)
    assert expected is not None
    assert load_secret_key(secret) == z85_decode(expected.decode())
    with pytest.raises(ConfigError, match="not a file with one secret key"):
        load_secret_key(public)


@pytest.mark.parametrize(
    "text",
    ["", "# nothing\n", f"{KEY}\n{KEY}\n", KEY[:-1], "x" * (FILE_BYTES_MAX + 1), "\xff" * 40],
)
def test_what_is_none_is_not_shown(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError) as caught:
        load_secret_key(tmp_path / "key")
    assert str(tmp_path / "key") in str(caught.value)
    assert not text or text[:20] not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_secret_key(tmp_path / "key")
