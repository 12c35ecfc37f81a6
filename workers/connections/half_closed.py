"""Half-closed connections: peers that say no more, and are served on if they still read. Shell.

One that has closed its connection, and one that has ended its own side only, look the same. So each
is asked by a PING; see `question.py`. Who is served on is written to like others, but never read
again, and not asked by heartbeats, since it cannot answer: its host is watched by TCP's keep-alive
and `TCP_USER_TIMEOUT`, and its taking by all that judges who takes nothing.

Over a Unix socket the system tells of a reader that is gone by an error, and of one that has ended
its side by nothing that can be asked for; and a peer that need not know PINGs cannot be asked.
These have left when they say no more, as far as anybody can tell; so has one who ends in the middle
of a frame.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from fanout.control.conduct import ReadsOn
from fanout.reasons import Reason
from fanout.transport import kernel
from fanout.workers.connections.question import Question, Verdict

if TYPE_CHECKING:
    from fanout.control.channel import Channel
    from fanout.workers.connections.deadlines import Deadlines
    from fanout.workers.connections.desk import Desk
    from fanout.workers.connections.peer import Peer

LOOKS_PER_TICK = 256  # half a millisecond; with ten ticks a second, 2,560 are looked at in time


class HalfClosed:
    """Asks those who say no more whether they still read, and reports who does; in monotonic ns.

    Its mutable state: who was asked, and is not judged yet; who was looked at longest ago first.
    """

    def __init__(self, desk: Desk, deadlines: Deadlines, channel: Channel) -> None:
        self._desk = desk
        self._deadlines = deadlines
        self._channel = channel
        self._asked: dict[Peer, Question] = {}

    def __len__(self) -> int:
        return len(self._asked)

    def forget(self, peer: Peer) -> None:
        """It is being closed."""
        self._asked.pop(peer, None)

    def at_end(self, peer: Peer, now: int) -> None:
        """This peer has nothing more to say, or something has become of one that had not."""
        if peer.session.knows_our_mechanism_only:
            self._desk.close(peer, Reason.MECHANISM)
            return
        standing = kernel.half_closed(peer.socket) if _can_be_asked(peer) else None
        if standing is None or (standing.is_ending and peer.question is None):
            self._desk.close(peer, Reason.LEFT, peer.session.cut_short)
        elif peer.question is None:
            self._ask(peer, standing.acknowledged, now)
        else:
            peer.inbox.hear_no_more()  # who was not read for a while is watched as ever again

    def tick(self, now: int) -> None:
        """Judge those who were asked, as far as anything is known of them."""
        for peer, question in tuple(islice(self._asked.items(), LOOKS_PER_TICK)):
            del self._asked[peer]
            standing = kernel.half_closed(peer.socket)
            verdict = Verdict.LEFT
            if standing is not None:
                blocked = peer.member.blocked
                verdict = question.verdict(standing.acknowledged, now, blocked=blocked)
            if verdict is Verdict.LEFT:
                self._desk.close(peer, Reason.LEFT)
            elif verdict is Verdict.WAIT:
                self._asked[peer] = question  # behind the others
            else:
                self._channel.post(ReadsOn(peer.id))

    def _ask(self, peer: Peer, acknowledged: int, now: int) -> None:
        self._deadlines.forget(peer)
        peer.inbox.hear_no_more()
        counts = kernel.stream_counts(peer.socket, peer.queues)
        begins = acknowledged if counts is None else counts.written
        spoken = peer.member.spoken_bytes
        peer.session.ping()
        self._desk.say(peer, now)
        size = peer.member.spoken_bytes - spoken
        peer.question = self._asked[peer] = Question(acknowledged, begins, size, now)


def _can_be_asked(peer: Peer) -> bool:
    inbox = peer.inbox
    return peer.ready and peer.session.speaks_pings and inbox.acted == inbox.taken
