"""The reason of an end, found by how its sentence begins."""

from __future__ import annotations

from fanout.control.messages import Closed
from fanout.reasons import Reason

_BEGINNINGS = {
    "the publisher was closed": Reason.PUBLISHER_CLOSED,
    "closed by the subscriber": Reason.LEFT,
    "gone before it was adopted": Reason.GONE_EARLY,
    "its worker has no descriptors": Reason.NO_DESCRIPTOR,
    "violated ZMTP": Reason.VIOLATION,
    "no handshake in time": Reason.HANDSHAKE_TIMEOUT,
    "answers no PING": Reason.HEARTBEAT_TIMEOUT,
    "silent for longer": Reason.TTL,
    "took nothing": Reason.SEND_TIMEOUT,
    "does not read the answers": Reason.UNREAD_ANSWERS,
    "changed its subscriptions": Reason.RESTLESS,
}


def cause_of(sentence: str) -> int:
    """The number of its reason; of a broken connection if it begins like none of the others."""
    for beginning, reason in _BEGINNINGS.items():
        if sentence.startswith(beginning):
            return reason.number
    return Reason.BROKEN.number


def never_served(subscriber: int, evicted: bool, reason: str) -> Closed:
    """The end of a connection that no worker could serve."""
    return Closed(subscriber, evicted, cause_of(reason), reason, 0, 0, 0, 0, 0)
