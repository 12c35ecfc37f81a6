"""What workers say by what they do: when they look, from where on, and when they jump.

Each of these is held against what it must be; it is not taken as right because they do it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import mock

from fanout.reasons import Reason
from fanout.workers.connections.replays import Replays
from fanout.workers.stream.chaining import Chaining
from fanout.workers.stream.losing import Losing
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
        (Replays, "hold", _hold),
        (Chaining, "_end", _find),
        (Chaining, "_tell", _lose),
        (Losing, "jump", _jump),
    ):
        observed = _observed(world, getattr(owner, name), observer)
        stack.enter_context(mock.patch.object(owner, name, observed))


def _observed(
    world: ShownWorld, original: Callable[..., Any], observer: Callable[..., Any]
) -> Callable[..., Any]:
    def observed(*arguments: Any, **keywords: Any) -> Any:
        return observer(world, original, *arguments, **keywords)

    return observed


def _step(world: ShownWorld, original: Any, showing: Any, member: Any) -> Any:
    snapshot = member.snapshots.pending[0]
    if not snapshot.is_begun:
        world.look()
        as_of = snapshot.due if snapshot.is_passed else member.sequence
        has_rest = world.streams[member.id].is_in_message
        world.viewers[member.id].begin(as_of, has_rest=has_rest)
    return original(showing, member)


def _end(world: ShownWorld, original: Any, showing: Any, member: Any, snapshot: Any) -> None:
    original(showing, member, snapshot)
    world.viewers[member.id].end_snapshot()


def _hold(world: ShownWorld, original: Any, replays: Any, peer: Any, until: int) -> int:
    before = world.there
    first: int = original(replays, peer, until)
    world.viewers[peer.id].hold(first, until, (before, world.there))
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
    first, has_begun = member.sequence, bool(member.offset or member.spill)
    world.look()
    lost: int = original(losing, member, target, *rest)
    if reason is Reason.LAG_LOG:
        world.viewers[member.id].jump(first, target, front, lost, has_begun=has_begun)
    else:
        require(not lost, f"it loses {lost} by {reason}")
    return lost
