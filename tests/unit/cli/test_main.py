"""The command line as a whole: help, version, errors of one line with the right exit status."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tomllib
from functools import partial
from pathlib import Path

import pytest

from fanout.cli.main import main

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "line",
    [
        [],
        ["serve"],
        ["serve", "--bind"],
        ["serve", "--bind", "tcp://*:*", "--log-bytes", "many"],
        ["serve", "--bind", "tcp://*:*", "--slow-policy", "hope"],
        ["serve", "--bind", "tcp://*:*", "--slow-limit", "age=3"],
        ["serve", "--bind", "tcp://*:*", "--slow-rule", "conflate"],
        ["sub"],
        ["sub", "tcp://127.0.0.1:5556", "--count", "0"],
        ["sub", "tcp://127.0.0.1:5556", "--raw", "--format", "hex"],
        ["serve", "--bind", "tcp://*:*", "--log", "1M"],
        ["top", "--interval", "0.01"],
        ["top", "--sort", "colour"],
        ["top", "--json", "--csv"],
        ["top", "--pid", "0"],
        ["nothing"],
    ],
)
def test_arguments_that_cannot_be_read_are_one_line_and_status_2(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(line)
    output = capsys.readouterr()
    assert stop.value.code == 2
    assert output.out == ""
    assert output.err.startswith("fanout")
    assert output.err.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["serve", "--bind", "tcp://*:*", "--workers", "1000"], "workers=1,000 is out of range"),
        (["serve", "--bind", "tcp://*:5556", "--bind", "udp://*:1"], "udp://"),
        (["serve", "--bind", "tcp://*:*", "--format", "ndjson"], "needs --topic-key"),
        (["serve", "--bind", "tcp://*:*", "--topic-key", "a"], "of no use"),
        (["top", "--json", "--interval", "0"], "needs --once"),
        (["sub", "nonsense"], "must begin with tcp://, tls:// or ipc://"),
        (["sub", "tcp://*:5556"], "is for binding"),
        (["sub", "tcp://h:1", "--since", "bla"], "--since takes 10s (seconds), 1000 (messages)"),
        (
            ["sub", "tcp://h:1", "--since", "-10m"],
            "of which the first has 16 hex digits, not '-10m'",
        ),
        (["sub", "tcp://*:1", "--since", "-10s"], "is for binding"),
        (["sub", "tcp://h:1", "--rate", "--raw"], "--raw prints payloads, and --rate prints none"),
        (["sub", "tcp://h:1", "--since", "1:2"], "of which the first has 16 hex digits, not '1:2'"),
    ],
)
def test_options_that_cannot_work_are_one_line_and_status_2(
    line: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"fanout {line[0]}: ")
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (
            ["serve", "--bind", "tcp://*:1", "--slow-polcy", "block"],
            "fanout serve: unrecognized arguments: --slow-polcy block; did you mean --slow-policy? "
            "(see: fanout serve --help)\n",
        ),
        (
            ["serve", "--bnd", "tcp://*:1"],
            "fanout serve: unrecognized arguments: --bnd; did you mean --bind?; the following "
            "arguments are required: --bind (see: fanout serve --help)\n",
        ),
        (
            ["serve", "--", "--bnd"],
            "fanout serve: the following arguments are required: --bind "
            "(see: fanout serve --help)\n",
        ),
        (
            ["sub", "tcp://h:1", "--qqqq"],
            "fanout sub: unrecognized arguments: --qqqq (see: fanout sub --help)\n",
        ),
        (
            ["--versio", "sub", "tcp://h:1"],
            "fanout: unrecognized arguments: --versio; did you mean --version? "
            "(see: fanout --help)\n",
        ),
    ],
)
def test_an_option_that_is_not_known_names_the_help_to_read(
    line: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(line)
    assert stop.value.code == 2
    assert capsys.readouterr().err == error


@pytest.mark.parametrize(
    "line", [["--help"], ["serve", "--help"], ["sub", "--help"], ["--version"]]
)
def test_help_and_version(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(line)
    assert stop.value.code == 0
    assert "fanout" in capsys.readouterr().out


def test_the_version_is_that_of_the_distribution(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = importlib.metadata.version(project["name"])
    for is_compiled, are_boxes, words in (
        (True, True, "compiled"),
        (False, False, "pure Python"),
        (True, False, "compiled, but for CURVE"),
        (False, True, "pure Python, but for CURVE"),
    ):
        monkeypatch.setattr("fanout.cli.main.is_compiled", partial(bool, is_compiled))
        monkeypatch.setattr("fanout.cli.main.are_boxes_compiled", partial(bool, are_boxes))
        with pytest.raises(SystemExit):
            main(["--version"])
        assert capsys.readouterr().out == f"fanout {version} ({words})\n"


def test_what_the_named_subcommand_does_not_need_is_not_loaded() -> None:
    """Each of these takes a third of the start of `fanout sub`, or a good part of that."""
    program = """
import sys
before = {*sys.modules}  # coverage, where it is measured, loads some of them, too
from fanout.cli.main import build_parser
build_parser(["sub"])
others = {"fanout.cli.serve.command", "fanout.cli.top.command", "importlib.metadata"}
print(*sorted(others & {*sys.modules} - before))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")
