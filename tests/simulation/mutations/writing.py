"""Ways to break what the publisher writes into the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.send.poison import PoisonGuard
from fanout.shm import layout as at
from fanout.shm.log import NO_SPACE, LogWriter
from tests.simulation.memory import SteppedWriter
from tests.simulation.mutations.known import replaces

if TYPE_CHECKING:
    from collections.abc import Sequence


@replaces(LogWriter, "append")
def commit_before_bytes(_original: Any, self: LogWriter, wire: bytes, topic_id: int) -> int:
    sequence = self.head
    start = self.start_of(sequence)
    if not self.fits(len(wire), 1):
        return NO_SPACE
    self._raise_flag(sequence + 1)
    self._ends[sequence & self._mask] = start + len(wire)
    self._topics[sequence & self._mask] = topic_id
    self._commit(sequence + 1)
    self._write(start, wire)
    return sequence


@replaces(LogWriter, "append")
def commit_before_index(_original: Any, self: LogWriter, wire: bytes, topic_id: int) -> int:
    sequence = self.head
    start = self.start_of(sequence)
    if not self.fits(len(wire), 1):
        return NO_SPACE
    self._raise_flag(sequence + 1)
    self._write(start, wire)
    self._words[at.H_HEAD] = sequence + 1
    self._ends[sequence & self._mask] = start + len(wire)
    self._topics[sequence & self._mask] = topic_id
    self.load()
    return sequence


@replaces(LogWriter, "append_batch")
def commit_half_a_batch(
    original: Any, self: LogWriter, wires: Sequence[bytes], topic_ids: Sequence[int]
) -> int:
    half = len(wires) // 2
    first: int = original(self, wires[:half], topic_ids[:half])
    second = original(self, wires[half:], topic_ids[half:])
    return first if second != NO_SPACE else NO_SPACE


@replaces(LogWriter, "refresh")
def reuse_one_byte_too_many(original: Any, self: LogWriter, tails: Any, _again: Any) -> None:
    tail = min([self.head, *tails])
    original(self, [tail])
    self._position_limit = self.start_of(tail) + self._size + 1


@replaces(LogWriter, "refresh")
def reuse_one_entry_too_many(original: Any, self: LogWriter, tails: Any, _again: Any) -> None:
    tail = min([self.head, *tails])
    original(self, [tail])
    self._sequence_limit = tail + self._mask + 1


@replaces(SteppedWriter, "append_parts")
def write_a_workers_word(
    original: Any, self: SteppedWriter, parts: Sequence[bytes], topic_id: int
) -> int:
    self._words[at.PAGE // at.WORD + at.W_TAIL] = self.head
    result: int = original(self, parts, topic_id)
    return result


@replaces(PoisonGuard, "settle")
def leave_the_poison(_original: Any, _self: PoisonGuard) -> None:
    return
