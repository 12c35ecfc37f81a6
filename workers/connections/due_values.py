"""Due values: who subscribes is to be sent last values; promised, and begun, in one turn. Shell.

Many subscribe to the same in a turn. All their changes are applied before the first of them is sent
anything: what is sent at once is large, and leaves nothing in the processor's memory of what all of
them go through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fanout.workers.connections.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Collection

    from fanout.workers.connections.alike import Alike
    from fanout.workers.connections.peer import Peer
    from fanout.workers.connections.reserved import Wishes
    from fanout.workers.connections.since import Since
    from fanout.workers.stream.pump import Pump
    from fanout.workers.stream.value_marks import About
    from fanout.workers.surroundings import Surroundings


class _Change(NamedTuple):
    """What somebody wants changes, and with it which last values it is to be sent."""

    added: Collection[bytes]
    cancelled: Collection[bytes]
    is_shown: bool  # it is to be sent those of what is new to it
    above: int  # which it has up to this message
    is_told: bool
    about: About | None
    kept: Collection[bytes]  # of what is new, what it has wanted all the time


class _Due(NamedTuple):
    """That is applied, as of a message."""

    change: _Change
    at: int
    is_alone: bool  # nothing else was promised to it
    is_replayed: bool


class DueValues:
    """Sends them; its mutable state: who is promised what, and to whom it is due in this turn.

    Args:
        alike: sends what another one was sent.
    """

    def __init__(self, around: Surroundings, pump: Pump, alike: Alike) -> None:
        self._pump = pump
        self._log = around.log
        self._changes: dict[Peer, _Change] = {}
        self._due: dict[Peer, _Due] = {}
        tuning = pump.tuning
        part, times = around.turn_part(tuning.part_ns), (tuning.part_ns, tuning.others_ns)
        self._patience = Patience(part, *times, lambda: around.log.head() != pump.front)
        self.alike = alike

    def promise(
        self,
        peer: Peer,
        wishes: Wishes,
        added: Collection[bytes],
        cancelled: Collection[bytes],
        since: Since | None,
        about: About | None,
        kept: Collection[bytes],
    ) -> bool:
        """It is to be sent last values; of those that wait for it some may not be wanted more.

        Returns:
            Whether nobody can go on with it before that is begun: whoever takes it over sees by
            itself what was cancelled.
        """
        is_shown = wishes.values and (bool(added) or (wishes.marks and about is not None))
        if not is_shown and peer.member.snapshots is None:
            return False
        is_same_run = since is not None and since.epoch == self._log.epoch
        above = -1
        if since is not None and is_same_run and not wishes.older:
            above = since.sequence
        self._changes[peer] = _Change(added, cancelled, is_shown, above, wishes.marks, about, kept)
        return is_shown or bool(added)

    def has_promised(self, peer: Peer) -> bool:
        """Whether that is still to be applied."""
        return peer in self._changes

    def apply(self, peer: Peer, at: int, now: int, *, is_alone: bool, is_replayed: bool) -> None:
        """What it wants has changed, as of a message; that is sent to it by `begin()`.

        Args:
            is_alone: nothing else was promised to it.
            is_replayed: it is sent what it has missed.
        """
        due = _Due(self._changes.pop(peer), at, is_alone, is_replayed)
        if peer.is_going_back:
            self._due[peer] = due
        else:
            self._show(peer, due, now)

    def begin(self, peer: Peer, now: int) -> None:
        """It is sent them at once, if there is time; else it is behind, and has no record yet."""
        due, member, alike = self._due.pop(peer, None), peer.member, self.alike
        if due is None:
            return
        change, written, has_time = due.change, peer.record.count, self._patience.lasts(now)
        fits = due.is_alone and change.is_shown and not (change.is_told or change.kept)
        if fits and alike.fits(peer, due.at, change.above, change.added) and has_time:
            alike.give(peer, change.added, now)
            return
        if change.is_shown and has_time:
            is_shared = any(one.change.added == change.added for one in self._due.values())
            alike.expect(change.above, change.added if is_shared else None)
        self._show(peer, due, now)
        is_shown = member.snapshots is not None and member.sealed is None
        is_now, sent = is_shown and has_time and alike.is_plain, member.sent_bytes
        while is_now and self._pump.runnable.pop(member, self) is None:
            self._pump.serve(member, now)
            # A few steps. Again while they are being found, and when it has all: so it is ready.
            is_found, has_all = member.sent_bytes != sent, member.snapshots is None
            is_now = is_shown and (has_all or (not is_found and self._patience.lasts(now)))
            is_shown = not has_all
        is_whole = peer.record.count == written + 1 and not member.blocked
        if fits and is_whole and alike.note(peer):  # else it was not asked what it wants now
            self._patience.renew()

    def forget(self, peer: Peer) -> None:
        """It is gone."""
        self._changes.pop(peer, None)

    def _show(self, peer: Peer, due: _Due, now: int) -> None:
        """It is sent other last values from now on."""
        snapshots, change = peer.member.snapshots, due.change
        if snapshots is not None and change.cancelled:
            snapshots.cancel(change.cancelled)
        if change.is_shown:
            self._pump.show(
                *(peer.member, due.at, change.above, change.added, peer.wants),
                is_told=change.is_told,
                now=now,
                is_asked_for=due.is_replayed,
                about=change.about,
                kept=change.kept,
            )
        elif snapshots is not None and change.added:
            snapshots.add_none(change.added, change.kept)
