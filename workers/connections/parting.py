"""What the coordinator is told of a connection that has ended: its final figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.basics.system_calls import explain_unwatched, is_exhausted
from fanout.control.messages import Closed
from fanout.reasons import Reason

if TYPE_CHECKING:
    from fanout.control.messages import Adopt
    from fanout.workers.connections.peer import Peer

_ENDED_BY_ITSELF = {
    *(Reason.PUBLISHER_CLOSED, Reason.LEFT, Reason.BROKEN),
    *(Reason.GONE_EARLY, Reason.MECHANISM, Reason.DENIED, Reason.PUT_OFF),
}

_VIOLATIONS = {Reason.VIOLATION, Reason.LIMIT, Reason.KEY}


def is_evicted(cause: Reason, *, was_ready: bool = True) -> bool:
    """Whether a connection that ends by this was ended by us.

    Args:
        was_ready: its handshake was done; else it has never become a subscriber.
    """
    was_one = was_ready or cause not in _VIOLATIONS
    return was_one and cause not in _ENDED_BY_ITSELF


def closed(
    peer: Peer,
    cause: Reason,
    text: str,
    now: int,
    *,
    evicted: bool,
    kernel_bytes: int,
    is_counted: bool,
) -> Closed:
    """Of one that was served.

    Args:
        now: monotonic ns.
        evicted: whether it was ended here.
        kernel_bytes: what it was sent and its host has not acknowledged, as far as that matters.
        is_counted: whether all that it was to be sent is in its figures.
    """
    member = peer.member
    return Closed(
        *(peer.id, evicted, cause.number, text or cause.text),
        *(member.matched, member.sent, member.dropped, member.queued, kernel_bytes),
        *(member.matched_bytes, member.sent_bytes, member.dropped_bytes),
        *(member.queued_bytes, member.conflated, member.conflated_bytes, *member.drops),
        debt=peer.budget.debt(now),
        uncounted=not is_counted,
        chosen_by=peer.goes_by[0],
        policy=peer.goes_by[1],
    )


def given_back(message: Adopt, cause: Reason, text: str) -> Closed:
    """Of one that was never served."""
    who, figures = (message.subscriber, is_evicted(cause)), (0, 0, 0, 0, 0)
    return Closed(*who, cause.number, text, *figures, debt=message.debt)


def unwatched(message: Adopt, error: OSError) -> Closed:
    """Of one that is not served, since the system has no place to watch its socket.

    Raises:
        OSError: it is for something else that it could not be watched.
    """
    if not is_exhausted(error):
        raise error
    why = f"it cannot be watched: {explain_unwatched(error)}"
    return given_back(message, Reason.UNWATCHED, why)
