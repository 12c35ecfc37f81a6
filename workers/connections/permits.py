"""Permits: what subscribers may have is told here, and may change while they are connected. Shell.

A change of rights takes the path of a change of subscriptions: it is reported, then made, so that
it holds from one message on that is known. Who has no rights of its own has everything, and costs
nothing here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.control.rights import Permit, Permitted, Refused
from fanout.control.splitting import split_asked, split_subscriptions
from fanout.terms.reserved import DENIED_TOPIC
from fanout.workers.connections.rights import SubscriberRights
from fanout.workers.stream.value_marks import about, granted_later
from fanout.zmtp import encode_message

if TYPE_CHECKING:
    from collections.abc import Collection

    from fanout.control import rights
    from fanout.control.channel import Channel
    from fanout.workers.connections.desk import Desk
    from fanout.workers.connections.peer import Peer
    from fanout.workers.connections.rights import Granted
    from fanout.workers.connections.self_service import SelfService
    from fanout.workers.stream.pump import Pump
    from fanout.workers.stream.value_marks import About
    from fanout.workers.tail import Tail

DENIED_MAX = 8  # prefixes of one change of which a subscriber is told, if it wants to know
DENIED_BYTES_MAX = 255  # of one; of longer ones it is not told


class Permits:
    """Gives peers their rights; its mutable state: changes that wait for the last one of a peer.

    Args:
        self_service: knows who wants to be told of what it may not have.
    """

    def __init__(
        self,
        desk: Desk,
        pump: Pump,
        tail: Tail[Peer],
        channel: Channel,
        self_service: SelfService,
    ) -> None:
        self._desk = desk
        self._pump = pump
        self._tail = tail
        self._channel = channel
        self._self_service = self_service
        self._waiting: dict[int, Permit] = {}

    def permit(self, message: Permit, now: int) -> None:
        """It may have this from now on; nothing if it is gone."""
        peer = self._desk.peers.get(message.subscriber)
        self._waiting.pop(message.subscriber, None)  # one that is older
        if peer is None:
            return
        if peer in self._tail.promised:  # the report of its last change has not got out
            self._waiting[peer.id] = message
            return
        if peer.rights is None:
            asked = peer.session.subscriptions
            peer.rights = SubscriberRights(None, asked, asked)
            if peer.member.snapshots is not None:
                peer.member.snapshots.follow(peer.rights.wants)
            if asked:
                self._report_asked(peer, sorted(asked), [])
        self._renew(peer, message, now)

    def retry(self, now: int) -> None:
        """Make those changes that had to wait; once a tick."""
        waiting, self._waiting = self._waiting, {}
        for message in waiting.values():
            self.permit(message, now)

    def take_over(
        self, peer: Peer, message: rights.Rights | None, wants: Collection[bytes]
    ) -> None:
        """It comes from a worker that has served it by these wants, as far as is reported."""
        if message is not None:
            peer.rights = SubscriberRights(None, peer.session.subscriptions, wants)

    def go_on(self, peer: Peer, message: rights.Rights | None, now: int) -> None:
        """It goes on here; what the worker before has not reported, or was not told, is now."""
        if message is not None:
            self._renew(peer, message, now)

    def change(
        self, peer: Peer, added: list[bytes], cancelled: list[bytes]
    ) -> tuple[list[bytes], list[bytes], About | None]:
        """It asks for more, or less.

        Returns:
            How what it wants changes by that; and what it is to be told that it has asked for, if
            that is something else, or nothing.
        """
        if peer.rights is None:
            return added, cancelled, None
        self._report_asked(peer, added, cancelled)
        granted = peer.rights.change(added, cancelled)
        self._refuse(peer, granted.refused)
        wishes = self._self_service.wishes(peer.id)
        is_told = bool(added) and (wishes.marks or wishes.ends)
        asked = about(added, granted.refused) if is_told else None
        return granted.added, granted.cancelled, asked

    def _renew(self, peer: Peer, message: Permit | rights.Rights, now: int) -> None:
        assert peer.rights is not None
        granted = peer.rights.renew(None if message.everything else message.allowed)
        self._refuse(peer, granted.refused)
        if peer.rights.denied:
            self._desk.tell(peer, peer.rights.take_denied(), now)
        if granted.added or granted.cancelled:
            self._change(peer, granted)
        self._channel.post(Permitted(peer.id, message.number))
        self._channel.flush()
        if peer in self._tail.promised:
            self._apply(peer, granted, now)

    def _change(self, peer: Peer, granted: Granted) -> None:
        """Report what it wants now, and from which message on."""
        desk = self._desk
        added, cancelled = granted.added, granted.cancelled
        told = granted_later(added) if added else None
        since = desk.replays.promise(peer, self._self_service, added, cancelled, told)
        if not desk.records.holds_for_change(peer):
            desk.records.write(peer, will_want=True)
        for report in split_subscriptions(peer.id, since, added, cancelled):
            self._channel.post(report)

    def _apply(self, peer: Peer, granted: Granted, now: int) -> None:
        """The report is out: act as it says; else it is held, and goes on when all reports are."""
        if self._channel.posted > self._channel.departed:
            self._pump.hold(peer.member)
            return
        added, cancelled = granted.added, granted.cancelled
        self._pump.change(peer.member, peer.wants, added, cancelled, now)
        self._desk.replays.keep(peer, now)
        self._tail.promised.pop(peer, None)

    def _report_asked(self, peer: Peer, added: list[bytes], cancelled: list[bytes]) -> None:
        for report in split_asked(peer.id, added, cancelled):
            self._channel.post(report)

    def _refuse(self, peer: Peer, refused: list[bytes]) -> None:
        if not refused:
            return
        self._channel.post(Refused(peer.id, len(refused), refused[:1]))
        assert peer.rights is not None
        if self._self_service.wishes(peer.id).denied:
            told = [one for one in refused if len(one) <= DENIED_BYTES_MAX][:DENIED_MAX]
            peer.rights.denied = b"".join(encode_message([DENIED_TOPIC, one]) for one in told)
