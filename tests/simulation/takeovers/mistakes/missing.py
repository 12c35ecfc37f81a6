"""Ways to break what somebody is sent of the time before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.workers.connections.replays import Replays
from fanout.workers.stream import restoring
from fanout.workers.stream.losing import Losing
from fanout.workers.stream.replaying import Replaying
from tests.simulation.takeovers.mistakes.known import replaces

if TYPE_CHECKING:
    from fanout.workers.connections.peer import Peer
    from fanout.workers.stream.member import Member


@replaces(Replaying, "end_replay")
def let_its_own_policy_wait(original: Any, self: Replaying, member: Member) -> None:
    """Until it has got something behind what it has missed."""
    if member.replay is None or member.sequence > member.replay.until:
        original(self, member)


@replaces(restoring, "replay_of")
def forget_that_it_is_catching_up(_original: Any, _more: Any) -> None:
    return None


@replaces(restoring, "mark_in")
def forget_where_that_ends(_original: Any, _more: Any) -> None:
    return None


@replaces(Replaying, "replay")
def begin_a_message_late(
    original: Any, self: Replaying, member: Member, first: int, *rest: Any
) -> None:
    original(self, member, first + 1, *rest)


@replaces(Losing, "count_replayed")
def count_nothing_that_it_jumps_over(_original: Any, *_arguments: Any) -> None:
    """It has matched less than it has lost."""


@replaces(Replays, "begin")
def write_no_record_of_what_it_is_sent(original: Any, self: Replays, peer: Peer, now: int) -> None:
    """Whoever is to go on with it believes for longer that nobody knows what it was promised."""
    records: Any = self._records
    records.write = lambda *_, **__: None
    try:
        original(self, peer, now)
    finally:
        del records.write
