"""Shown: what subscribers are sent of what was published before they came is set up here. Shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.connections.alike import Alike
from fanout.workers.connections.due_values import DueValues
from fanout.workers.connections.keyframe_requests import KeyframeRequests
from fanout.workers.stream.chaining import Chaining
from fanout.workers.stream.restoring import MismatchError
from fanout.workers.stream.showing import Showing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fanout.shm.kept_values import KeptValues
    from fanout.workers.connections.peer import Peer
    from fanout.workers.connections.records import Records
    from fanout.workers.connections.replays import Replays
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.pump import Pump
    from fanout.workers.surroundings import Surroundings


def show_values(
    values: KeptValues,
    around: Surroundings,
    pump: Pump,
    peers: Mapping[int, Peer],
    replays: Replays,
    records: Records,
) -> None:
    """Have members sent last values, and keyframes with what came since.

    Args:
        peers: those that are served here, by id.
        replays: has the log kept for one of them from before a message on.
    """

    def hold(member: Member, until: int) -> int:
        peer = peers.get(member.id)
        if peer is None:
            # It comes from another worker, and is only brought to where it was there. Before that
            # one looked for keyframes it had sent all that its record was of, and no more.
            raise MismatchError("it got more than there was before its last values")
        return replays.hold(peer, until)

    tuning = pump.tuning.show
    showing = Showing(values, pump.backlog, pump.totals, tuning, pump.postpone)
    want = KeyframeRequests(around.channel, around.now).ask
    showing.chaining = Chaining(values, showing.names, pump, hold, want, tuning)
    pump.backlog.show = showing.step
    alike = Alike(values, pump, records, showing)
    replays.values = DueValues(around, pump, alike)
