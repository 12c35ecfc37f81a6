"""Ways to break takeovers in the middle of last values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.workers.connections.due_values import DueValues
from fanout.workers.connections.records import Records
from fanout.workers.stream import shown
from fanout.workers.stream.showing import Showing
from tests.simulation.takeovers.mistakes.known import replaces

if TYPE_CHECKING:
    from fanout.workers.connections.peer import Peer
    from fanout.workers.stream.loads import Load
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.shown import Standing
    from fanout.workers.stream.snapshot import Snapshot


@replaces(shown, "_standing")
def begin_last_values_again(original: Any, one: Snapshot, keep: Any) -> Standing:
    standing: Standing = original(one, keep)
    return standing._replace(passed=-1)


@replaces(shown, "_standing")
def forget_that_they_end(original: Any, one: Snapshot, keep: Any) -> Standing:
    standing: Standing = original(one, keep)
    return standing._replace(is_last=False)


@replaces(shown, "_standing")
def end_them_with_what_is_sent(original: Any, one: Snapshot, keep: Any) -> Standing:
    standing: Standing = original(one, keep)
    return standing._replace(is_last=standing.messages > 0)


@replaces(Showing, "_note")
def find_what_was_being_sent_anew(
    _original: Any, self: Showing, member: Member, _snapshot: Snapshot, _load: Load
) -> None:
    self._losing.turned(member)


@replaces(Showing, "_note")
def send_last_values_without_a_record(
    _original: Any, _self: Showing, _member: Member, _snapshot: Snapshot, _load: Load
) -> None:
    """What it is sent follows from nothing."""


@replaces(shown, "_snapshot")
def tell_again_that_they_begin(original: Any, *stands: Any) -> Snapshot:
    made: Snapshot = original(*stands)
    made.is_begun = False
    return made


@replaces(shown, "_snapshot")
def forget_the_part_of_the_names(original: Any, *stands: Any) -> Snapshot:
    made: Snapshot = original(*stands)
    made.part = None
    return made


@replaces(DueValues, "_show")
def show_as_of_the_front(original: Any, self: DueValues, peer: Peer, due: Any, now: int) -> None:
    original(self, peer, due._replace(at=self._pump.front), now)


@replaces(Records, "_add_more")
def leave_the_rest_of_a_last_value_to_the_log(
    original: Any, self: Records, peer: Peer, record: Any
) -> Any:
    made, pointed_to = original(self, peer, record)
    return (made._replace(copy=0) if peer.member.snapshots else made), pointed_to
