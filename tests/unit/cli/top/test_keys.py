"""Keys out of the bytes of a terminal."""

from __future__ import annotations

import pytest

from fanout.cli.top.keys import keys_of


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"qR", ["q", "R"]),
        (b"\x1b[A\x1bOB", ["up", "down"]),
        (b"\x1b[5~\x1b[6~", ["page up", "page down"]),
        (b"\x1b", ["escape"]),
        (b"\r\n", ["enter", "enter"]),
        (b"\x7f\x15\x0c\x04", ["backspace", "clear", "redraw", "end of input"]),
        (b" ", [" "]),
        ("ü".encode(), ["ü"]),
        (b"\xff\x07a", ["a"]),
        (b"\x1b[1;5Aa", ["a"]),  # Ctrl-Up, which is not known
        (b"\x1b[200~", []),
        (b"\x1b[", []),
        (b"\x1bO", []),
    ],
)
def test_keys(data: bytes, keys: list[str]) -> None:
    assert list(keys_of(data)) == keys
