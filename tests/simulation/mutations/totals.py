"""Ways to break the totals of a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.workers.figures import Figures
from fanout.workers.stream.backlog import Backlog
from fanout.workers.stream.cohort import Prefix
from fanout.workers.stream.members import Members
from fanout.workers.stream.rounds import Rounds
from fanout.workers.stream.sends import Sends
from fanout.workers.stream.sorting import Sorting
from fanout.workers.stream.wanted import Wanted
from tests.simulation.mutations.known import replaces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.member import Member


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
