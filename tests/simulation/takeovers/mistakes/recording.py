"""Ways to break what is written down, and what the log must keep for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.coordinator.handing_on import HandingOn
from fanout.shm import layout as at
from fanout.shm.stream_record import StreamSlot
from fanout.shm.subscriber_slot import SubscriberSlot
from fanout.shm.worker_slot import NO_TAIL, Tails, WorkerSlot
from fanout.workers.connections.records import Records
from fanout.workers.connections.resuming import Resuming
from fanout.workers.idling import Idling
from tests.simulation.takeovers.mistakes.known import replaces

if TYPE_CHECKING:
    from fanout.shm.stream_record import StreamRecord
    from fanout.workers.connections.peer import Peer


# What is written down, and when.


@replaces(Records, "write")
def say_without_a_record_to_who_is_ready(
    original: Any, self: Records, peer: Peer, *, said: bytes = b"", **rest: Any
) -> None:
    if not said or peer.member.blocked:
        original(self, peer, said=said, **rest)


@replaces(Records, "write")
def say_without_a_record_to_who_is_blocked(
    original: Any, self: Records, peer: Peer, *, said: bytes = b"", **rest: Any
) -> None:
    if not said or not peer.member.blocked:
        original(self, peer, said=said, **rest)


@replaces(Records, "write")
def change_without_a_record(
    original: Any, self: Records, peer: Peer, *, will_want: bool = False, **rest: Any
) -> None:
    if not will_want:
        original(self, peer, **rest)


@replaces(Records, "note_jumps")
def jump_without_a_record(_original: Any, self: Records) -> None:
    self._pump.jumped.clear()


@replaces(StreamSlot, "write")
def choose_a_bank_before_it_is_written(
    original: Any, self: StreamSlot, record: StreamRecord
) -> None:
    count = self.words[at.S_BANK]
    self.words[at.S_BANK] = count + 1
    banks, self._banks = self._banks, self._banks[::-1]
    try:
        original(self, record)
        self.words[at.S_BANK] = count + 1
    finally:
        self._banks = banks


@replaces(StreamSlot, "write")
def write_into_the_bank_that_is_chosen(
    original: Any, self: StreamSlot, record: StreamRecord
) -> None:
    banks, self._banks = self._banks, self._banks[::-1]
    original(self, record)
    self._banks = banks


@replaces(SubscriberSlot, "checkpoint")
def leave_a_checkpoint_torn(original: Any, self: SubscriberSlot, checkpoint: Any) -> None:
    """Who reads it waits for who is dead."""
    was_torn = self.is_torn
    original(self, checkpoint)
    self.words[at.S_VERSION] += was_torn


# What the log must keep.


@replaces(HandingOn, "_keep_log")
def hold_nothing(_original: Any, _self: HandingOn, _slot: Any = None) -> None:
    """The log is let go of with the words of the lost worker."""


@replaces(Tails, "read")
def keep_nothing_for_records(_original: Any, self: Tails) -> list[int]:
    return [self._words[slot + at.W_TAIL] for slot in self._slots]


@replaces(Records, "write")
def keep_only_what_the_newest_record_needs(
    original: Any, self: Records, peer: Peer, **rest: Any
) -> None:
    original(self, peer, **rest)
    self._slot.resume = peer.recorded


@replaces(Tails, "look")
def look_at_the_hold_once(_original: Any, self: Tails) -> tuple[list[int], int]:
    hold = self._words[at.H_HOLD]
    return self.read(), hold


@replaces(HandingOn, "lose")
def let_go_before_it_is_held(
    original: Any, self: HandingOn, worker: int, *arguments: Any
) -> list[Any]:
    slot = WorkerSlot(self._segment, worker)
    tail, resume = slot.tail, slot.resume
    slot.tail = slot.resume = NO_TAIL
    slot.tail, slot.resume = tail, resume
    found: list[Any] = original(self, worker, *arguments)
    return found


@replaces(Resuming, "_go_on")
def write_no_record_of_who_goes_on(original: Any, self: Resuming, *arguments: Any) -> None:
    records: Any = self._desk.records
    records.write = lambda *_, **__: None
    try:
        original(self, *arguments)
    finally:
        del records.write


# Whom the publisher waits for.


@replaces(Idling, "allow")
def have_it_wait_for_ever(original: Any, self: Idling, subscriber: int, *credit: Any) -> None:
    if subscriber:
        original(self, subscriber, *credit)
