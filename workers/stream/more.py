"""More: what another worker has to know of a member that neither its record nor the log says. Pure.

It is written to the spill area of the worker, and the record points to it. Most members have none.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any, NamedTuple

import msgpack

from fanout.reasons import Reason
from fanout.workers.stream.chain import Chain, chain_of
from fanout.workers.stream.cohort import cohort_of
from fanout.workers.stream.gaps import Gap, Gaps
from fanout.workers.stream.member import HELD
from fanout.workers.stream.numbers import numbers_in
from fanout.workers.stream.replay import Replay
from fanout.workers.stream.segments import segments
from fanout.workers.stream.shown import shown_of
from fanout.workers.stream.values import Values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fanout.shm.reader import LogReader
    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.finding import Alone
    from fanout.workers.stream.loads import Load
    from fanout.workers.stream.member import Member, Wants
    from fanout.workers.stream.snapshot import Snapshots

    Keep = Callable[[Values | Cohort[Member] | Snapshots | Load | Alone], tuple[int, int]]
    Read = Callable[[int, int], bytes]

# Of a segment: what it wanted; nothing; these messages; this, whatever it wanted; topics, each from
# a message on.
AS_EVER, NOTHING, CHOSEN, WANTED, CHAINED = range(5)

PACKED_MAX = 256 * 1024  # bytes; what is larger may have made the packer's buffer grow for good
# One for all of a process, which writes records on one thread: each new one has a buffer of its
# own, and to get that from the system and to give it back takes longer than to pack.
_packers = [msgpack.Packer()]


class More(NamedTuple):
    """What there is of it.

    Args:
        said: its reserved subscriptions, in the order in which they count.
        gaps: None = it is not told of gaps; or whether of conflation, too, and the fields of each.
        segments: until which message it is to get what: one of the above, and where that is stored;
            of CHOSEN, whether they are those of all topics that it wants, too.
        finishing: the number of a `Reason`, 0 = it loses nothing that comes.
        lossy_until: as in `Member`.
        rests_until: monotonic ns before which it is sent nothing, 0 = it may be.
        speech: what is to be said to it, if that does not fit into the record.
        replay: the fields of its `Replay`, if it has one.
        untold_until: as in `Member`.
        mark: as in `Member`.
        shown: those of its `Shown`, if it is sent last values.
    """

    said: Sequence[bytes] = ()
    gaps: list[Any] | None = None
    segments: Sequence[tuple[int, int, int, int, bool]] = ()
    finishing: int = 0
    lossy_until: int = 0
    rests_until: int = 0
    speech: bytes = b""
    replay: Sequence[int] = ()
    untold_until: int = 0
    mark: int | None = None
    shown: Sequence[Any] = ()

    def packed(self) -> bytes:
        """As it is written; b"" = there is nothing to write."""
        if self == NOTHING_MORE:
            return b""
        packed: bytes = _packers[0].pack(self)
        if len(packed) > PACKED_MAX:  # as one with very many gaps: its buffer is given back
            _packers[0] = msgpack.Packer()
        return packed

    @classmethod
    def unpacked(cls, data: bytes) -> More:
        """What was written."""
        return cls(*msgpack.unpackb(data))


NOTHING_MORE = More()


def more_of(
    member: Member, keep: Keep, *, said: Sequence[bytes], rests_until: int, speech: bytes
) -> More:
    """All that there is of a member that was just settled.

    Args:
        keep: stores what somebody is to get; returns where, and how many bytes.
    """
    gaps, told = member.gaps, None
    if gaps is not None:
        told = [
            gaps.conflated,
            [(gap.first, gap.last, gap.count, gap.reason, gap.whole) for gap in gaps.pending],
        ]
    finishing, lossy_until = 0, 0
    if member.finishing is not None:
        finishing = member.finishing.number
    if member.sequence < member.lossy_until:
        lossy_until = member.lossy_until
    segments: tuple[tuple[int, int, int, int, bool], ...] = ()
    replay, untold_until = member.replay, 0
    if (
        finishing
        or lossy_until
        or replay is not None
        or member.sequence < member.untold_until
        or any(type(wants) in (Values, Chain) for _, wants in member.older)
    ):
        known_from = max(member.untold_until, 0 if replay is None else replay.until)
        if member.state is HELD:  # its change is being reported; it loses by what it wanted before
            known_from = max([known_from, *[until for until, _wants in member.older]])
        untold_until = known_from
        segments = (*[_segment(until, wants, keep, known_from) for until, wants in member.older],)
    replayed = () if replay is None else (replay.until, replay.stop, replay.counted)
    shown = () if member.snapshots is None else shown_of(member.snapshots, keep)
    rest = finishing, lossy_until, rests_until, speech, replayed, untold_until, member.mark
    return More(said, told, segments, *rest, shown)


def _segment(
    until: int, wants: Wants, keep: Keep, known_from: int
) -> tuple[int, int, int, int, bool]:
    if wants is None:
        return until, NOTHING, 0, 0, False
    if isinstance(wants, Values):
        return until, CHOSEN, *keep(wants), wants.are_newest and until > known_from
    if isinstance(wants, Chain):
        return until, CHAINED, *keep(wants), False
    if until <= known_from:  # what it is to get up to there only this worker knows
        return until, WANTED, *keep(wants), False
    return until, AS_EVER, 0, 0, False


def gaps_of(more: More, epoch: int) -> Gaps | None:
    """Its gaps, as they were."""
    if more.gaps is None:
        return None
    conflated, pending = more.gaps
    gaps = Gaps(epoch, conflated=conflated)
    for first, last, count, reason, whole in pending:
        gap = Gap(first, last, count, reason)
        gap.whole = whole
        gaps.pending.append(gap)
    return gaps


def finishing_of(more: More) -> Reason | None:
    """Why it loses what comes."""
    return Reason.of(more.finishing) if more.finishing else None


def replay_of(more: More) -> Replay | None:
    """How far it is sent what was published before."""
    return Replay(*more.replay) if more.replay else None


def mark_in(more: More) -> int | None:
    """Where it is told that it has got what it had missed."""
    return more.mark


def segments_of(
    more: More, member: Member, log: LogReader, read: Read
) -> Iterator[tuple[int, Wants]]:
    """What it is to get from its cursor on; `older` has what it wanted since then.

    Args:
        read: what is stored somewhere.
    """
    first, wanted = member.sequence, list(member.older)
    for until, what, offset, size, are_newest in more.segments:
        if until < first or (until == first and what != CHOSEN):
            continue  # it has got all of that; but a pass of `conflate` is still to be ended
        if what == AS_EVER:
            for _start, stop, wants in segments(member, first, until):
                is_present = wants is member.cohort
                yield min(stop, until), wants and wants.keep() if is_present else wants
                if stop >= until:
                    break
        elif what == NOTHING:
            yield until, None
        elif what == WANTED:
            yield until, cohort_of(read(offset, size), member.encoding)
        elif what == CHAINED:
            yield until, chain_of(read(offset, size), member.encoding)
        else:
            chosen = numbers_in(read(offset, size))
            # What it has got may not be in the log any more.
            left = chosen[bisect_left(chosen, first) :]
            # They were the newest of what it wanted then; where they end, that may have changed.
            has_changed = any(stop <= until for stop, _wants in wanted)
            yield until, Values(left, log, are_newest=are_newest and not has_changed)
        first = until
    yield from [(stop, wants) for stop, wants in wanted if stop > first]
