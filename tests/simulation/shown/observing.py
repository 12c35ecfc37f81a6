"""What workers say by what they do: when they look, from where on, and when they jump.

Each of these is held against what it must be; it is not taken as right because they do it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import mock

from fanout.reasons import Reason
from fanout.workers.connections.alike import Alike
from fanout.workers.connections.replays import Replays
from fanout.workers.stream.chaining import Chaining
from fanout.workers.stream.conflating import Conflating
from fanout.workers.stream.joining import Joining
from fanout.workers.stream.judging import Judging
from fanout.workers.stream.losing import Losing
from fanout.workers.stream.member import LOST
from fanout.workers.stream.members import Members
from fanout.workers.stream.showing import Showing
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from tests.simulation.shown.world import ShownWorld


def observe(world: ShownWorld, stack: ExitStack) -> None:
    """Tell the models of a world of what happens to its subscribers, as long as the stack is open.

    What may have taken the place of a method, as a mistake, is called like the method itself.
    """
    for owner, name, observer in (
        (Showing, "step", _step),
        (Showing, "_end", _end),
        (Alike, "give", _give),
        (Replays, "hold", _hold),
        (Replays, "_go_back", _go_back),
        (Joining, "following", _follow),
        (Joining, "join", _join),
        (Chaining, "_end", _find),
        (Chaining, "_tell", _lose),
        (Losing, "jump", _jump),
        (Losing, "finish", _finish),
        (Losing, "end_finishing", _end_finishing),
        (Conflating, "conflate", _conflate),
        (Judging, "set_policy", _set_policy),
        (Members, "change", _change),
    ):
        observed = _observed(world, getattr(owner, name), observer)
        stack.enter_context(mock.patch.object(owner, name, observed))


def _observed(
    world: ShownWorld, original: Callable[..., Any], observer: Callable[..., Any]
) -> Callable[..., Any]:
    def observed(*arguments: Any, **keywords: Any) -> Any:
        world.begin_noting()
        try:
            return observer(world, original, *arguments, **keywords)
        finally:
            world.end_noting()

    def noted_before(*arguments: Any, **keywords: Any) -> Any:
        return observer(world, original, *arguments, **keywords)

    return noted_before if observer in NOTED_BEFORE else observed


def _step(world: ShownWorld, original: Any, showing: Any, member: Any) -> Any:
    snapshot = member.snapshots.pending[0]
    is_first = not snapshot.is_begun
    if is_first or snapshot.finding is None:  # else it is held elsewhere
        world.look()
        has_rest = world.streams[member.id].is_in_message
        viewer = world.viewers[member.id]
        viewer.show(member.sequence, is_first=is_first, has_rest=has_rest)
    return original(showing, member)


def _give(world: ShownWorld, original: Any, alike: Any, peer: Any, added: Any, now: int) -> None:
    """It is sent all that another one was: there is no step of that, nor an end."""
    member, viewer = peer.member, world.viewers[peer.id]
    world.look()
    has_rest = world.streams[peer.id].is_in_message
    viewer.show(member.sequence, is_first=True, has_rest=has_rest)
    viewer.share()
    original(alike, peer, added, now)
    world.shared += 1
    if member.snapshots is None:
        viewer.end_snapshot()


def _end(world: ShownWorld, original: Any, showing: Any, member: Any, snapshot: Any) -> None:
    original(showing, member, snapshot)
    world.viewers[member.id].end_snapshot()


def _follow(world: ShownWorld, original: Any, joining: Any, *which: Any) -> Any:
    member, _snapshot, listing, _limit = which
    if listing.is_shared:
        world.viewers[member.id].share()
    before = world.joined
    load = original(joining, *which)
    world.shared += world.joined == before and len(load) > 0
    return load


def _join(world: ShownWorld, original: Any, *which: Any, **how: Any) -> Any:
    world.joined += 1
    return original(*which, **how)


def _hold(world: ShownWorld, original: Any, replays: Any, peer: Any, until: int) -> int:
    before = world.there
    first: int = original(replays, peer, until)
    world.viewers[peer.id].hold(first, until, (before, world.there))
    world.rush()
    return first


def _go_back(
    world: ShownWorld, original: Any, replays: Any, peer: Any, promise: Any, now: int
) -> int:
    first: int = original(replays, peer, promise, now)
    world.viewers[peer.id].go_back(first, promise.until)
    return first


def _find(world: ShownWorld, original: Any, *arguments: Any) -> None:
    _chaining, member, _snapshot, _finding = arguments
    original(*arguments)
    world.viewers[member.id].find()


def _lose(world: ShownWorld, original: Any, chaining: Any, member: Any, finding: Any) -> None:
    original(chaining, member, finding)
    world.viewers[member.id].lose(finding.lost)


def _jump(
    world: ShownWorld, original: Any, losing: Any, member: Any, target: int, *rest: Any
) -> int:
    front, reason = rest
    losing.settle(member, front)
    first, begun, is_past = member.sequence, _begun(member), member.replay is not None
    was_finishing, viewer = member.finishing is not None, world.viewers[member.id]
    world.look()
    lost: int = original(losing, member, target, *rest)
    if is_past and reason is Reason.LAG_LOG and viewer.goes_back:
        viewer.drop_late(first, target, front, lost, begun=begun)
    elif is_past and reason is Reason.LAG_LOG:
        viewer.jump(first, target, front, lost, has_begun=begun is not None)
    elif is_past:
        require(not lost, f"it loses {lost} by {reason}")
    else:
        viewer.drop(first, target, front, reason.label, world.now, begun=begun, lost=lost)
    if was_finishing and member.finishing is None:
        viewer.end_finishing(front)
    return lost


def _begun(member: Any) -> int | None:
    """The message of which it has got a part."""
    if member.spill:
        return int(member.spilled)
    return int(member.sequence) if member.offset else None


def _finish(
    world: ShownWorld, original: Any, losing: Any, member: Any, stop: int, *more: Any
) -> None:
    was_finishing = member.finishing is not None
    original(losing, member, stop, *more)
    if not was_finishing:
        world.viewers[member.id].live.finish(stop)


def _end_finishing(world: ShownWorld, original: Any, losing: Any, member: Any, front: int) -> None:
    original(losing, member, front)
    world.viewers[member.id].end_finishing(front)


def _conflate(world: ShownWorld, original: Any, conflating: Any, member: Any, front: int) -> bool:
    conflating._backlog.detach(member, front)
    first, before = member.sequence, member.conflated
    world.look()
    is_done: bool = original(conflating, member, front)
    if is_done and first < front:
        world.viewers[member.id].conflate(first, front, member.conflated - before)
    return is_done


def _set_policy(world: ShownWorld, original: Any, judging: Any, member: Any, *more: Any) -> int:
    cost: int = original(judging, member, *more)
    world.obeys(member.id, is_over=member.state is LOST)
    return cost


def _change(world: ShownWorld, original: Any, members: Any, member: Any, *more: Any) -> None:
    world.look()
    original(members, member, *more)
    world.viewers[member.id].obey(has_rest=world.streams[member.id].is_in_message)


NOTED_BEFORE = (_step, _give, _follow, _join)
