"""Those who never become a subscriber: silence, half a greeting, and what is no ZMTP."""

from __future__ import annotations

import random

from soaking.crowds.base import Crowd
from soaking.crowds.wire import GREETING

GARBAGE_BYTES = 200


class Halfway(Crowd):
    """Connections that stay half open for as long as they are let, and come again.

    A third says nothing, a third half a greeting, and a third garbage.
    """

    returns = True
    at_once = 1 << 20  # all of them are on the way for ever

    def __init__(self, host: str, port: int, count: int) -> None:
        super().__init__(host, port, count)
        self._random = random.Random(1)

    def opening(self, index: int) -> bytes:
        self.tried.add(index)
        match index % 3:
            case 0:
                return b""
            case 1:
                return GREETING[:32]
            case _:
                return self._random.randbytes(GARBAGE_BYTES)
