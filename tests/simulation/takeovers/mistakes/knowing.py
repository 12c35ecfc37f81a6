"""Ways to break what others know of a stream: who wants what, and by which policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.control.splitting import split_wants
from fanout.coordinator import supervision
from fanout.coordinator.areas import Areas
from fanout.coordinator.handing_on import HandingOn
from fanout.coordinator.interest import Interest
from fanout.coordinator.roster import Roster
from fanout.coordinator.takeovers import Takeovers
from fanout.shm import last_known
from fanout.shm.stream_record import Kind
from fanout.workers.connections.inbox import Inbox
from fanout.workers.connections.reading import ReadSide
from fanout.workers.connections.records import Records
from fanout.workers.connections.resuming import Resuming
from fanout.workers.connections.self_service import SelfService
from fanout.workers.stream import restoring
from fanout.workers.stream.gaps import Gaps
from fanout.workers.stream.losing import Losing
from fanout.workers.stream.pump import Pump
from fanout.workers.stream.restoring import Restoring
from tests.simulation.takeovers.mistakes.known import replaces

if TYPE_CHECKING:
    from fanout.workers.connections.peer import Peer
    from fanout.workers.stream.member import Member


# Who wants what, and what was said.


@replaces(HandingOn, "_wants_of")
def hand_on_what_it_wants_now_only(_original: Any, self: HandingOn, connection: Any) -> Any:
    wanted = sorted(self._state.interest.prefixes(connection.subscriber))
    return iter(split_wants(connection.subscriber, 0, wanted, []))


@replaces(Interest, "move")
def leave_interest_with_the_lost(
    _original: Any, _self: Interest, _subscriber: int, _worker: int
) -> None:
    """The publisher rings for a worker that has it no more."""


@replaces(Inbox, "look")
def take_before_one_acts(original: Any, self: Inbox, data: bytes, room: int) -> Any:
    events = original(self, data, room)
    self.has_acted()
    self.take()
    return events


@replaces(ReadSide, "_apply_changes")
def hold_all_if_the_report_of_one_waits(original: Any, self: ReadSide, now: int) -> None:
    """Also those whose reports are out: what they lose then is not what was reported."""
    self._channel.flush()
    if self._channel.pending:
        last = self._channel.posted
        for peer, reported in self._reported.items():
            self._reported[peer] = reported._replace(number=last)
    original(self, now)


@replaces(Roster, "orphan")
def leave_orphans_with_the_lost(_original: Any, _self: Roster, _subscriber: int) -> None:
    """They are counted, and ended, with what it leaves."""


# What a worker knows beside that, by the policy of somebody.


@replaces(Records, "_note_turn")
def conflate_without_a_record(_original: Any, _self: Records, _member: Member) -> None:
    """Which messages are left is what another worker finds to be the newest."""


@replaces(Restoring, "_take_segments")
def forget_which_messages_are_left(_original: Any, *_arguments: Any) -> None:
    """It is to get all that it wants."""


@replaces(Losing, "lose_since")
def count_no_losses_since_the_record(_original: Any, *_arguments: Any) -> None:
    """Who loses what comes has lost it, and nobody says so."""


@replaces(Pump, "_has_finished")
def lose_what_comes_when_nothing_waits(_original: Any, _self: Pump, _member: Member) -> bool:
    """Who loses what comes, and has got all that it was to get, does so until its next turn."""
    return False


@replaces(Gaps, "note")
def remember_only_the_last_gap(original: Any, self: Gaps, *arguments: Any) -> None:
    self.pending.clear()
    original(self, *arguments)


@replaces(restoring, "gaps_of")
def forget_the_gaps(original: Any, more: Any, epoch: int) -> Any:
    gaps = original(more, epoch)
    if gaps is not None:
        gaps.pending.clear()
    return gaps


@replaces(Restoring, "_send_again")
def rest_only_as_recorded(original: Any, *arguments: Any) -> bool:
    original(*arguments)
    return False


@replaces(Restoring, "go_by")
def forget_that_it_rests(
    original: Any, self: Restoring, member: Member, policy: Any, now: int, _until: int = 0
) -> None:
    original(self, member, policy, now)


@replaces(HandingOn, "_resume_of")
def hand_on_the_policy_of_all(original: Any, self: HandingOn, *arguments: Any) -> Any:
    choices: Any = self._state.choices
    choices.choice_of = lambda _subscriber: choices._default
    try:
        return original(self, *arguments)
    finally:
        del choices.choice_of


@replaces(Resuming, "after")
def lose_what_is_ordered_for_who_comes(_original: Any, *_arguments: Any) -> bool:
    return True


@replaces(SelfService, "go_on")
def forget_what_it_has_said(_original: Any, *_arguments: Any, **_more: Any) -> None:
    """It is as if it had never said anything of itself."""


@replaces(SelfService, "go_on")
def tell_nobody_that_it_has_taken_all_back(
    original: Any, self: SelfService, subscriber: int, said: Any, **_more: Any
) -> None:
    original(self, subscriber, said)


@replaces(Areas, "give")
def give_the_area_of_the_lost(_original: Any, _self: Areas, worker: int) -> int:
    return worker + 1


@replaces(Records, "leave")
def free_at_once_what_others_go_on_by(_original: Any, _self: Records, _peer: Peer) -> None:
    """What its record points to is overwritten."""


@replaces(Records, "_add_more")
def point_to_nothing_without_memory(original: Any, self: Records, peer: Peer, record: Any) -> Any:
    found, pointed_to = original(self, peer, record)
    return (record, pointed_to) if found.kind == Kind.NO_ROOM else (found, pointed_to)


@replaces(Records, "_add_more")
def remember_that_there_was_no_memory(original: Any, self: Records, peer: Peer, record: Any) -> Any:
    """Whoever was without once has no record any more."""
    last = peer.record.read(peer.id)
    if last is not None and last.kind == Kind.NO_ROOM:
        return self._point_to_nothing(peer, record)
    return original(self, peer, record)


# Who is to blame for the end of a worker.


@replaces(supervision, "is_from_outside")
def blame_them_for_each_end(_original: Any, _code: int | None) -> bool:
    """Also for that by a signal from outside."""
    return False


@replaces(Takeovers, "_is_suspect")
def blame_nobody(_original: Any, *_arguments: Any) -> bool:
    """Who ends one worker after another goes on with the next one."""
    return False


@replaces(last_known, "_is_newer")
def believe_a_checkpoint_of_before(_original: Any, *_arguments: Any) -> bool:
    """What was lost since counts as sent."""
    return False
