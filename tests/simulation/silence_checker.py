"""Who takes nothing is ended in time, but not too soon; whose event got lost is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.reasons import Reason
from fanout.workers.stream.member import HELD, LOST
from tests.simulation.limits_checker import LimitsChecker
from tests.simulation.peers import Kind
from tests.simulation.policies import Behind, is_over
from tests.simulation.violated import require

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member
    from tests.simulation.model import SubscriberModel
    from tests.simulation.workers import SimulatedWorker

TICKS_UNTIL_TRIED = 27  # one member is tried in each, at least; three for each there can be


class SilenceChecker(LimitsChecker):
    """After ticks: who was silent, and for how long."""

    def given_up(self, worker: SimulatedWorker, member: Member, reason: Reason) -> None:
        """It is to be evicted for its silence: it was silent, while somebody looked, and is."""
        world, model = self._world, self._world.models[member.id]
        sock, options = world.sockets[member.id], world.options
        silent = _seen(worker.stops, _silent_since(model), world.now)
        if reason is Reason.SEND_TIMEOUT:
            require(silent >= options.send_timeout * 1e9, f"given up after {silent} ns")
            lag = model.behind(worker.pump.front, world.now)._replace(
                log_bytes=world.history.start_of(worker.pump.front) - member.position,
                log_messages=worker.pump.front - member.sequence,
            )
            if model.kind is not Kind.PLAIN:
                lag = lag._replace(bytes=model.rules.far.bytes + 1)
            is_far = is_over(lag, model.rules.far) or is_over(lag, model.rules.held)
            require(is_far, f"given up, and only {lag} behind")
        else:
            require(reason is Reason.STALL_TIMEOUT, f"given up because {reason.text}")
            require(silent >= options.stall_timeout * 1e9, f"given up after {silent} ns")
        require(sock.queued >= sock.capacity, "given up although its socket has room")
        self.evictions += 1

    def ticked(self, worker: SimulatedWorker, front: int) -> None:
        """After a tick, begun at this front: nobody is left who was silent for too long before.

        Before: when the last three looks at all of them began. Two are tries, the third is the end.
        """
        world, looks = self._world, worker.looks.begun[-3:]
        silent_ns = round(world.options.send_timeout * 1e9)
        stalled_ns = round(world.options.stall_timeout * 1e9)
        for peer in worker.peers.values():
            member, model = peer.member, world.models[peer.id]
            pump = worker.pump
            has_room = member in pump.runnable or pump.waits(member)
            self._tried(worker, member, model, has_room=has_room)
            if not member.blocked or has_room or member.state in (HELD, LOST) or len(looks) < 3:
                model.in_the_way_at = None
                continue
            silent = _seen(worker.stops, _silent_since(model), looks[0])
            require(silent < stalled_ns, f"took nothing for {silent} ns, not evicted")
            lag = Behind(0, 0, 0, 0, 0)
            if silent >= silent_ns:
                lag = model.behind(front, world.now)._replace(bytes=0, age=0)
            if model.doomed is not None:
                lag = lag._replace(messages=0)
            if not is_over(lag, model.rules.far):
                model.in_the_way_at = None
                continue
            if model.in_the_way_at is None:
                model.in_the_way_at = world.now
            waited = _seen(worker.stops, model.in_the_way_at, looks[0])
            require(waited <= silent_ns // 4, f"silent and in the way for {waited} ns")

    def _tried(
        self, worker: SimulatedWorker, member: Member, model: SubscriberModel, *, has_room: bool
    ) -> None:
        """After a tick: an event that got lost has cost a quarter of `send_timeout`, and no more.

        And some ticks, since in each there may be time for one member only.
        """
        world = self._world
        unheard = world.sockets[member.id].unheard and not has_room
        if not unheard or not member.blocked or member.state in (HELD, LOST):
            model.unheard_at = None
            return
        if model.unheard_at is None or model.unheard_at < model.progress_at:
            model.unheard_at = world.now  # it was tried, and has room once more
        if len(worker.ticks) >= TICKS_UNTIL_TRIED:
            tried_by = worker.ticks[-TICKS_UNTIL_TRIED]
            waited = _seen(worker.stops, model.unheard_at, tried_by)
            quarter = round(min(world.options.send_timeout, world.options.stall_timeout) * 1e9) // 4
            require(waited <= quarter, f"had room for {waited} ns, and nobody has tried")


def _silent_since(model: SubscriberModel) -> int:
    return max(model.blocked_at or 0, model.progress_at)


def _seen(stops: list[tuple[int, int]], since: int, now: int) -> int:
    """Of the time between, how much a worker was there to see.

    Of a stop, more than a second between two ticks, a tenth of a second counts.
    """
    seen = now - since
    for before, after in reversed(stops):
        if after <= since:
            break
        seen -= max(after - max(before, since) - 100_000_000, 0)
    return seen
