"""Why a connection is of no use any more."""

from __future__ import annotations

import errno
import os

import pytest

from fanout.reasons import Reason
from fanout.workers.stream.effects import broken


@pytest.mark.parametrize(
    ("number", "reason", "text"),
    [
        (errno.ECONNRESET, Reason.BROKEN, "reading failed: Connection reset by peer"),
        (errno.ETIMEDOUT, Reason.UNACKNOWLEDGED, Reason.UNACKNOWLEDGED.text),
    ],
)
def test_tcp_that_gives_up_is_told_from_what_broke(number: int, reason: Reason, text: str) -> None:
    assert broken(OSError(number, os.strerror(number)), "reading failed") == (reason, text)
