"""One endpoint that answers, with its thread. Shell."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from fanout.answers.pace import Pace
from fanout.answers.replies import Replies
from fanout.answers.role import AnsweringRole
from fanout.answers.state import SegmentView
from fanout.answers.survey import Surveyor
from fanout.basics.grace import wait_for_end
from fanout.sockets.limits import Limits
from fanout.sockets.threads import ThreadActor
from fanout.statistics import AnswerStatistics, AskerStatistics
from fanout.terms.question_terms import MESSAGE_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.answers.replies import Answer
    from fanout.events import Event
    from fanout.reasons import Reason
    from fanout.send.kept_topics import KeptTopics
    from fanout.shm.segment import Segment
    from fanout.terms.places import PlaceLimits
    from fanout.transport.listener import Listener


class Desk(ThreadActor):
    """A socket of its own, whose thread answers.

    Args:
        listener: where it is asked; it is the desk's from here on.
        segment: of the publisher.
        topics: those with last values; None: there are none.
        allowed: prefixes of the topics that may be asked for; None = any.
        places: how many may be connected.
        numbered: each message in the log has a frame with its number.
        tell: is told of events.
        complain: logs a bug of ours.
        made: is handed the desk before anything of it is begun.

    Attributes:
        endpoint: with its real port.
    """

    role: AnsweringRole

    def __init__(
        self,
        listener: Listener,
        segment: Segment,
        topics: KeptTopics | None,
        allowed: tuple[bytes, ...] | None,
        places: PlaceLimits,
        *,
        numbered: bool,
        tell: Callable[[Event], None],
        complain: Callable[[str, BaseException], None],
        made: Callable[[Desk], None],
    ) -> None:
        self._listener = listener
        made(self)
        self.endpoint = listener.endpoint
        self._complain = complain
        view = SegmentView(segment, topics, numbered=numbered)
        self._pace = Pace(time.monotonic, time.sleep)
        surveyor = Surveyor(view, time.monotonic)
        self._replies = Replies(view, surveyor, allowed)
        make_role = partial(
            AnsweringRole,
            answer=self._answer,
            clock=time.monotonic,
            tell=tell,
            endpoint=listener.endpoint,
        )
        limits = Limits(
            max_message_bytes=MESSAGE_BYTES_MAX,
            max_peers=places.most,
            max_connections_per_address=places.address.connections,
            max_half_open_per_address=places.address.half_open,
            max_connects_per_address=places.address.connects,
        )
        super().__init__(make_role, limits, "fanout-answer")
        self.order(lambda: self.wiring.listen(listener))

    def statistics_of_askers(self) -> AnswerStatistics:
        """The figures as they are now; any thread."""
        role = self.role
        askers = tuple(
            AskerStatistics(
                *(one.peer.name, one.peer.feed.version or ""),
                *(one.questions, one.errors, one.bytes),
            )
            for one in list(role.askers.values())
        )
        counted = role.accepted, role.refused, role.evicted
        answered = role.questions, role.errors, role.bytes
        waited = role.accept_pauses, role.accept_queue_full
        return AnswerStatistics(self.endpoint, askers, *counted, *answered, *waited)

    def leave_desk(self, cause: Reason, timeout: float) -> None:
        """End it, and wait for that, see `grace.py`; answers on their way get so many seconds.

        Any thread. On its own, which may collect a publisher as garbage, it does not wait.
        """
        self.role.farewell = cause
        self.close(timeout)
        if self._thread is not threading.current_thread():
            wait_for_end(self._thread, lambda: self._turns, timeout)

    def abandon(self, cause: Reason) -> None:
        """End it, however far it was made: who has asked for it was interrupted."""
        if hasattr(self, "_thread"):  # it may be about to start: it ends at once, then
            self.leave_desk(cause, 0.0)
        self._listener.close()

    def fail(self, error: BaseException, now: float) -> None:
        text = f"the thread that answers on {self.endpoint} failed: answer() begins anew"
        self._complain(text, error)
        super().fail(error, now)

    def leave(self) -> None:
        """See `Actor`; nobody is told of it here."""
        self.role.tell = lambda event: None
        super().leave()

    def _answer(self, question: bytes) -> tuple[Answer, float]:
        self._pace.begin()
        answer = self._replies.answer(question, self._pace)
        return answer, self._pace.end()
