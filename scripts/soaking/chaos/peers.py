"""What a subscriber of either kind does, and how fast it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from soaking.chaos.people import CRAWLS, READS, SIPS, STOPS

if TYPE_CHECKING:
    from soaking.chaos.oracles import Wrong
    from soaking.chaos.people import Person
    from soaking.chaos.silence import Silence

READ_BYTES = 1 << 18
SIP_BYTES, CRAWL_BYTES = 2_048, 20_000  # at once; a second
STOP_S = 0.5  # so long it reads, and so long it does not
RETRY_S = 0.3  # until one that was closed comes again


class Peer(Protocol):
    """A subscriber of either kind.

    Attributes:
        ended: connections that were lost after their handshake.
        half_open: those that were lost before.
    """

    person: Person
    silence: Silence
    ended: int
    half_open: int
    wrong: Wrong | None

    @property
    def received(self) -> int:
        """Messages on the connection that it has."""
        ...

    def turn(self, now: float, *, all_of_it: bool) -> int:
        """Read what it may now, and say something; returns bytes, or about as many."""
        ...

    def has_all(self, published: int) -> bool:
        """Whether nothing more has to come."""
        ...

    def figures(self, published: int) -> dict[str, Any]:
        """For the process that judges; nothing more comes."""
        ...

    def close(self) -> None:
        """Leave."""
        ...


class Pace:
    """How many bytes one may read now."""

    def __init__(self, pace: str, began: float) -> None:
        self._pace = pace
        self._began = began
        self._read = 0

    def allowed(self, now: float) -> int:
        """So many; 0 = it does not read now."""
        if self._pace == READS:
            return READ_BYTES
        if self._pace == SIPS:
            return SIP_BYTES
        passed = now - self._began
        if self._pace == STOPS:
            return READ_BYTES if int(passed / STOP_S) % 2 == 0 else 0
        assert self._pace == CRAWLS
        return max(0, int(passed * CRAWL_BYTES) - self._read)

    def read(self, size: int) -> None:
        """So many were read."""
        self._read += size


def common(peer: Peer) -> dict[str, Any]:
    """What all of them say of themselves."""
    wrong = peer.wrong
    return {
        "ended": peer.ended,
        "half_open": peer.half_open,
        "wrong": None if wrong is None else [wrong.fault.value, str(wrong)],
    }
