"""The ring of ends: final figures of the last connections, written by the coordinator.

An entry says which end it is of, so that a reader which is overtaken sees that it was.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.reasons import Reason
from fanout.shm import layout as at
from fanout.shm.cards import number_of_version, version_of_number
from fanout.shm.fence import keep_order
from fanout.shm.words import read_text, words_at, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.shm.segment import Segment

_WORDS = at.CLOSED_ENTRY_BYTES // at.WORD
NO_DROPS = (0,) * at.DROPS


@dataclass(frozen=True, slots=True)
class End:
    """How a connection ended; counters are in messages, where they do not say bytes."""

    subscriber: int
    worker: int
    opened: int  # monotonic ns
    closed: int  # monotonic ns
    reason: Reason
    matched: int
    sent: int
    dropped: int
    discarded: int
    kernel_bytes: int  # handed to the kernel, not acknowledged by the peer
    peer: str
    text: str  # the reason in words, cut to TEXT_BYTES
    matched_bytes: int = 0
    sent_bytes: int = 0
    dropped_bytes: int = 0
    discarded_bytes: int = 0
    conflated: int = 0
    conflated_bytes: int = 0
    drops: tuple[int, ...] = NO_DROPS  # for each of `DROPPING` but the first; then bytes
    version: str = ""  # of ZMTP, "" if its handshake was never done
    name: str = ""  # what it called itself
    exact: bool = True  # False = some of it may be missing, or in `discarded` although it was sent


class ClosedRing:
    """The last CLOSED_ENTRIES ends. One process writes, any reads."""

    def __init__(self, segment: Segment) -> None:
        layout = segment.layout
        self._header = segment.words
        size = at.CLOSED_ENTRIES * at.CLOSED_ENTRY_BYTES
        self._words = words_at(segment, layout.closed, size)

    @property
    def count(self) -> int:
        """Ends ever written."""
        count: int = self._header[at.H_CLOSED_COUNT]
        return count

    def add(self, end: End) -> None:
        """Write one more end, in the place of the oldest."""
        number = self.count + 1
        entry = self._entry(number)
        entry[at.E_NUMBER] = 0
        keep_order()
        entry[at.E_ID] = end.subscriber
        entry[at.E_WORKER] = end.worker
        entry[at.E_OPENED] = end.opened
        entry[at.E_CLOSED] = end.closed
        entry[at.E_REASON] = end.reason.number
        entry[at.E_MATCHED] = end.matched
        entry[at.E_SENT] = end.sent
        entry[at.E_DROPPED] = end.dropped
        entry[at.E_DISCARDED] = end.discarded
        entry[at.E_KERNEL_BYTES] = end.kernel_bytes
        entry[at.E_MATCHED_BYTES] = end.matched_bytes
        entry[at.E_SENT_BYTES] = end.sent_bytes
        entry[at.E_DROPPED_BYTES] = end.dropped_bytes
        entry[at.E_DISCARDED_BYTES] = end.discarded_bytes
        entry[at.E_CONFLATED] = end.conflated
        entry[at.E_CONFLATED_BYTES] = end.conflated_bytes
        entry[at.E_DROPS : at.E_DROPS + at.DROPS] = array("Q", end.drops)
        entry[at.E_INEXACT] = not end.exact
        write_text(entry, at.E_PEER, at.PEER_BYTES, end.peer)
        write_text(entry, at.E_TEXT, at.TEXT_BYTES, end.text)
        write_text(entry, at.E_NAME, at.NAME_BYTES, end.name)
        entry[at.E_PROTOCOL] = number_of_version(end.version)
        keep_order()
        entry[at.E_NUMBER] = number
        keep_order()
        self._header[at.H_CLOSED_COUNT] = number

    def since(self, number: int) -> Iterator[tuple[int, End]]:
        """Ends after the one of this number, each with its own; those overwritten are left out."""
        count = self.count
        for each in range(max(number, count - at.CLOSED_ENTRIES) + 1, count + 1):
            entry = self._entry(each)
            before = entry[at.E_NUMBER]
            keep_order()
            values = entry.tolist()
            keep_order()
            if before == each == entry[at.E_NUMBER]:
                yield each, _end_of(values)

    def _entry(self, number: int) -> memoryview:
        first = (number - 1) % at.CLOSED_ENTRIES * _WORDS
        return self._words[first : first + _WORDS]


def _end_of(values: list[int]) -> End:
    return End(
        subscriber=values[at.E_ID],
        worker=values[at.E_WORKER],
        opened=values[at.E_OPENED],
        closed=values[at.E_CLOSED],
        reason=_reason(values[at.E_REASON]),
        matched=values[at.E_MATCHED],
        sent=values[at.E_SENT],
        dropped=values[at.E_DROPPED],
        discarded=values[at.E_DISCARDED],
        kernel_bytes=values[at.E_KERNEL_BYTES],
        peer=read_text(values, at.E_PEER, at.PEER_BYTES),
        text=read_text(values, at.E_TEXT, at.TEXT_BYTES),
        name=read_text(values, at.E_NAME, at.NAME_BYTES) if values[at.E_NAME] else "",
        version=version_of_number(values[at.E_PROTOCOL]),
        matched_bytes=values[at.E_MATCHED_BYTES],
        sent_bytes=values[at.E_SENT_BYTES],
        dropped_bytes=values[at.E_DROPPED_BYTES],
        discarded_bytes=values[at.E_DISCARDED_BYTES],
        conflated=values[at.E_CONFLATED],
        conflated_bytes=values[at.E_CONFLATED_BYTES],
        drops=tuple(values[at.E_DROPS : at.E_DROPS + at.DROPS]),
        exact=not values[at.E_INEXACT],
    )


def _reason(number: int) -> Reason:
    try:
        return Reason.of(number)
    except KeyError:  # the publisher is of a later version
        return Reason.OTHER
