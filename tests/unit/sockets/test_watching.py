"""That a socket cannot be watched, in the words of who is told."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

import pytest

from fanout.sockets.plug import Plug
from fanout.sockets.watching import refusal

if TYPE_CHECKING:
    from fanout.sockets.dial import Dial


class Full:
    """Watches nothing, for this reason; 0 = it does."""

    def __init__(self, number: int) -> None:
        self._number = number

    def watch(self, plug: Plug, *, read: bool, write: bool) -> None:
        assert (read, write) == (True, False)
        if self._number:
            raise OSError(self._number, os.strerror(self._number))

    def forget(self, plug: Plug) -> None:
        raise AssertionError("nothing is forgotten")

    def resolve(self, dial: Dial, host: str, port: int) -> None:
        raise AssertionError("nothing is connected to")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, ""),
        (errno.ENOMEM, "its socket cannot be watched: Cannot allocate memory"),
        (
            errno.ENOSPC,
            "its socket cannot be watched: this user may watch no more sockets; "
            "raise fs.epoll.max_user_watches",
        ),
    ],
)
def test_why_it_cannot(number: int, text: str) -> None:
    with socket.socket() as sock:
        assert refusal(Full(number), Plug(sock), read=True, write=False) == text
