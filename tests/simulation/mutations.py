"""Ways to break the system on purpose, one for each way in which an invariant can be lost.

Each is a small, plausible mistake. `MUTATIONS` maps its name to what replaces what.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from fanout.send.poison import PoisonGuard
from fanout.shm import layout as at
from fanout.shm.log import NO_SPACE, LogWriter
from fanout.workers.connections.reading import ReadSide
from fanout.workers.policy.limits import LagPolicy
from fanout.workers.stream.backlog import Backlog
from fanout.workers.stream.chunks import Chunks
from fanout.workers.stream.cohorts import Cohorts
from fanout.workers.stream.effects import Slowed
from fanout.workers.stream.pump import Pump
from tests.simulation.memory import SteppedWriter
from tests.simulation.workers import ObservedPump, SimulatedWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout.workers.stream.member import Member

Mutation = tuple[type, str, Any]
MUTATIONS: dict[str, Mutation] = {}


def replaces(owner: type, attribute: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """What is decorated takes the place of a method; it gets the original first."""

    def register(mutant: Callable[..., Any]) -> Callable[..., Any]:
        original = getattr(owner, attribute)

        def broken(*arguments: Any, **keywords: Any) -> Any:
            return mutant(original, *arguments, **keywords)

        MUTATIONS[mutant.__name__] = (owner, attribute, broken)
        return mutant

    return register


# The writer.


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
def reuse_one_byte_too_many(original: Any, self: LogWriter, tails: Any) -> None:
    tail = min([self.head, *tails])
    original(self, [tail])
    self._position_limit = self.start_of(tail) + self._size + 1


@replaces(LogWriter, "refresh")
def reuse_one_entry_too_many(original: Any, self: LogWriter, tails: Any) -> None:
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


# Streams and cursors.


@replaces(Pump, "_block")
def lose_the_offset(original: Any, self: Pump, member: Member, *rest: int) -> None:
    sequence, _offset, now = rest
    original(self, member, sequence, 0, now)


@replaces(Backlog, "detach")
def forget_the_spill(original: Any, self: Backlog, member: Member, front: int) -> None:
    original(self, member, front)
    member.spill = b""


@replaces(Backlog, "_send_spill")
def spill_from_its_start_again(original: Any, self: Backlog, member: Member) -> Any:
    before = member.spill
    step = original(self, member)
    if member.spill:
        member.spill = before
    return step


@replaces(Pump, "_send_picks")
def send_the_newest_first(original: Any, self: Pump, cohort: Any, *rest: Any) -> Any:
    cohort.picks.reverse()
    return original(self, cohort, *rest)


@replaces(ReadSide, "_change")
def act_before_the_report(original: Any, self: ReadSide, peer: Any, *change: Any) -> None:
    self._worker.pump.subscribe(peer.member, peer.session.subscriptions)
    original(self, peer, *change)


@replaces(ReadSide, "_apply_changes")
def act_although_the_report_waits(original: Any, self: ReadSide, now: int) -> None:
    for peer in self.unapplied:
        self._worker.pump.subscribe(peer.member, peer.session.subscriptions)
    self.unapplied.clear()
    original(self, now)


@replaces(Pump, "speak")
def speak_inside_a_message(
    original: Any, self: Pump, member: Member, data: bytes, now: int
) -> None:
    if member.blocked:
        member.control += data
    else:
        original(self, member, data, now)


@replaces(Backlog, "settle")
def settle_from_where_the_log_was(original: Any, self: Backlog, member: Member, front: int) -> None:
    tail, self.tail = self.tail, 0
    try:
        original(self, member, front)
    finally:
        self.tail = tail


@replaces(Pump, "tail")
def protect_one_message_too_few(original: Any, self: Pump) -> int:
    return min(int(original(self)) + 1, self.front)


@replaces(SimulatedWorker, "protect_front")
def promise_without_protection(_original: Any, self: SimulatedWorker) -> None:
    if not self.pump.needs_log:
        self.pump.follow(self.log.head())


@replaces(Pump, "_keep_until")
def forget_the_old_subscriptions(
    _original: Any, _self: Pump, _member: Member, _sequence: int
) -> None:
    return


@replaces(Pump, "advance")
def write_the_publishers_word(original: Any, self: Pump, head: int, now: int) -> bool:
    self._log._words[at.H_WANTED] = 0
    more: bool = original(self, head, now)
    return more


# Matching and counting.


@replaces(Cohorts, "match")
def match_twice(original: Any, self: Cohorts, topic: bytes) -> Any:
    found = original(self, topic)
    return found + found[:1]


@replaces(Cohorts, "_forget_matches")
def remember_old_matches(_original: Any, _self: Cohorts, _key: Any) -> None:
    return


@replaces(Backlog, "jump")
def drop_without_counting(
    original: Any, self: Backlog, member: Member, target: int, front: int
) -> int:
    lost: int = original(self, member, target, front)
    member.dropped -= min(lost, 1)
    return lost


@replaces(Pump, "_drop_oldest")
def drop_silently(original: Any, self: Pump) -> None:
    original(self)
    self.effects = [effect for effect in self.effects if not isinstance(effect, Slowed)]


@replaces(Pump, "_count_ready")
def never_count_the_ready(_original: Any, _self: Pump, _member: Member) -> None:
    return


@replaces(ObservedPump, "flushed")
def say_flushed_too_early(_original: Any, self: ObservedPump) -> int:
    self._worker.check_flushed(self.front)
    return self.front


@replaces(SimulatedWorker, "close")
def end_silently(original: Any, self: SimulatedWorker, peer: Any, **why: Any) -> None:
    send, self.channel.send = self.channel.send, lambda *_message: None  # type: ignore[method-assign]
    try:
        original(self, peer, **why)
    finally:
        self.channel.send = send  # type: ignore[method-assign]


@replaces(SimulatedWorker, "_report_slow")
def report_no_loss(_original: Any, _self: SimulatedWorker, *_what: Any) -> None:
    return


# Isolation.


@replaces(Pump, "advance")
def wait_for_the_blocked(original: Any, self: Pump, head: int, now: int) -> bool:
    return False if self.blocked else bool(original(self, head, now))


@replaces(Pump, "serve_runnable")
def serve_the_first_only(original: Any, self: Pump, now: int, _limit: int) -> None:
    first = next(iter(self.runnable))
    original(self, now, 1)
    self.runnable.clear()
    if first.blocked:
        self.runnable[first] = None


# Limits.


@replaces(Chunks, "_cut")
def keep_every_chunk(original: Any, self: Chunks, first: int, front: int) -> Any:
    self._kept = deque(self._kept)
    return original(self, first, front)


@replaces(Pump, "_drop_oldest")
def never_drop(_original: Any, _self: Pump) -> None:
    return


@replaces(LagPolicy, "is_over")
def limit_bytes_alone(_original: Any, self: LagPolicy, lag_bytes: int, _messages: int) -> bool:
    return self.drops and lag_bytes > self.limit_bytes


@replaces(Pump, "_lose")
def never_evict(
    original: Any, self: Pump, member: Member, reason: str, *, evicted: bool = True
) -> None:
    if "send_timeout" not in reason:
        original(self, member, reason, evicted=evicted)


@replaces(Cohorts, "make_room")
def remember_topics_for_ever(_original: Any, _self: Cohorts, _count: int) -> bool:
    return False


@replaces(Pump, "serve_runnable")
def forget_the_runnable(_original: Any, self: Pump, _now: int, _limit: int) -> None:
    self.runnable.clear()
