"""Ways to break who matches what, and what is counted and reported of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.workers.connections.desk import Desk
from fanout.workers.connections.slowness import SlowReports
from fanout.workers.stream.backlog import Backlog
from fanout.workers.stream.cohorts import Cohorts
from fanout.workers.stream.effects import Slowed
from fanout.workers.stream.known_topics import KnownTopics
from fanout.workers.stream.members import Members
from fanout.workers.stream.pump import Pump
from tests.simulation.mutations.known import replaces
from tests.simulation.observed_pump import ObservedPump

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member


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


@replaces(SlowReports, "add")
def report_no_loss(_original: Any, _self: SlowReports, *_what: Any) -> None:
    return
