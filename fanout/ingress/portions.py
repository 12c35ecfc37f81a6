"""From messages that were found to what is appended to the log, in pieces that it can hold. Pure.

Mostly one read is one piece, and goes in by one commit. With `sequence_frame` each message gets a
frame more, as if it had been published here.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from fanout.send.attempt import Attempt, attempt_batch, attempt_joined
from fanout.send.wire import NUMBER_FRAME
from fanout.zmtp.frames import LONG, LONG_HEADER_BYTES, MORE, SHORT_HEADER_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.ingress.splitting import FoundMessages
    from fanout.ingress.terms import Terms
    from fanout.send.path import SendPath
    from fanout.shm.log import Buffer


class Portions(NamedTuple):
    """How what producers send goes into the log of a publisher."""

    path: SendPath
    terms: Terms

    @property
    def message_limit(self) -> int:
        """Bytes on the wire that a message may have as it comes."""
        limit = self.terms.limit
        return limit - len(NUMBER_FRAME) if self.terms.numbered else limit

    def of(self, found: FoundMessages) -> Iterator[Attempt]:
        """All that was found, in order."""
        data: Buffer = found.pieces[0] if len(found.pieces) == 1 else b"".join(found.pieces)
        ends, topics = found.ends, found.topics
        numbered, limit, count_limit, *_ = self.terms
        more = len(NUMBER_FRAME) if numbered else 0
        first, begin = 0, 0
        while first < len(ends):
            last = _fitting(ends, first, begin + limit, more)
            last = min(last, first + count_limit)
            end = ends[last - 1]
            its_ends, its_topics = ends[first:last], topics[first:last]
            if numbered:
                starts = [begin, *its_ends[:-1]]
                wires = [with_number(data[a:b]) for a, b in zip(starts, its_ends, strict=True)]
                yield attempt_batch(self.path, wires, its_topics)
            else:
                if begin:
                    its_ends = [one - begin for one in its_ends]
                yield attempt_joined(self.path, data[begin:end], its_ends, its_topics)
            first, begin = last, end


def _fitting(ends: list[int], first: int, limit: int, more: int) -> int:
    """Up to which message, from `first` on, they end within the limit; one of them does.

    Args:
        more: bytes that each of them gets.
    """
    if not more and ends[-1] <= limit:  # the usual case: all fit into one
        return len(ends)

    def end_of(index: int) -> int:
        return ends[index] + more * (index - first + 1)

    return max(first + 1, first + bisect_right(range(first, len(ends)), limit, key=end_of))


def with_number(wire: Buffer) -> bytes:
    """A whole message with one frame more, which has room for its number."""
    offset = 0
    while wire[offset] & MORE:
        if wire[offset] & LONG:
            size = int.from_bytes(wire[offset + 1 : offset + LONG_HEADER_BYTES], "big")
            offset += LONG_HEADER_BYTES + size
        else:
            offset += SHORT_HEADER_BYTES + wire[offset + 1]
    return b"".join(
        (wire[:offset], bytes((wire[offset] | MORE,)), wire[offset + 1 :], NUMBER_FRAME)
    )
