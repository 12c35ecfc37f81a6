"""Ways to let somebody wait for others, or forget who has to wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.workers.connections.desk import Desk
from fanout.workers.stream.members import Members
from fanout.workers.stream.pump import Pump
from fanout.workers.stream.rounds import Rounds
from fanout.workers.stream.sorting import Sorting
from tests.simulation.mutations.known import replaces

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member


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


@replaces(Pump, "serve_runnable")
def forget_the_runnable(_original: Any, self: Pump, _now: int, _limit: int) -> None:
    self.runnable.clear()


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
