"""Ways to break rates, and who counts as silent and is evicted for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.reasons import Reason
from fanout.workers.policy.rate import Rate
from fanout.workers.stream.members import Members
from fanout.workers.stream.pump import Pump
from fanout.workers.stream.silence import LOOKS_MIN, Silence, Witness
from fanout.workers.stream.throttling import Throttles
from tests.simulation.mutations.known import replaces

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member


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
