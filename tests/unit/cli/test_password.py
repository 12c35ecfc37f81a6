"""`fanout password`: from standard input, or a terminal, to a line of a file."""

from __future__ import annotations

import getpass
import io
import sys
from typing import TYPE_CHECKING, Any

import pytest

from fanout.cli.arguments import OK, USAGE
from fanout.cli.main import main
from fanout.security.password_file import load_passwords
from fanout.security.verdicts import Allow, Request

if TYPE_CHECKING:
    from pathlib import Path


def lets_in(line: str, folder: Path, user: str, password: str) -> bool:
    path = folder / "passwords"
    path.write_text(line, "utf-8")
    request = Request(1, "127.0.0.1:5", "tcp://x", "PLAIN", user, password)
    return load_passwords(path)(request) == Allow(user)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("text", ["geheim", "geheim\n", "geheim\r\n", "geheim\nnot this\n"])
def test_from_standard_input(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert main(["password", "desk7"]) == OK
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert lets_in(line, tmp_path, "desk7", "geheim")


def test_from_a_terminal_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return "geheim"

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", ask)
    assert main(["password", "desk7"]) == OK
    assert len(asked) == 2
    assert lets_in(capsys.readouterr().out, tmp_path, "desk7", "geheim")


@pytest.mark.parametrize(
    ("stdin", "typed", "user", "text"),
    [
        (io.StringIO(""), [], "desk7", "has no password"),
        (None, [], "desk7", "standard input is closed"),
        (Terminal(), ["one", "other"], "desk7", "two passwords"),
        (Terminal(), [""], "desk7", "no password"),
        (io.StringIO("geheim"), [], "#desk7", "USER is one line"),
        (io.StringIO("geheim"), [], "desk\n7", "USER is one line"),
        (io.StringIO("geheim"), [], " desk7", "USER is one line"),
        (io.StringIO("x" * 256), [], "desk7", "up to 255 bytes"),
    ],
)
def test_what_cannot_be(
    stdin: Any,
    typed: list[str],
    user: str,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers = iter(typed)
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(getpass, "getpass", lambda _prompt: next(answers))
    assert main(["password", user]) == USAGE
    captured = capsys.readouterr()
    assert text in captured.err
    assert "geheim" not in captured.err
    assert captured.out == ""
