"""A ROUTER that answers by itself: each question goes back to who has asked, with its envelope.

Askers have their turns one after another, a question each. Pure, but for the clock that it is
given.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fanout.answers.asker import Asker
from fanout.answers.credits import AddressCredits
from fanout.events import Event, EventKind
from fanout.reasons import Reason
from fanout.sockets.peer import NO_HANDSHAKE, SILENT, Outgoing
from fanout.sockets.role import Role
from fanout.sockets.wiring import CLOSED, CLOSED_BY_PEER
from fanout.terms.question_terms import QUESTION_S, READ_BYTES
from fanout.zmtp import encode_message
from fanout.zmtp.errors import Refusal
from fanout.zmtp.greeting import hung_up

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout.answers.replies import Answer
    from fanout.sockets.limits import Limits
    from fanout.sockets.peer import Peer
    from fanout.sockets.problems import Problems
    from fanout.subscriber.parsing import Frames
    from fanout.terms.addresses import AddressRefusal

_CAUSES = {
    CLOSED_BY_PEER: Reason.LEFT,
    NO_HANDSHAKE: Reason.HANDSHAKE_TIMEOUT,
    SILENT: Reason.HEARTBEAT_TIMEOUT,
    Reason.UNREAD_ANSWERS.text: Reason.UNREAD_ANSWERS,
}
_FAULTS = {Reason.VIOLATION, Reason.UNREAD_ANSWERS}
_HANGING_UP = {CLOSED_BY_PEER, "Connection reset by peer"}  # the text of ECONNRESET


class AnsweringRole(Role):
    """Owned by the actor's thread; its figures are read by any.

    Args:
        answer: answers a question; returns how many seconds that took, too.
        clock: seconds.
        tell: is told of events.
        endpoint: where it listens, for people.

    Attributes:
        askers: who is there, by their connections.
        farewell: why connections are closed at the end.
        tell: as it was given; another one where nobody is to be told.
        accepted, refused, evicted: connections, ever.
        accept_pauses, accept_queue_full: times that nobody could be accepted, or waited for that.
        questions, errors, bytes: what was answered, ever.
    """

    socket_type = b"ROUTER"
    peers_are, peers_option = "askers", "max_askers"
    read_bytes = READ_BYTES

    def __init__(
        self,
        limits: Limits,
        problems: Problems,
        answer: Callable[[bytes], tuple[Answer, float]],
        clock: Callable[[], float],
        tell: Callable[[Event], None],
        endpoint: str,
    ) -> None:
        super().__init__(limits, problems)
        self.askers: dict[Peer, Asker] = {}
        self.farewell = Reason.PUBLISHER_CLOSED
        self.tell = tell
        self.accepted = self.refused = self.evicted = 0
        self.accept_pauses = self.accept_queue_full = 0
        self.questions = self.errors = self.bytes = 0
        self._answer = answer
        self._clock = clock
        self._endpoint = endpoint
        self._shared = AddressCredits()
        self._turns: deque[Asker] = deque()  # who waits for an answer
        self._owing: dict[Asker, None] = {}  # who may have one that it has not taken
        self._turned: list[Peer] = []

    # Connections.

    def joined(self, peer: Peer) -> None:
        self.accepted += 1
        now = self._clock()
        self.askers[peer] = Asker(peer, now, self._shared.of(peer.name, now))
        text = f"asks {self._endpoint} by ZMTP {peer.feed.version}"
        self.tell(Event(EventKind.ASKER_CONNECTED, text, peer=peer.name))

    def ended(self, peer: Peer, text: str, *, refused: bool) -> None:
        asker = self.askers.pop(peer, None)
        cause = Reason.VIOLATION if refused else _CAUSES.get(text, Reason.BROKEN)
        if text == CLOSED:
            cause = self.farewell
        elif peer.refusal in (Refusal.MECHANISM, Refusal.TLS):
            cause = Reason.MECHANISM
        elif text in _HANGING_UP and peer.feed.knows_our_mechanism_only:
            cause, text = Reason.MECHANISM, hung_up(peer.feed.our_mechanism)
        elif text == CLOSED_BY_PEER:
            text = peer.feed.cut_short or text
        kind = EventKind.HANDSHAKE_FAILED
        if asker is not None:
            asker.waiting.clear()
            self._owing.pop(asker, None)
            self.evicted += cause in _FAULTS
            kind = EventKind.ASKER_EVICTED if cause in _FAULTS else EventKind.ASKER_DISCONNECTED
        self.tell(Event(kind, text, peer=peer.name, cause=cause))

    def turned_away(self, name: str, refusal: AddressRefusal) -> None:
        self.refused += 1
        kind = EventKind.CONNECTION_REFUSED
        self.tell(Event(kind, refusal.text, peer=name, cause=refusal.cause))

    def crowded(self, text: str) -> None:
        self.accept_queue_full += 1
        self.tell(Event(EventKind.ACCEPT_QUEUE_FULL, f"askers: {text}"))

    def cannot_accept(self, text: str) -> None:
        self.accept_pauses += 1
        paused = Event(EventKind.ACCEPT_PAUSED, f"askers: {text}", cause=Reason.NO_RESOURCES)
        self.tell(paused)

    # Questions.

    def received(self, peer: Peer, found: Sequence[Frames]) -> None:
        asker = self.askers[peer]
        if not asker.waiting:
            self._turns.append(asker)
        asker.waiting.extend(found)
        self._turned.append(peer)

    def is_left_unread(self, peer: Peer) -> bool:
        asker = self.askers.get(peer)
        return asker is not None and (bool(asker.waiting) or peer.has_unsent)

    def take_turned(self) -> Sequence[Peer]:
        turned, self._turned = self._turned, []
        return turned

    def dispatch(self) -> list[Peer]:
        """Answer a question of each who waits, as far as there is time in one turn."""
        begun = now = self._clock()
        self._look_at_owing(now)
        given = []
        for _ in range(len(self._turns)):
            if now - begun >= QUESTION_S:
                break
            asker = self._turns.popleft()
            if asker.is_due(now):
                self._reply(asker)
                given.append(asker.peer)
                now = self._clock()
            if asker.waiting:
                self._turns.append(asker)
            else:
                self._turned.append(asker.peer)
        return given

    def _reply(self, asker: Asker) -> None:
        *envelope, question = asker.waiting.popleft()
        answer, took = self._answer(question)
        size = len(answer.data)
        asker.peer.give(Outgoing(encode_message([*envelope, answer.data]), asker.peer))
        asker.answered(size, took, answer.error, self._clock())
        self._owing[asker] = None
        self.questions += 1
        self.errors += bool(answer.error)
        self.bytes += size

    def _look_at_owing(self, now: float) -> None:
        for asker in list(self._owing):
            if asker.is_stuck(now) and not asker.peer.is_condemned:
                self.condemn(asker.peer, Reason.UNREAD_ANSWERS.text)
            elif not asker.peer.has_unsent:
                del self._owing[asker]
                self._turned.append(asker.peer)

    @property
    def may_dispatch(self) -> bool:
        now = self._clock()
        return any(asker.is_due(now) for asker in self._turns)

    def next_at(self) -> float | None:
        times = (asker.due_at() for asker in (*self._turns, *self._owing))
        return min((time for time in times if time is not None), default=None)
