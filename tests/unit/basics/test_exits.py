"""Exit codes: what each one means is said where people meet it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanout.basics.exits import Exit, describe_exit

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "processes.md"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (None, "ended; another part of this program collected its exit status"),
        (Exit.BUG, "exit status 4: it met a bug of fanout; the traceback is on standard error"),
        (42, "exit status 42"),
        (-9, "killed by SIGKILL (out of memory?)"),
        (-11, "killed by SIGSEGV"),
        (-99, "killed by signal 99"),
    ],
)
def test_an_exit_is_told_in_words(code: int | None, text: str) -> None:
    assert describe_exit(code) == text


def test_every_exit_code_is_in_the_reference() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    rows = [f"| {int(one)} | {one.text} |" for one in Exit]

    assert [row for row in rows if row not in text] == []
