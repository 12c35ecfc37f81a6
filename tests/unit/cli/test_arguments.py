"""Arguments: sizes, seconds, counts, and errors of one line with the right exit status."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

from fanout.cli.arguments import byte_size, complain, count, positive_count, seconds
from fanout.cli.main import build_parser, main
from fanout.cli.serve.serve import publisher_options
from fanout.cli.sub.sub import parse_target
from fanout.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("65536", 65_536),
        ("64K", 65_536),
        ("64k", 65_536),
        ("64M", 64 * 1024**2),
        ("64MiB", 64 * 1024**2),
        ("64 MB", 64 * 1024**2),
        ("1.5G", 3 * 1024**3 // 2),
        ("2T", 2 * 1024**4),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert byte_size(text) == size


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (byte_size, ""),
        (byte_size, "M"),
        (byte_size, "-1"),
        (byte_size, "1.5"),
        (byte_size, "64X"),
        (seconds, "soon"),
        (seconds, "-1"),
        (seconds, "nan"),
        (seconds, "inf"),
        (count, "-1"),
        (count, "1.0"),
        (count, "²"),
        (positive_count, "0"),
    ],
)
def test_what_is_no_number_is_refused(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        read(text)


def test_numbers() -> None:
    assert (seconds("0.5"), count("0"), positive_count("7")) == (0.5, 0, 7)


def test_only_given_options_go_to_the_publisher() -> None:
    line = ["serve", "--bind", "tcp://*:5556", "--workers", "2", "--log-bytes", "1M"]
    assert publisher_options(build_parser().parse_args(line)) == {
        "workers": 2,
        "log_bytes": 1024**2,
    }


@pytest.mark.parametrize(
    "line",
    [
        [],
        ["serve"],
        ["serve", "--bind"],
        ["serve", "--bind", "tcp://*:*", "--log-bytes", "many"],
        ["serve", "--bind", "tcp://*:*", "--slow-policy", "hope"],
        ["sub"],
        ["sub", "tcp://127.0.0.1:5556", "--count", "0"],
        ["sub", "tcp://127.0.0.1:5556", "--raw", "--format", "hex"],
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
        (["sub", "nonsense"], "must begin with tcp:// or ipc://"),
        (["sub", "tcp://*:5556"], "is for binding"),
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
    "line", [["--help"], ["serve", "--help"], ["sub", "--help"], ["--version"]]
)
def test_help_and_version(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(line)
    assert stop.value.code == 0
    assert "fanout" in capsys.readouterr().out


@pytest.mark.parametrize("endpoint", ["tcp://*:1", "tcp://127.0.0.1:*", "tcp://h:0", "ipc://*"])
def test_a_subscriber_cannot_connect_to_everywhere(endpoint: str) -> None:
    with pytest.raises(ConfigError):
        parse_target(endpoint)


def test_a_complaint_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    complain("fanout sub", "two\nlines")
    assert capsys.readouterr().err == "fanout sub: two lines\n"
