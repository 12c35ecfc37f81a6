"""Ways to break what subscribers are told of what they miss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.reasons import Reason
from fanout.workers.stream import gaps
from fanout.workers.stream.backlog import Backlog
from fanout.workers.stream.gaps import Gap, Gaps
from fanout.workers.stream.pump import Pump
from tests.simulation.mutations.known import replaces

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member


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
