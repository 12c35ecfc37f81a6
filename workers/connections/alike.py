"""Alike: who comes to want what another one was just sent is sent the same. Shell.

Many subscribe to the same at once. What the first of them was sent in one piece, those behind him
are sent as it is, for as long as nothing else would be found for them. So nothing is looked for,
and their records point to what his does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fanout.workers.connections.records import may_have_more
from fanout.workers.stream.listings import same_prefixes
from fanout.workers.stream.member import READY

if TYPE_CHECKING:
    from collections.abc import Collection

    from fanout.shm.kept_values import KeptValues
    from fanout.workers.connections.peer import Peer, PointedTo
    from fanout.workers.connections.records import Records
    from fanout.workers.stream.loads import Load
    from fanout.workers.stream.pump import Pump
    from fanout.workers.stream.showing import Showing


class _Wish(NamedTuple):
    """Equal for those that are sent the same."""

    due: int
    above: int
    seen: tuple[int, int, int]
    prefixes: object


class _Sent(NamedTuple):
    wish: _Wish
    load: Load
    pointed_to: PointedTo


class Alike:
    """Sends it; its mutable state: what was sent last, and who was asked for last, for what."""

    def __init__(self, values: KeptValues, pump: Pump, records: Records, showing: Showing) -> None:
        self._values = values
        self._pump = pump
        self._records = records
        self._showing = showing
        self._learned = 1  # the first place that was not looked at in this round of all
        self._last: _Sent | None = None
        self._asked: tuple[Peer, _Wish] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether what is sent of a topic is its last value, and nothing has to be found."""
        return not self._values.has_keyframes

    def look_ahead(self) -> None:
        """Somebody connects, and will want something: learn some of the names of topics."""
        self._learned = self._showing.names.learn(self._learned) or 1

    def fits(self, peer: Peer, due: int, above: int, added: Collection[bytes]) -> bool:
        """Whether what was sent last is what it is to be sent, and all that.

        Args:
            due: as of which message.
            above: only what was published after this message.
            added: what is new to it.
        """
        self._asked = None
        member = peer.member
        is_bare = member.state is READY and member.encoding is None and member.sealed is None
        is_alone = due == self._pump.front and len(added) == len(peer.wants)
        if not (is_bare and is_alone and self.is_plain):
            return False
        if member.conflating or may_have_more(peer):
            return False
        wish = _Wish(due, above, self._showing.seen(), same_prefixes(added))
        self._asked = peer, wish
        return self._last is not None and self._last.wish == wish

    def expect(self, above: int, added: Collection[bytes] | None) -> None:
        """Others will come to want this beside the one that is next; None = nobody is known to."""
        self._showing.expect(None if added is None else (above, same_prefixes(added)))

    def note(self, peer: Peer) -> bool:
        """It was sent what it is to be sent with one record, and is ready again.

        Returns:
            Whether those who want the same are sent that as it is.
        """
        asked, load = self._asked, self._showing.whole
        if asked is None or asked[0] is not peer or load is None or not load.is_shared:
            return False
        if peer.pointed_to.stored is None:
            return False
        self._last = _Sent(asked[1], load, peer.pointed_to)
        return True

    def give(self, peer: Peer, added: Collection[bytes], now: int) -> None:
        """Send it that, after its record.

        If its socket takes a part only, it is as if another worker had been sending it.
        """
        last, member = self._last, peer.member
        assert last is not None
        load, wish = last.load, last.wish
        self._records.write(peer, like=last.pointed_to)
        self._pump.throttles.now = now
        try:
            count = member.send(load.data)
        except OSError:  # it is full; or dead, which is seen when it is sent more
            count = 0
        if count == len(load.data):
            self._showing.count(member, load)
            return
        what = wish.due, wish.above, added, peer.wants
        self._pump.show(member, *what, is_told=False, now=now)
        self._showing.go_on_in(member, load, count)
