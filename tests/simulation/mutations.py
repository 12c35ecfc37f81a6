"""Ways to break the system on purpose, one for each way in which an invariant can be lost.

Each is a small, plausible mistake. `MUTATIONS` maps its name to what replaces what.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fanout.coordinator import choosing
from fanout.coordinator.choosing import Choices
from fanout.reasons import Reason
from fanout.send.poison import PoisonGuard
from fanout.shm import layout as at
from fanout.shm.log import NO_SPACE, LogWriter
from fanout.slow_policy import SlowPolicy
from fanout.workers import worker
from fanout.workers.checkpoints import Checkpoints
from fanout.workers.connections import reserved
from fanout.workers.connections.desk import Desk
from fanout.workers.connections.reading import ReadSide
from fanout.workers.connections.reserved import Reserved
from fanout.workers.connections.self_service import SelfService
from fanout.workers.figures import Figures
from fanout.workers.policy.ages import Ages
from fanout.workers.policy.base import KeepNewest, KeepOfLog, Wait
from fanout.workers.policy.block import Block
from fanout.workers.policy.disconnect import Disconnect
from fanout.workers.policy.drop_newest import DropNewest
from fanout.workers.policy.drop_oldest import DropOldest
from fanout.workers.policy.limits import Lag, Limits
from fanout.workers.policy.rate import Rate
from fanout.workers.stream import gaps, judging
from fanout.workers.stream.backlog import Backlog
from fanout.workers.stream.chunks import Chunks
from fanout.workers.stream.cohort import Prefix
from fanout.workers.stream.cohorts import Cohorts
from fanout.workers.stream.conflating import Conflating
from fanout.workers.stream.effects import Slowed
from fanout.workers.stream.gaps import Gap, Gaps
from fanout.workers.stream.known_topics import KnownTopics
from fanout.workers.stream.lags import Lags
from fanout.workers.stream.losing import Losing
from fanout.workers.stream.member import BLOCKED, HELD, LOST, NO_DROPS, READY, Member
from fanout.workers.stream.members import Members
from fanout.workers.stream.newest import Newest
from fanout.workers.stream.pump import Pump
from fanout.workers.stream.replaying import Replaying
from fanout.workers.stream.rests import Rests
from fanout.workers.stream.rounds import Rounds
from fanout.workers.stream.sends import Sends
from fanout.workers.stream.silence import LOOKS_MIN, Silence, Witness
from fanout.workers.stream.sorting import Sorting
from fanout.workers.stream.throttling import Throttles
from fanout.workers.stream.values import Values
from fanout.workers.stream.wanted import Wanted
from fanout.workers.tail import Tail
from fanout.zmtp import Session
from tests.helpers.replacing import replacing
from tests.simulation.memory import SteppedWriter
from tests.simulation.peers import Numbered, numbered
from tests.simulation.workers import ObservedPump

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.workers.stream.cohort import Cohort
    from fanout.zmtp.encoding import Encoding

Mutation = tuple[Any, str, Any]
MUTATIONS: dict[str, Mutation] = {}
replaces = replacing(MUTATIONS)


class Shifted:
    """An encoding with the number of the next message."""

    def __init__(self, encoding: Encoding) -> None:
        self.shared = encoding.shared
        self._encoding = encoding

    def encode(self, piece: bytes, number: int) -> bytes:
        return self._encoding.encode(piece, number + 1)


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


# Streams and cursors.


@replaces(Members, "_block")
def lose_the_offset(
    original: Any, self: Members, member: Member, sequence: int, _offset: int, *rest: Any
) -> None:
    original(self, member, sequence, 0, *rest)


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


@replaces(Sorting, "joined")
def send_the_newest_first(original: Any, self: Sorting, picks: list[bytes], *encoding: Any) -> Any:
    return original(self, picks[::-1], *encoding)


@replaces(ReadSide, "_change")
def act_before_the_report(
    original: Any, self: ReadSide, peer: Any, added: list[bytes], cancelled: list[bytes]
) -> None:
    self._pump.change(peer.member, peer.session.subscriptions, added, cancelled, 0)
    original(self, peer, added, cancelled)


@replaces(ReadSide, "_apply_changes")
def act_although_the_report_waits(original: Any, self: ReadSide, now: int) -> None:
    for peer, change in self._changes.items():
        self._pump.change(peer.member, peer.session.subscriptions, *change, now)
    self._changes.clear()
    self._tail.promised.clear()
    original(self, now)


@replaces(Pump, "speak")
def speak_inside_a_message(
    original: Any, self: Pump, member: Member, data: bytes, now: int
) -> None:
    if member.blocked:
        try:
            count = member.send(data)
        except OSError:
            count = 0
        member.spoken_bytes += count
        data = data[count:]
    if data:
        original(self, member, data, now)


@replaces(Backlog, "settle")
def settle_from_where_the_log_was(original: Any, self: Backlog, member: Member, front: int) -> None:
    tail, self.tail = self.tail, 0
    try:
        original(self, member, front)
    finally:
        self.tail = tail


@replaces(Members, "move_tail")
def protect_one_message_too_few(original: Any, self: Members) -> int:
    return min(int(original(self)) + 1, self.front)


@replaces(Tail, "protect_front")
def promise_without_protection(_original: Any, self: Tail[Any]) -> None:
    if not self._pump.needs_log:
        self._pump.follow()


@replaces(Members, "_keep_until")
def forget_the_old_subscriptions(
    _original: Any, _self: Members, _member: Member, _sequence: int
) -> None:
    return


@replaces(Pump, "advance")
def write_the_publishers_word(original: Any, self: Pump, head: int, now: int) -> bool:
    self._log._words[at.H_WANTED] = 0
    more: bool = original(self, head, now)
    return more


# Matching and counting.


@replaces(Cohorts, "prefixes_of")
def match_twice(original: Any, self: Cohorts[Any], topic: bytes) -> Any:
    found = original(self, topic)
    return found + found[:1]


@replaces(KnownTopics, "forget")
def remember_old_matches(_original: Any, _self: KnownTopics, _prefixes: Any) -> None:
    return


@replaces(Members, "_keep_until")
def change_what_was_wanted_before(
    original: Any, self: Members, member: Member, sequence: int
) -> None:
    original(self, member, sequence)
    if member.older and member.older[-1][0] == sequence:
        member.older[-1] = sequence, member.cohort


@replaces(Backlog, "jump")
def drop_without_counting(original: Any, self: Backlog, member: Member, *jump: Any) -> int:
    lost: int = original(self, member, *jump)
    member.dropped -= min(lost, 1)
    return lost


@replaces(Backlog, "jump")
def drop_without_counting_the_bytes(
    original: Any, self: Backlog, member: Member, *jump: Any
) -> int:
    lost: int = original(self, member, *jump)
    member.dropped_bytes -= min(lost, 1)
    return lost


@replaces(Pump, "_report_slow")
def drop_silently(original: Any, self: Pump, *of: Any) -> None:
    original(self, *of)
    self.effects = [effect for effect in self.effects if not isinstance(effect, Slowed)]


@replaces(Members, "_count_ready")
def never_count_the_ready(_original: Any, _self: Members, _member: Member) -> None:
    return


@replaces(ObservedPump, "flushed")
def say_flushed_too_early(_original: Any, self: ObservedPump) -> int:
    self._worker.check_flushed(self.front)
    return self.front


@replaces(Desk, "close")
def end_silently(original: Any, self: Desk, peer: Any, *why: Any) -> None:
    channel: Any = self._channel
    send, channel.send = channel.send, lambda *_message: None
    try:
        original(self, peer, *why)
    finally:
        channel.send = send


@replaces(Desk, "_report_slow")
def report_no_loss(_original: Any, _self: Desk, *_what: Any) -> None:
    return


# Totals, slots, states, and numbers of messages.


@replaces(Sends, "_send_span")
def total_for_those_who_are_blocked_too(
    original: Any, self: Sends, members: Sequence[Member], first: int, stop: int, *span: int
) -> None:
    original(self, members, first, stop, *span)
    self.totals.sent += sum(member.blocked for member in members) * (stop - first)


@replaces(Rounds, "_send_alone")
def total_without_the_bytes_of_who_is_alone(
    original: Any, self: Rounds, direct: Any, others: Any, shares: Any
) -> Any:
    before = self.totals.matched_bytes
    sent = yield from original(self, direct, others, shares)
    self.totals.matched_bytes = before
    return sent


@replaces(Rounds, "_send_alone")
def forget_who_is_not_alone(
    original: Any, self: Rounds, direct: Any, others: Any, shares: Any
) -> Any:
    del others
    sent = yield from original(self, direct, [], shares)
    return sent


@replaces(Rounds, "_begin")
def total_of_the_ready_alone(original: Any, self: Rounds, head: int) -> Any:
    blocked = [member for member in self.blocked if member.cohort is not None]
    before = sum(member.matched for member in blocked)
    begun = original(self, head)
    self.totals.matched -= sum(member.matched for member in blocked) - before
    return begun


@replaces(Prefix, "count")
def total_without_what_prefixes_count(original: Any, self: Prefix[Any]) -> int:
    original(self)
    return 0


@replaces(Wanted, "stop_counting")
def forget_what_was_counted_while_parked(
    original: Any, self: Wanted[Any], cohort: Cohort[Any]
) -> None:
    counted = cohort.counted
    original(self, cohort)
    cohort.counted = counted


@replaces(Wanted, "stop_counting")
def forget_the_bytes_that_were_counted_while_parked(
    original: Any, self: Wanted[Any], cohort: Cohort[Any]
) -> None:
    counted = cohort.counted_bytes
    original(self, cohort)
    cohort.counted_bytes = counted


@replaces(Sorting, "clear")
def count_no_bytes_of_who_was_sent_none(original: Any, self: Sorting, now: int) -> int:
    for cohort in self.direct:
        if not cohort.ready:
            cohort.picks.clear()
    matched: int = original(self, now)
    return matched


@replaces(Backlog, "_send_spill")
def send_a_spill_without_counting_its_bytes(original: Any, self: Backlog, member: Member) -> Any:
    before = member.sent_bytes
    step = original(self, member)
    member.sent_bytes = before
    return step


@replaces(Backlog, "correct")
def correct_no_bytes(
    original: Any, self: Backlog, member: Member, messages: int, _size: int
) -> None:
    original(self, member, messages, 0)


@replaces(Members, "remove")
def total_without_the_bytes_that_are_discarded(
    original: Any, self: Members, member: Member
) -> None:
    before = self.totals.discarded_bytes
    original(self, member)
    self.totals.discarded_bytes = before


@replaces(Sorting, "matched_bytes")
def total_without_the_bytes_of_an_interrupted_round(_original: Any, _self: Sorting) -> int:
    return 0


@replaces(Members, "follow")
def follow_without_the_bytes(original: Any, self: Members) -> None:
    before = self.cohorts.everything.counted_bytes
    original(self)
    self.cohorts.everything.counted_bytes = before


@replaces(Backlog, "_send_spill")
def total_without_spills(original: Any, self: Backlog, member: Member) -> Any:
    before = self._totals.sent
    step = original(self, member)
    self._totals.sent = before
    return step


@replaces(Backlog, "jump")
def total_without_losses(original: Any, self: Backlog, *jump: Any) -> int:
    lost: int = original(self, *jump)
    self._totals.dropped -= lost
    return lost


@replaces(Members, "remove")
def total_without_what_is_discarded(original: Any, self: Members, member: Member) -> None:
    before = self.totals.discarded
    original(self, member)
    self.totals.discarded = before


@replaces(Members, "release")
def total_of_what_was_not_wanted_after_all(original: Any, self: Members, *release: Any) -> None:
    before = self.totals.matched
    original(self, *release)
    self.totals.matched = before


@replaces(Figures, "publish")
def publish_no_totals(_original: Any, _self: Figures) -> None:
    return


@replaces(ObservedPump, "settle")
def answer_without_settling(_original: Any, _self: ObservedPump, _member: Member, **_: Any) -> None:
    return


@replaces(Checkpoints, "answer")
def answer_before_the_front_is_there(original: Any, self: Checkpoints, now: int) -> bool:
    self._asked = [(token, 0) for token, _head in self._asked]
    return bool(original(self, now))


@replaces(Pump, "serve")
def serve_the_held(original: Any, self: Pump, member: Member, now: int) -> None:
    state = member.state
    if state is HELD:
        member.state = BLOCKED
    original(self, member, now)
    if state is HELD and member.state is BLOCKED:
        member.state = HELD


@replaces(Members, "hold")
def hold_nobody(_original: Any, _self: Members, _member: Member) -> None:
    return


@replaces(Member, "become")
def go_on_with_the_lost(original: Any, self: Member, state: Any) -> None:
    original(self, BLOCKED if state is LOST and self.state is BLOCKED else state)


@replaces(Member, "become")
def let_the_lost_come_back(_original: Any, self: Member, state: Any) -> None:
    if self.state is LOST and state is LOST:
        state = READY
    self.state = state
    self.blocked = state is not READY


@replaces(Numbered, "encode")
def number_anew(_original: Any, self: Numbered, piece: bytes, _number: int) -> bytes:
    self.__dict__["count"] = count = self.__dict__.get("count", 0) + 1
    return numbered(count, piece)


@replaces(Backlog, "detach")
def number_the_rest_as_the_next(original: Any, self: Backlog, member: Member, front: int) -> None:
    encoding = member.encoding
    if encoding is None or not member.offset:
        original(self, member, front)
        return
    member.encoding = Shifted(encoding)
    original(self, member, front)
    member.encoding = encoding


@replaces(Sorting, "sequence_of")
def number_from_the_start_of_a_batch(original: Any, self: Sorting, piece: bytes) -> int:
    sequence: int = original(self, piece)
    return sequence - self._first


# Isolation.


@replaces(Pump, "advance")
def wait_for_the_blocked(original: Any, self: Pump, head: int, now: int) -> bool:
    return False if self.blocked else bool(original(self, head, now))


@replaces(Rounds, "_divide")
def forget_who_does_not_wait(original: Any, self: Rounds) -> bool:
    before = dict(self.runnable)
    is_divided = bool(original(self))
    self.runnable = before
    return is_divided


@replaces(Pump, "serve_runnable")
def serve_the_steady_only(original: Any, self: Pump, now: int, limit: int) -> None:
    others = [member for member in self.runnable if self.steady and member not in self.steady]
    for member in others:
        del self.runnable[member]
    original(self, now, limit)
    self.runnable.update(dict.fromkeys(member for member in others if member.blocked))


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


@replaces(Pump, "_judge")
def never_drop(_original: Any, _self: Pump, *_member: Any) -> None:
    return


@replaces(Limits, "exceeded_by")
def limit_bytes_alone(_original: Any, self: Limits, lag: Lag) -> Reason | None:
    if lag.log_bytes > self.log_bytes:
        return Reason.LAG_LOG
    return Reason.LAG if lag.bytes > self.bytes else None


@replaces(DropOldest, "judge")
def drop_more_than_one_must(original: Any, self: DropOldest, lag: Lag) -> KeepNewest | KeepOfLog:
    kept: KeepNewest | KeepOfLog = original(self, lag)
    return kept._replace(bytes=kept.bytes // 2, messages=kept.messages // 2)


@replaces(worker, "policy_for")
def drop_where_the_publisher_has_to_wait(_original: Any, options: Any, entries: int) -> DropOldest:
    return DropOldest(Limits(log_bytes=options.log_bytes // 2, log_messages=entries // 2))


@replaces(worker, "policy_for")
def wait_where_the_oldest_are_to_be_dropped(_original: Any, *_for: Any) -> Block:
    return Block()


@replaces(Pump, "_first_of")
def keep_one_message_too_many(original: Any, self: Pump, _newest: KeepOfLog) -> int:
    first: int = original(self, KeepOfLog(self._log.size // 2, self._log.entries // 2))
    return first - 1


# Policies, their limits, and rates.


@replaces(Lags, "of")
def count_the_messages_of_everybody(original: Any, self: Lags, *of: Any) -> Lag:
    lag: Lag = original(self, *of)
    return lag._replace(messages=lag.log_messages)


@replaces(Lags, "of")
def count_the_bytes_of_everybody(original: Any, self: Lags, *of: Any) -> Lag:
    lag: Lag = original(self, *of)
    return lag._replace(bytes=lag.log_bytes)


@replaces(Lags, "_first_after")
def keep_one_too_many_of_its_own(original: Any, self: Lags, member: Member, *rest: Any) -> int:
    first: int = original(self, member, *rest)
    return max(member.sequence, first - 1)


@replaces(Ages, "age_of")
def let_nothing_grow_old(_original: Any, _self: Ages, _sequence: int, _now: int) -> int:
    return 0


@replaces(Ages, "note")
def note_no_time_but_the_first(original: Any, self: Ages, head: int, now: int) -> None:
    original(self, head, self._times[0] if self._times else now)


@replaces(Backlog, "finish")
def lose_no_newest(_original: Any, _self: Backlog, *_finish: Any) -> None:
    return


@replaces(Backlog, "_lose_newest")
def count_no_newest(original: Any, self: Backlog, member: Member, front: int) -> None:
    before = member.dropped
    original(self, member, front)
    member.dropped = before


@replaces(Backlog, "settle")
def go_on_with_what_came_while_it_finished(
    original: Any, self: Backlog, member: Member, front: int
) -> None:
    finishing, member.finishing = member.finishing, None
    original(self, member, front)
    member.finishing = finishing


@replaces(Disconnect, "judge")
def close_nobody(_original: Any, _self: Disconnect, _lag: Lag) -> Wait:
    return Wait()


@replaces(DropNewest, "judge")
def drop_the_oldest_instead(_original: Any, self: DropNewest, lag: Lag) -> Any:
    return DropOldest.judge(self, lag)  # type: ignore[arg-type]


@replaces(Newest, "_enter")
def take_the_oldest_for_the_newest(original: Any, self: Newest, first: int, stop: int) -> None:
    for sequence in reversed(range(first, stop)):
        original(self, sequence, sequence + 1)


@replaces(Conflating, "_leave_out")
def conflate_without_counting(_original: Any, _self: Conflating, *_what: Any) -> None:
    return


@replaces(Conflating, "conflate")
def conflate_nothing(_original: Any, _self: Conflating, _member: Member, _front: int) -> None:
    return


@replaces(Conflating, "_values")
def forget_what_it_wanted_before(
    _original: Any, self: Conflating, member: Member, first: int, front: int
) -> Values:
    if member.cohort is None:
        return Values((), self._log)
    return self._newest.wanted(member.cohort, first, front, self._backlog.tail)


@replaces(Backlog, "_end_pass")
def begin_the_next_pass_at_once(_original: Any, self: Backlog, member: Member, until: int) -> Any:
    return self._end_segment(member, until)


@replaces(Rests, "wake")
def let_them_rest_for_ever(_original: Any, _self: Rests, *_when: int) -> list[Member]:
    return []


@replaces(judging, "_left")
def look_too_late(original: Any, limit: int, lag: int) -> int:
    return 2 * int(original(limit, lag))


@replaces(Pump, "_report_slow")
def call_nobody_slow(_original: Any, _self: Pump, *_of: Any) -> None:
    return


@replaces(Pump, "set_policy")
def forget_the_policy(_original: Any, _self: Pump, *_policy: Any) -> None:
    return


@replaces(Pump, "set_policy")
def judge_by_the_policy_before(
    original: Any, self: Pump, member: Member, policy: Any, now: int
) -> None:
    watch = member.watch
    original(self, member, policy, now)
    member.watch = watch or member.watch


@replaces(Rate, "take")
def send_as_much_as_it_takes(_original: Any, _self: Rate, _count: int) -> None:
    return


@replaces(Throttles, "wake")
def wake_nobody(_original: Any, _self: Throttles) -> list[Member]:
    return []


@replaces(Throttles, "waits")
def call_silent_whom_nothing_is_sent(_original: Any, _self: Throttles, _member: Member) -> bool:
    return False


@replaces(Members, "_lose")
def never_evict(original: Any, self: Members, member: Member, reason: Reason, text: str) -> None:
    if reason not in (Reason.SEND_TIMEOUT, Reason.STALL_TIMEOUT):
        original(self, member, reason, text)


@replaces(Silence, "look")
def trust_every_edge(_original: Any, _self: Silence, _now: int) -> None:
    return


@replaces(Silence, "_try_again")
def try_nobody_again_who_may_go_on(_original: Any, _self: Silence, _now: int, _most: int) -> None:
    return


@replaces(Silence, "_put_off")
def forget_a_suspect(original: Any, self: Silence, suspect: Any, due: int) -> None:
    if suspect.looks < LOOKS_MIN:
        original(self, suspect, due)


@replaces(Silence, "_put_off")
def look_at_the_last_first(original: Any, self: Silence, suspect: Any, _due: int) -> None:
    original(self, suspect, -self._witness._looked)


@replaces(Witness, "seen")
def count_what_nobody_saw(_original: Any, _self: Witness, since: int, now: int) -> int:
    return now - since


@replaces(Witness, "seen")
def take_a_stop_off_what_follows_it(_original: Any, self: Witness, since: int, now: int) -> int:
    return now - since - sum(void for ended, void in self._gaps if ended > since)


@replaces(Pump, "is_in_the_way")
def evict_who_harms_nobody(_original: Any, _self: Pump, _member: Member, _now: int) -> bool:
    return True


@replaces(KnownTopics, "make_room")
def remember_topics_for_ever(_original: Any, _self: KnownTopics, _count: int) -> bool:
    return False


@replaces(Pump, "serve_runnable")
def forget_the_runnable(_original: Any, self: Pump, _now: int, _limit: int) -> None:
    self.runnable.clear()


# What has no time now.


@replaces(Rounds, "_interrupt")
def forget_who_waits(original: Any, self: Rounds, members: Any, *later: Any) -> None:
    original(self, members, *later)
    if self.waiting:
        self.waiting.discard(next(iter(members[-1:]), None))


@replaces(Rounds, "_interrupt")
def let_only_the_others_of_a_cohort_wait(
    original: Any, self: Rounds, members: Any, _later: Any
) -> None:
    original(self, members, ())


@replaces(Members, "_block")
def go_on_from_the_front_who_waits(
    original: Any, self: Members, member: Member, *rest: Any
) -> None:
    self.waiting.discard(member)
    original(self, member, *rest)


@replaces(Members, "_count_ready")
def count_as_sent_what_he_waits_for(original: Any, self: Members, member: Member) -> None:
    waited, self.waiting = self.waiting, set()
    original(self, member)
    self.waiting = waited


@replaces(Members, "move_tail")
def protect_nothing_for_who_waits(original: Any, self: Members) -> int:
    waited, self.waiting = self.waiting, set()
    tail: int = original(self)
    self.waiting = waited
    return tail


@replaces(Pump, "serve_runnable")
def forget_who_had_no_time(original: Any, self: Pump, now: int, limit: int) -> None:
    original(self, now, limit)
    self.runnable.clear()


@replaces(Sorting, "_fill")
def take_a_batch_for_whole_that_is_not(
    original: Any, self: Sorting, pieces: list[bytes], found: Any
) -> int:
    original(self, pieces, found)
    return len(pieces)


@replaces(Desk, "carry_out")
def forget_what_there_was_no_time_for(original: Any, self: Desk, *what: Any) -> list[Any]:
    original(self, *what)
    return []


# What subscribers say of themselves, and what they are told.


@replaces(Gaps, "take")
def tell_of_no_gap(original: Any, self: Gaps, *cursor: Any) -> bytes:
    original(self, *cursor)
    return b""


@replaces(Gaps, "take")
def tell_of_each_gap_twice(original: Any, self: Gaps, *cursor: Any) -> bytes:
    markers: bytes = original(self, *cursor)
    return 2 * markers


@replaces(Backlog, "_has_marker")
def tell_of_gaps_too_late(original: Any, self: Backlog, member: Member, front: int) -> bool:
    assert member.gaps is not None
    untold = member.gaps.pending
    is_late = not untold or not member.queued or untold[-1].last + 1 < member.sequence
    return is_late and bool(original(self, member, front))


@replaces(Gaps, "take")
def tell_of_gaps_too_early(original: Any, self: Gaps, _cursor: int, encoding: Any) -> bytes:
    markers: bytes = original(self, 1 << 60, encoding)
    return markers


@replaces(gaps, "marker_of")
def tell_that_it_began_before(original: Any, gap: Gap, epoch: int) -> bytes:
    marker: bytes = original(Gap(max(0, gap.first - 1), gap.last, gap.count, gap.reason), epoch)
    return marker


@replaces(gaps, "marker_of")
def tell_that_it_ended_behind(original: Any, gap: Gap, epoch: int) -> bytes:
    marker: bytes = original(Gap(gap.first, gap.last + 1, gap.count, gap.reason), epoch)
    return marker


@replaces(gaps, "marker_of")
def tell_of_all_that_lay_between(original: Any, gap: Gap, epoch: int) -> bytes:
    whole = Gap(gap.first, gap.last, gap.last - gap.first + 1, gap.reason)
    marker: bytes = original(whole, epoch)
    return marker


@replaces(gaps, "marker_of")
def tell_another_reason(original: Any, gap: Gap, epoch: int) -> bytes:
    marker: bytes = original(Gap(gap.first, gap.last, gap.count, Reason.LAG_LOG.label), epoch)
    return marker


@replaces(Gap, "take_in")
def forget_the_gap_before(_original: Any, _self: Gap, _other: Gap) -> None:
    return


@replaces(Pump, "tell_gaps")
def tell_nobody_of_gaps(_original: Any, _self: Pump, _member: Member, **_of: bool) -> None:
    return


@replaces(Session, "_subscribe")
def match_by_what_is_reserved(original: Any, self: Session, prefix: bytes, events: Any) -> None:
    limits, self._limits = self._limits, replace(self._limits, reserved=b"\xff")
    original(self, prefix, events)
    self._limits = limits


@replaces(Reserved, "cancel")
def take_nothing_back(_original: Any, _self: Reserved, _prefix: bytes) -> None:
    return


@replaces(Reserved, "cancel")
def take_everything_back(_original: Any, self: Reserved, _prefix: bytes) -> None:
    self._said.clear()


@replaces(Reserved, "add")
def let_the_first_one_count(original: Any, self: Reserved, prefix: bytes) -> str:
    said = dict(self._said)
    reason: str = original(self, prefix)
    if prefix in self._said:
        self._said = {prefix: self._said.pop(prefix), **said}
    return reason


@replaces(reserved, "understood")
def take_what_is_bad_for_a_name(original: Any, prefix: bytes) -> tuple[str, Any]:
    try:
        understood: tuple[str, Any] = original(prefix)
    except reserved.UnknownError:
        return "name", "unknown"
    return understood


@replaces(choosing, "chosen_on")
def let_everybody_choose_anything(original: Any, base: Any, settings: Any, _most: Any) -> Any:
    return original(base, settings, SlowPolicy("block"))


@replaces(worker, "self_service_for")
def let_everybody_choose(_original: Any, _options: Any, outlet: Any) -> SelfService:
    return SelfService(outlet, allowed=True, may_block=True)


@replaces(SelfService, "take")
def report_what_was_reported(original: Any, self: SelfService, *said: Any) -> Any:
    self._reported.clear()
    return original(self, *said)


@replaces(Choices, "call")
def let_it_choose_although_it_was_called(
    original: Any, self: Choices, connection: Any, policy: Any
) -> Any:
    known = self._known.get(connection.subscriber)
    return [] if known is not None and known.settings else original(self, connection, policy)


@replaces(Newest, "_sequences")
def send_the_older_after_the_newer(original: Any, self: Newest, *of: Any) -> list[int]:
    return list(reversed(original(self, *of)))


@replaces(Rests, "add")
def rest_for_no_time(original: Any, self: Rests, member: Member, _until: int) -> None:
    original(self, member, 0)


@replaces(Pump, "set_policy")
def forget_what_was_lost_with_the_policy_before(
    original: Any, self: Pump, member: Member, policy: Any, now: int
) -> None:
    original(self, member, policy, now)
    member.dropped = member.dropped_bytes = 0
    member.drops = NO_DROPS


@replaces(Member, "lose")
def lose_everything_for_one_reason(original: Any, self: Member, lost: Any, _reason: Reason) -> None:
    original(self, lost, Reason.LAG)


# What was published before.


@replaces(Replaying, "replay")
def begin_the_past_a_message_late(
    original: Any, self: Replaying, member: Member, first: int, *rest: Any
) -> None:
    original(self, member, first + 1, *rest)


@replaces(Replaying, "tell_missed")
def tell_nobody_that_the_past_is_gone(_original: Any, *_arguments: Any) -> None:
    """It goes on with what there is."""


@replaces(Losing, "count_replayed")
def count_nothing_of_the_past(_original: Any, *_arguments: Any) -> None:
    """It is sent more than it has matched."""


@replaces(Tail, "go_back")
def promise_what_is_overwritten(_original: Any, self: Tail[Any], who: Any, first: int) -> int:
    self.replays[who] = first
    return first


@replaces(Tail, "_bound_replays")
def hold_the_log_for_the_past(_original: Any, _self: Tail[Any]) -> None:
    """However long its report waits."""


@replaces(Replaying, "end_replay")
def never_go_by_its_own_policy_again(_original: Any, *_arguments: Any) -> None:
    """As if all were of the past."""
