"""What is said of files that a publisher leaves: paths and numbers of any kind come through."""

from __future__ import annotations

import os

from fanout.control.leftovers import LeftFile
from fanout.control.messages import decode, encode, pack


def test_any_path_and_any_number_come_through() -> None:
    path = os.fsencode("/run/") + b"\xff" * 100
    left = LeftFile([path, b"%d %d %d" % (1 << 63, 1 << 63, 1 << 62), b""], True)

    assert decode(pack([encode(left)])) == [left]
