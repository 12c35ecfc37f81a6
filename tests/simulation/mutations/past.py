"""Ways to break what is sent of the time before somebody came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.workers.stream.losing import Losing
from fanout.workers.stream.replaying import Replaying
from fanout.workers.tail import Tail
from tests.simulation.mutations.known import replaces

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member


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
