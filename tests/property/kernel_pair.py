"""A real connection, and the model of our end of it: both take the same steps at random.

How much a send takes is the kernel's affair: the model is told that.
"""

from __future__ import annotations

import array
import errno
import fcntl
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.simulation.kernel import Connection


class KernelPair:
    """Two ends, the model of ours, and the steps that are the same for every kind of socket.

    Attributes:
        ours, theirs: the ends.
        model: of ours.
        steps: what was done, for people.
    """

    receive_flags: tuple[int, ...]  # with which `receive` takes, or looks at, what has come

    def __init__(
        self, rng: Random, ours: socket.socket, theirs: socket.socket, model: Connection
    ) -> None:
        self._rng = rng
        self.ours, self.theirs = ours, theirs
        for end in (ours, theirs):
            end.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, rng.choice((4_096, 65_536)))
        self.model = model
        self.steps: list[str] = []

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()

    def send(self) -> None:
        data = self._rng.randbytes(self._rng.choice((1, 10, 3_000)))
        real = outcome(self.ours.send, data)
        waiting = self.model.send_buffer - self.model.room
        if isinstance(real, int):
            self.model.send_buffer = waiting + real
        elif real == "EAGAIN":
            self.model.send_buffer = waiting
        self._agree(real, outcome(self.model.send, data), f"send {len(data)}")

    def receive(self) -> None:
        size = self._rng.choice((1, 10, 3_000))
        flags = self._rng.choice(self.receive_flags)
        mine = outcome(self.model.recv, size, flags)
        self._agree(outcome(self.ours.recv, size, flags), mine, f"recv {size}, {flags}")

    def be_told(self) -> None:
        data = self._rng.randbytes(self._rng.choice((1, 10, 3_000)))
        real = outcome(self.theirs.send, data)
        if isinstance(real, int):
            self._agree(real, self.model.say(data[:real]), f"be told {real}")

    def _agree(self, real: Any, mine: Any, step: str) -> None:
        self.steps.append(step)
        assert mine == real, f"{mine!r} is not {real!r}: {self.steps}"


def outcome(act: Callable[..., Any], *arguments: Any) -> Any:
    """What comes of it; of an error its name."""
    try:
        return act(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def asked(sock: socket.socket, question: int) -> int:
    """What the kernel counts, by its ioctl."""
    answer = array.array("i", [0])
    fcntl.ioctl(sock.fileno(), question, answer)
    return answer[0]
