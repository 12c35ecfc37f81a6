"""A replay: what a member is sent that was published before it wanted it. Pure data.

It is a member that is behind like others, only further back than what it has matched: what it wants
of a stretch that it has not come to yet is not known, and is counted when it comes to it. To count
it before would take as long as to look for it, and some are gone before they have got it all.

Who wants to know where that ends is sent a *mark* there: see `Member.mark`.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgpack

from fanout.terms.reserved import SINCE_TOPIC
from fanout.zmtp.frames import encode_message


@dataclass(slots=True)
class Replay:
    """How far that goes.

    Args:
        until: from this message on it has wanted what it wants: there its own policy holds again.
        stop: what it wants below this was not counted when it was asked for.
        counted: below this it is by now.
    """

    until: int
    stop: int
    counted: int


def mark_of(at: int, epoch: int) -> bytes:
    """What a subscriber is sent that has got all that it had missed, as it would lie in the log.

    Args:
        at: from this message on it gets what it wants by itself.
    """
    return encode_message((SINCE_TOPIC, msgpack.packb({"epoch": epoch, "at": at})))
