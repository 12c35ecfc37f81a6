"""Those who read: all that comes, or too little of it."""

from __future__ import annotations

from soaking.crowds.base import Crowd
from soaking.crowds.stranger import Gone
from soaking.crowds.wire import subscribe

SWEEP_S = 0.1
SIP_S = 0.5
SIP_BYTES = 4_096


class Readers(Crowd):
    """Each wants the shared feed T and an inbox Z<i> of its own, and takes all of it.

    They are read in sweeps, so that thousands of them leave the cores to the publisher.
    """

    returns = True
    _swept = 0.0

    def wants(self, index: int) -> bytes:
        return subscribe((b"T", b"Z%d" % index))

    def act(self, now: float) -> None:
        if now < self._swept + SWEEP_S:
            return
        self._swept = now
        for stranger in self.members:
            try:
                stranger.discard()
            except Gone:
                self.lose(stranger)


class Sippers(Crowd):
    """Each reads a little now and then, so that it is in the middle of one message for long."""

    receive_buffer = 4_096
    returns = True
    _sipped = 0.0

    def wants(self, index: int) -> bytes:
        return subscribe((b"F",))

    def act(self, now: float) -> None:
        if now < self._sipped + SIP_S:
            return
        self._sipped = now
        for stranger in self.members:
            try:
                stranger.discard(SIP_BYTES)
            except Gone:
                self.lose(stranger)
