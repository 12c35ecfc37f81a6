"""Files of passwords: what a line is, and what is said of one that is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.errors import ConfigError
from fanout.security import password_file
from fanout.security.password_file import load_passwords
from fanout.security.passwords import hash_password
from fanout.security.verdicts import Allow, Deny, Request

if TYPE_CHECKING:
    from pathlib import Path

HASH = hash_password("geheim")


def written(folder: Path, text: str) -> Path:
    path = folder / "passwords"
    path.write_text(text, "utf-8")
    return path


def test_a_line_for_each_user(tmp_path: Path) -> None:
    path = written(tmp_path, f"# who may\n\ndesk7:{HASH}\r\n  Jürgen:7:{HASH}  \n")
    check = load_passwords(path)
    assert repr(check) == "<Passwords of 2 users>"
    for user in ("desk7", "Jürgen:7"):
        request = Request(1, "127.0.0.1:5", "tcp://x", "PLAIN", user, "geheim")
        assert check(request) == Allow(user)
    request = Request(1, "127.0.0.1:5", "tcp://x", "PLAIN", "# who may", "geheim")
    assert isinstance(check(request), Deny)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("geheim\n", "passwords, line 1: not user:scrypt"),
        (f"desk7:{HASH}\n\ndesk7:{HASH}\n", "line 3: the user 'desk7' is there already"),
        ("desk7:geheim\n", "passwords: the password of 'desk7' was not made by"),
    ],
)
def test_what_is_no_line_is_named_and_not_shown(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_passwords(written(tmp_path, text))
    assert reason in str(error.value)
    assert "geheim" not in str(error.value)
    assert HASH not in str(error.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_passwords(tmp_path / "none")
    with pytest.raises(ConfigError, match="Is a directory"):
        load_passwords(tmp_path)


def test_a_file_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password_file, "FILE_BYTES_MAX", 100)
    with pytest.raises(ConfigError, match="larger than 100 bytes"):
        load_passwords("/dev/zero")
