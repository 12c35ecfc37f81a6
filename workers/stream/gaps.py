"""Gaps: what a subscriber that wants to know it is told of messages that it does not get. Pure.

Who subscribes to `\\x00fanout.gap` gets, before the first message after a loss, a *marker*: a
message of two frames that is not in the log, the topic and a map in msgpack that says what was
lost. What is lost again before the marker could be sent is in the same one: nothing grows.

What newer messages take the place of lies before and between those. It is told before the first of
them: so nobody gets a message without having been told of all that is missing before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgpack

from fanout.reasons import GapKind
from fanout.terms.reserved import GAP_TOPIC
from fanout.zmtp.frames import encode_message

if TYPE_CHECKING:
    from fanout.zmtp.encoding import Encoding

CONFLATED, EXPIRED = GapKind.CONFLATED.value, GapKind.EXPIRED.value
NO_KEYFRAME, OTHER_RUN = GapKind.NO_KEYFRAME.value, GapKind.OTHER_RUN.value
_KINDS = {kind.value for kind in GapKind}


class Gap:
    """Messages of one subscriber's that it does not get, of which none was told yet.

    Attributes:
        first, last: sequences of the first and the last of them.
        count: how many they are: only those that it wanted.
        reason: why the last ones were lost, a label of `Reason`, or of `GapKind`.
        whole: whether nothing is added to it any more while the cursor has not come to it.
    """

    __slots__ = ("count", "first", "last", "reason", "whole")

    def __init__(self, first: int, last: int, count: int, reason: str) -> None:
        self.first = first
        self.last = last
        self.count = count
        self.reason = reason
        self.whole = False

    @property
    def kind(self) -> str:
        """Those of one kind are told together; of losses, whatever the reason."""
        return self.reason if self.reason in _KINDS else ""

    def take_in(self, other: Gap) -> None:
        """Another gap, between which and this one nothing is sent; the newer reason stays."""
        if other.last > self.last:
            self.reason = other.reason
        self.first = min(self.first, other.first)
        self.last = max(self.last, other.last)
        self.count += other.count


class Gaps:
    """The gaps of one member that its peer has not been told of.

    Its mutable state: those gaps, in their order. Behind its cursor there are at most two, for
    losses and for conflation; in front of it one more than it has begun to finish and then was
    given another policy, which the segments in `Member.older` bound.

    Args:
        epoch: of the publisher.
        conflated: whether it is told of conflation, too.
    """

    __slots__ = ("_epoch", "conflated", "pending")

    def __init__(self, epoch: int, *, conflated: bool) -> None:
        self._epoch = epoch
        self.conflated = conflated
        self.pending: list[Gap] = []

    def note(self, gap: Gap, cursor: int) -> None:
        """These were lost; they are behind the cursor of the member now, or not yet.

        Args:
            cursor: the next message that it may be sent.
        """
        if gap.reason == CONFLATED and not self.conflated:
            return
        is_behind = bool(gap.kind) or gap.last < cursor
        others = []
        for one in self.pending:
            # Behind the cursor nothing is sent between two, in front of it something may be.
            is_open = is_behind or not one.whole
            is_here = bool(gap.kind) or (is_open and (one.last < cursor) == is_behind)
            if one.kind == gap.kind and is_here:
                gap.take_in(one)
            else:
                others.append(one)
        self.pending = sorted([*others, gap], key=lambda one: one.last)

    def tell_conflated(self, *, also: bool) -> None:
        """It is told of conflation from now on, too; or of none any more that it was not told."""
        self.conflated = also
        if not also:
            self.pending = [gap for gap in self.pending if gap.reason != CONFLATED]

    def end_losses(self) -> None:
        """It gets again what comes, or what came before: what it loses later is another gap."""
        for gap in self.pending:
            gap.whole = gap.whole or gap.reason != CONFLATED

    def is_due(self, cursor: int) -> bool:
        """Whether `take()` would tell of any."""
        return any(gap.last < cursor or gap.kind for gap in self.pending)

    def take(self, cursor: int, encoding: Encoding | None) -> bytes:
        """The markers of all gaps behind the cursor, as its peer reads them; they are told then.

        But for losses they are due wherever they are. What begins first is told first: so who knows
        the numbers of what it got may take what is missing before a marker for told by none.
        """
        due = [gap for gap in self.pending if gap.last < cursor or gap.kind]
        self.pending = [gap for gap in self.pending if gap not in due]
        told: dict[str, Gap] = {}
        for gap in due:  # one that was in front of the cursor when it was noted may be here now
            same = told.setdefault(gap.kind, gap)
            if same is not gap:
                same.take_in(gap)
        markers = b""
        for gap in sorted(told.values(), key=_place):
            marker = marker_of(gap, self._epoch)
            # No message of the log is sent by the number of one that was lost.
            markers += marker if encoding is None else encoding.encode(marker, gap.last)
        return markers


def _place(gap: Gap) -> tuple[bool, int, int]:
    """Where a marker stands among those that are sent together."""
    return gap.kind != OTHER_RUN, gap.first, gap.last


def marker_of(gap: Gap, epoch: int) -> bytes:
    """What a subscriber is sent that has missed these, as it would lie in the log."""
    fields = {
        "epoch": epoch,
        "first": gap.first,
        "last": gap.last,
        "count": gap.count,
        "reason": gap.reason,
    }
    return encode_message((GAP_TOPIC, msgpack.packb(fields)))
