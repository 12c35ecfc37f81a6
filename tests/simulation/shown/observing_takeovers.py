"""What workers do that go on with somebody; see `observing.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import mock

from fanout.workers.stream.judging import Judging
from fanout.workers.stream.restoring import Restoring
from fanout.workers.stream.showing import Showing

if TYPE_CHECKING:
    from contextlib import ExitStack

    from tests.simulation.shown.deaths import DyingWorld


def observe_takeovers(world: DyingWorld, stack: ExitStack) -> None:
    """Tell the models of a world of them, as long as the stack is open."""
    restore, step, release = Restoring.restore, Showing.step, Judging.release

    def restored(restoring: Any, member: Any, *which: Any, **how: Any) -> bool:
        world.look()
        viewer = world.viewers[member.id]
        viewer.is_restored = True
        try:
            has_passed = restore(restoring, member, *which, **how)
        finally:
            viewer.is_restored = False
        viewer.restore(has_rest=world.streams[member.id].is_in_message)
        return has_passed

    def stepped(showing: Any, member: Any) -> Any:
        viewer = world.viewers[member.id]
        assert member.snapshots is not None
        if member.snapshots.pending[0].load is None:
            world.look()
            viewer.is_handed_load = False
        return step(showing, member)

    def released(judging: Any, member: Any, *which: Any) -> None:
        """The report of its change had to wait."""
        world.look()
        world.begin_noting()
        try:
            release(judging, member, *which)
            has_rest = world.streams[member.id].is_in_message
            world.viewers[member.id].obey(has_rest=has_rest)
        finally:
            world.end_noting()

    stack.enter_context(mock.patch.object(Judging, "release", released))
    stack.enter_context(mock.patch.object(Restoring, "restore", restored))
    stack.enter_context(mock.patch.object(Showing, "step", stepped))
