"""The ring of ends: final figures of the last subscribers, written by the coordinator.

An entry says which end it is of, so that a reader which is overtaken sees that it was.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.errors import ConfigError
from fanout.reasons import Reason
from fanout.shm import layout as at
from fanout.shm.cards import (
    CHOSEN_BY,
    POLICIES,
    number_of_version,
    numbers_of,
    policy_of,
    version_of_number,
)
from fanout.shm.fence import keep_order
from fanout.shm.words import read_text, words_at, write_text
from fanout.terms.slow_policy import SlowPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.shm.segment import Segment

_WORDS = at.CLOSED_ENTRY_BYTES // at.WORD
NO_DROPS = (0,) * at.DROPS
_DEFAULT = SlowPolicy()
_HALF = 32  # bits of a word


@dataclass(frozen=True, slots=True)
class End:
    """How a subscriber ended; counters are in messages, where they do not say bytes."""

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
    version: str = ""  # of ZMTP
    name: str = ""  # what it called itself
    exact: bool = True  # False = some may be missing, or in `discarded` although it was sent
    policy: SlowPolicy = _DEFAULT  # what it had in the end
    chosen_by: str = CHOSEN_BY[0]  # who had chosen that
    user: str = ""  # who it had proven to be, cut to NAME_BYTES


class ClosedRing:
    """The last CLOSED_ENTRIES ends of subscribers. One process writes, any reads.

    Who never became one has no place here: strangers, who can come and go as often as they like,
    would push out those about whom somebody asks. They are counted by reason.
    """

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
        write_text(entry, at.E_USER, at.NAME_BYTES, end.user)
        entry[at.E_PROTOCOL] = number_of_version(end.version)
        chosen_by = CHOSEN_BY.index(end.chosen_by) << _HALF
        entry[at.E_POLICY] = POLICIES.index(end.policy.action) | chosen_by
        entry[at.E_LIMIT_BYTES : at.E_MAX_RATE + 1] = numbers_of(end.policy)
        keep_order()
        entry[at.E_NUMBER] = number
        keep_order()
        self._header[at.H_CLOSED_COUNT] = number

    def since(self, number: int) -> Iterator[tuple[int, End]]:
        """Ends after the one of this number, each with its own.

        Left out are those overwritten, and what no publisher of this version writes.
        """
        count = self.count
        for each in range(max(number, count - at.CLOSED_ENTRIES) + 1, count + 1):
            entry = self._entry(each)
            before = entry[at.E_NUMBER]
            keep_order()
            values = entry.tolist()
            keep_order()
            if before == each == entry[at.E_NUMBER]:
                end = _end_of(values)
                if end is not None:
                    yield each, end

    def _entry(self, number: int) -> memoryview:
        first = (number - 1) % at.CLOSED_ENTRIES * _WORDS
        return self._words[first : first + _WORDS]


def _end_of(values: list[int]) -> End | None:
    """None for numbers that no publisher of this version writes."""
    number, chosen_by = values[at.E_POLICY] & ((1 << _HALF) - 1), values[at.E_POLICY] >> _HALF
    try:
        policy = policy_of(number, *values[at.E_LIMIT_BYTES : at.E_MAX_RATE + 1])
        chosen = CHOSEN_BY[chosen_by]
    except (IndexError, ConfigError):
        return None
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
        policy=policy,
        chosen_by=chosen,
        user=read_text(values, at.E_USER, at.NAME_BYTES) if values[at.E_USER] else "",
    )


def _reason(number: int) -> Reason:
    try:
        return Reason.of(number)
    except KeyError:  # the publisher is of a later version
        return Reason.OTHER
