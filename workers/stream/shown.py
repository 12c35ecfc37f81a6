"""Shown: what another worker has to know to go on in the middle of snapshots. Pure.

Which last values there are, it finds out by itself: those that are left are newer than the last one
that was sent, for they come in the order of their publication. Only what was just being sent it
could not, for it may have been replaced since: that is kept as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fanout.workers.stream.finding import Alone, Finding
from fanout.workers.stream.loads import Load
from fanout.workers.stream.snapshot import Snapshot, Snapshots

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from fanout.workers.stream.listing import Part
    from fanout.workers.stream.value_marks import About

    Keep = Callable[[Snapshots | Load | Alone], tuple[int, int]]
    Read = Callable[[int, int], bytes]


_NOWHERE = (0, 0)


class Standing(NamedTuple):
    """Where one snapshot stands; the fields are as in that.

    Args:
        load: where it is kept what was being sent of it, and its bytes; 0 = nothing was.
        messages: of that.
        is_last: as in `Snapshot`.
        held: the fields of its `Finding` that say where it is held, if it is.
        alone: as `load`.
    """

    number: int
    due: int
    above: int
    is_alone: bool
    is_told: bool
    is_asked_for: bool
    is_passed: bool
    is_begun: bool
    sent: int
    evicted: int
    part: Part | None
    passed: int
    later: Sequence[int]
    is_found: bool
    before: int | None
    load: tuple[int, int]
    messages: int
    is_last: bool
    held: tuple[int, int, int, bool] | None
    alone: tuple[int, int]


class Shown(NamedTuple):
    """Where those of a member stand.

    Args:
        about: where it is kept what they are about, and its bytes; 0 = all that it wants.
        standing: of each.
    """

    about: tuple[int, int] = _NOWHERE
    standing: Sequence[Standing] = ()


def shown_of(snapshots: Snapshots, keep: Keep) -> Shown:
    """Where they stand.

    Args:
        keep: stores what one of them has; returns where, and how many bytes.
    """
    about = _NOWHERE if snapshots.follow_from_wants else keep(snapshots)
    return Shown(about, [_standing(one, keep) for one in snapshots.pending])


def _standing(one: Snapshot, keep: Keep) -> Standing:
    load, finding = one.load, one.finding
    return Standing(
        *(
            one.number,
            one.due,
            one.above,
            one.is_alone,
            one.is_told,
            one.is_asked_for,
            one.is_passed,
        ),
        *(one.is_begun, one.sent, one.evicted, one.stands_in, one.stands_at, one.later),
        *(one.is_found, one.before),
        _NOWHERE if load is None else keep(load),
        0 if load is None else len(load),
        load is not None and one.is_last,
        None if finding is None else finding.held,
        keep(one.alone) if one.alone else _NOWHERE,
    )


def snapshots_of(shown: Shown, subscriptions: Collection[bytes], read: Read) -> Snapshots:
    """They go on from there.

    Args:
        subscriptions: of the member, as they are at any time later.
    """
    standing = [Standing(*one) for one in shown.standing]
    about = read(*shown.about) if shown.about[1] else b""
    number = standing[-1].number
    made, prefixes = Snapshots.taken_over(subscriptions, about, number)
    for stands, (wanted, told) in zip(standing, prefixes, strict=True):
        made.pending.append(_snapshot(stands, wanted, told, read))
    made.cancel_what_is_gone()
    return made


def _snapshot(
    stands: Standing, prefixes: Collection[bytes], about: About | None, read: Read
) -> Snapshot:
    made = Snapshot(
        *(stands.number, stands.due, stands.above, prefixes),
        is_alone=stands.is_alone,
        is_told=stands.is_told,
        about=about,
    )
    made.is_asked_for = stands.is_asked_for
    made.is_passed, made.is_begun = stands.is_passed, stands.is_begun
    made.sent, made.evicted = stands.sent, stands.evicted
    made.part = None if stands.part is None else (stands.part[0], stands.part[1])
    made.passed, made.later = stands.passed, [*stands.later]
    made.is_found, made.before = stands.is_found, stands.before
    if stands.messages:
        made.load = Load.unpacked(read(*stands.load), stands.messages)
        made.is_last = stands.is_last
    if stands.held is not None:
        *where, is_asked_for = stands.held
        made.finding = Finding(*where, is_asked_for=is_asked_for)
    if stands.alone[1]:
        made.alone = Alone.unpacked(read(*stands.alone))
    return made
