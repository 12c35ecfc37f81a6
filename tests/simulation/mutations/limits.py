"""Ways to break what may be kept for one who is behind: policies and their limits."""

from __future__ import annotations

from collections import deque
from typing import Any

from fanout.reasons import Reason
from fanout.workers import worker
from fanout.workers.policy.ages import Ages
from fanout.workers.policy.base import KeepNewest, KeepOfLog, Wait
from fanout.workers.policy.block import Block
from fanout.workers.policy.disconnect import Disconnect
from fanout.workers.policy.drop_newest import DropNewest
from fanout.workers.policy.drop_oldest import DropOldest
from fanout.workers.policy.limits import Lag, Limits
from fanout.workers.stream import judging
from fanout.workers.stream.backlog import Backlog
from fanout.workers.stream.chunks import Chunks
from fanout.workers.stream.conflating import Conflating
from fanout.workers.stream.known_topics import KnownTopics
from fanout.workers.stream.lags import Lags
from fanout.workers.stream.member import NO_DROPS, Member
from fanout.workers.stream.newest import Newest
from fanout.workers.stream.pump import Pump
from fanout.workers.stream.rests import Rests
from fanout.workers.stream.values import Values
from tests.simulation.mutations.known import replaces


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


@replaces(Pump, "_has_finished")
def lose_what_comes_when_nothing_waits(_original: Any, _self: Pump, _member: Member) -> bool:
    """Who has got all that it was to finish with goes on losing what comes until its next turn."""
    return False


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
def conflate_nothing(_original: Any, _self: Conflating, _member: Member, _front: int) -> bool:
    return True


@replaces(Conflating, "_values")
def forget_what_it_wanted_before(
    _original: Any, self: Conflating, member: Member, _cohort: Any, first: int, front: int
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


@replaces(judging, "left_of")
def look_too_late(original: Any, limit: int, lag: int) -> int:
    return 2 * int(original(limit, lag))


@replaces(Pump, "_report_slow")
def call_nobody_slow(_original: Any, _self: Pump, *_of: Any) -> None:
    return


@replaces(Pump, "set_policy")
def forget_the_policy(_original: Any, _self: Pump, *_policy: Any) -> int:
    return 0


@replaces(Pump, "set_policy")
def judge_by_the_policy_before(
    original: Any, self: Pump, member: Member, policy: Any, now: int
) -> int:
    watch = member.watch
    cost: int = original(self, member, policy, now)
    member.watch = watch or member.watch
    return cost


@replaces(KnownTopics, "make_room")
def remember_topics_for_ever(_original: Any, _self: KnownTopics, _count: int) -> bool:
    return False


@replaces(Newest, "_sequences")
def send_the_older_after_the_newer(original: Any, self: Newest, *of: Any) -> list[int]:
    return list(reversed(original(self, *of)))


@replaces(Rests, "add")
def rest_for_no_time(original: Any, self: Rests, member: Member, _until: int) -> None:
    original(self, member, 0)


@replaces(Pump, "set_policy")
def forget_what_was_lost_with_the_policy_before(
    original: Any, self: Pump, member: Member, policy: Any, now: int
) -> int:
    cost: int = original(self, member, policy, now)
    member.dropped = member.dropped_bytes = 0
    member.drops = NO_DROPS
    return cost


@replaces(Member, "lose")
def lose_everything_for_one_reason(original: Any, self: Member, lost: Any, _reason: Reason) -> None:
    original(self, lost, Reason.LAG)
