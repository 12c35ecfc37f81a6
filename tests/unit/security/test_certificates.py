"""Key pairs in files, as pyzmq has them, both ways."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
import zmq.auth
from zmq.utils import z85

from fanout.errors import ConfigError
from fanout.security.certificates import (
    FILE_BYTES_MAX,
    create_certificates,
    load_certificate,
    load_certificates,
    read_certificate,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_pyzmq_reads_what_is_made_here(tmp_path: Path) -> None:
    public, secret = create_certificates(tmp_path, "desk7", {"name": "desk7"})
    assert zmq.auth.load_certificate(secret) == load_certificate(secret)
    assert zmq.auth.load_certificate(public) == load_certificate(public)
    both = load_certificate(secret)
    assert both[1] is not None
    assert zmq.curve_public(both[1]) == both[0]
    assert load_certificate(public) == (both[0], None)
    assert read_certificate(public).metadata == {"name": "desk7"}
    assert len(z85.decode(both[1])) == 32
    assert load_certificates(tmp_path) == zmq.auth.load_certificates(tmp_path)


def test_what_pyzmq_makes_is_read_here(tmp_path: Path) -> None:
    _, secret = zmq.auth.create_certificates(tmp_path, "a", {"name": "desk7"})
    os.chmod(secret, 0o600)
    assert load_certificate(secret) == zmq.auth.load_certificate(secret)
    # It writes what is said of the owner into the secret one alone.
    assert read_certificate(secret).metadata == {"name": "desk7"}


def test_a_secret_is_ours_alone_and_is_not_shown(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        _, secret = create_certificates(tmp_path, "a")
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(secret).st_mode) == 0o600
    found = read_certificate(secret)
    assert found.secret is not None
    assert found.secret not in repr(found)
    os.chmod(secret, 0o644)
    with pytest.warns(UserWarning, match="others can read this secret key"):
        load_certificate(secret)


def test_nothing_is_overwritten_and_nothing_half_left(tmp_path: Path) -> None:
    (tmp_path / "a.key").write_text("mine")
    with pytest.raises(ConfigError, match="File exists"):
        create_certificates(tmp_path, "a")
    assert sorted(os.listdir(tmp_path)) == ["a.key"]
    with pytest.raises(ConfigError, match="lines of text"):
        create_certificates(tmp_path, "b", {"name": "x\npublic-key = y"})
    with pytest.raises(ConfigError, match="No such file"):
        create_certificates(tmp_path / "nowhere", "a")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no certificate"),
        ('secret-key = "' + "0" * 40 + '"\n', "no certificate"),
        ('public-key = "short"\n', "public-key"),
        ("#" * (FILE_BYTES_MAX + 1), "no certificate"),
    ],
)
def test_what_is_none(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "a.key").write_text(text)
    os.chmod(tmp_path / "a.key", 0o600)
    with pytest.raises(ConfigError, match=why) as error:
        load_certificates(tmp_path)
    assert "short" not in str(error.value)
    with pytest.raises(ConfigError, match="No such file"):
        load_certificate(tmp_path / "b.key")
