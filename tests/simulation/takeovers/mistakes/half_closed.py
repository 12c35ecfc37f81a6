"""Ways to break what becomes of a subscriber that ends its side of the connection, and reads on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.reasons import Reason
from fanout.transport import kernel
from fanout.transport.kernel import Counts
from fanout.workers.connections.half_closed import HalfClosed
from tests.simulation.takeovers.mistakes.known import replaces

if TYPE_CHECKING:
    from fanout.workers.connections.peer import Peer


@replaces(HalfClosed, "at_end")
def take_who_ends_its_side_for_gone(_original: Any, self: HalfClosed, peer: Peer, now: int) -> None:
    del now
    self._desk.close(peer, Reason.LEFT)


@replaces(kernel, "stream_counts")
def count_the_end_of_its_stream_as_said(
    original: Any, sock: Any, *rest: Any, **more: Any
) -> Counts | None:
    counts: Counts | None = original(sock, *rest, **more)
    if counts is None or kernel.half_closed(sock) is None:
        return counts
    return Counts(counts.written, counts.read + 1)
