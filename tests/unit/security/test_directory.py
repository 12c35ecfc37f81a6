"""Who is let in by certificates in a directory that changes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fanout.errors import ConfigError
from fanout.security.certificates import create_certificates, read_certificate
from fanout.security.directory import LOOK_EACH, Directory
from fanout.security.verdicts import Allow, Deny, Request

if TYPE_CHECKING:
    from pathlib import Path

    from fanout.security.verdicts import Verdict


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def ask(directory: Directory, key: str) -> Verdict:
    return directory(Request(1, "127.0.0.1:5", "tcp://x", "CURVE", public_key=key))


def make(path: Path, file: str, **metadata: str) -> str:
    public, _ = create_certificates(path, file, metadata)
    return read_certificate(public).public


def test_who_has_a_certificate_is_let_in_with_his_rights(tmp_path: Path) -> None:
    named, bare = make(tmp_path, "a", name="desk7"), make(tmp_path, "b")
    directory = Directory(tmp_path, {"desk7": ["md.eu."]})
    assert ask(directory, named) == Allow("desk7", subscribe=["md.eu."])
    assert ask(directory, bare) == Allow(bare)
    assert ask(directory, "0" * 40) == Deny("unknown key")
    assert ask(directory, "") == Deny("unknown key")
    assert repr(directory) == f"<Directory {tmp_path} of 2 keys>"


def test_it_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    clock = Clock()
    first = make(tmp_path, "a")
    directory = Directory(tmp_path, clock=clock)
    second = make(tmp_path, "b")
    os.unlink(tmp_path / "a.key")
    assert ask(directory, second) == Deny("unknown key"), "not before its time"
    clock.now += LOOK_EACH
    assert ask(directory, second) == Allow(second)
    assert ask(directory, first) == Deny("unknown key")


def test_it_says_that_nobody_is_let_in_once_for_each_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    directory = Directory(tmp_path, clock=clock)
    for _ in range(3):
        clock.now += LOOK_EACH
        assert ask(directory, "0" * 40) == Deny("unknown key")
    assert caplog.messages == [f"{tmp_path} has no certificate: nobody is let in before it has"]
    key = make(tmp_path, "a")
    clock.now += LOOK_EACH
    assert ask(directory, key) == Allow(key)
    os.unlink(tmp_path / "a.key")
    clock.now += LOOK_EACH
    assert ask(directory, key) == Deny("unknown key")
    assert len(caplog.messages) == 2


def test_what_cannot_be_read_puts_off_and_is_forgiven(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        Directory(tmp_path / "nowhere")
    clock = Clock()
    key = make(tmp_path, "a")
    directory = Directory(tmp_path, clock=clock)
    (tmp_path / "bad.key").write_text("half of a")
    clock.now += LOOK_EACH
    with pytest.raises(ConfigError, match="no certificate"):
        ask(directory, key)
    os.unlink(tmp_path / "bad.key")
    assert ask(directory, key) == Allow(key), "it was not read, so it is tried at once"


def test_rules_are_checked_when_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="are a dict, user -> prefixes, not list"):
        Directory(tmp_path, [("desk7", ["md.eu."])])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a list of prefixes"):
        Directory(tmp_path, {"desk7": "md.eu."})
