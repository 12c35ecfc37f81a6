"""Desks: what users have done about questions from outside; any thread.

Each endpoint has a desk, with a thread of its own. What that is made of is loaded by who wants the
first one, and handed in, so that a publisher that nobody may ask has neither.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol, cast

from fanout.errors import ClosedError, ConfigError
from fanout.reasons import Reason
from fanout.terms.allowed_topics import allowed_prefixes
from fanout.terms.places import ANY_ADDRESS, place_limits
from fanout.terms.question_terms import ASKERS_LIMIT, ASKERS_MAX, REPLYING_S
from fanout.transport.advice import own_endpoints_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fanout.events import Event
    from fanout.send.kept_topics import KeptTopics
    from fanout.send.path import SendPath
    from fanout.shm.segment import Segment
    from fanout.statistics import AnswerStatistics
    from fanout.terms.arguments import TopicLike
    from fanout.terms.places import PerAddress, PlaceLimits
    from fanout.transport.listener import Listener


class Desk(Protocol):
    """One endpoint that answers; any thread."""

    @property
    def is_closed(self) -> bool:
        """Whether all is over."""
        ...

    def statistics_of_askers(self) -> AnswerStatistics:
        """The figures as they are now."""
        ...

    def close(self, timeout: float | None) -> None:
        """Have it end, at the latest after so many seconds; does not wait."""
        ...

    def leave_desk(self, cause: Reason, timeout: float) -> None:
        """End it, and wait for that; answers on their way get so many seconds."""
        ...

    def abandon(self, cause: Reason) -> None:
        """End it, however far it was made."""
        ...


class MakeDesk(Protocol):
    """Makes a desk, which begins at once."""

    def __call__(
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
    ) -> object:
        """See `fanout.answers.desk.Desk`."""
        ...


class Desks:
    """The endpoints of one publisher that answer.

    Its mutable state: the desks, by their endpoints, and whether it was closed.

    Args:
        segment: the publisher's.
        path: its send path, which knows the topics with last values.
        numbered: each message in the log has a frame with its number.
        listen: opens a listener.
        endpoints: of the publisher, for subscribers and producers.
        tell: is told of events.
        complain: logs a bug of ours.
    """

    def __init__(
        self,
        segment: Segment,
        path: SendPath,
        numbered: bool,
        listen: Callable[[str], Listener],
        endpoints: Callable[[], tuple[str, ...]],
        tell: Callable[[Event], None],
        complain: Callable[[str, BaseException], None],
    ) -> None:
        self._segment = segment
        self._path = path
        self._numbered = numbered
        self._listen = listen
        self._bound = endpoints
        self._tell = tell
        self._complain = complain
        self._lock = threading.RLock()  # a signal handler may call while its thread has it
        self._desks: dict[str, Desk] = {}
        self._is_closed = False

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Where questions are answered, in the order of binding."""
        return tuple(name for name, desk in list(self._desks.items()) if not desk.is_closed)

    def answer(
        self,
        endpoint: str,
        allowed_topics: TopicLike | Iterable[TopicLike] | None = None,
        max_askers: int = ASKERS_MAX,
        of_address: PerAddress = ANY_ADDRESS,
        *,
        make: MakeDesk,
    ) -> str:
        """See `fanout.Publisher.answer()`."""
        allowed = allowed_prefixes(allowed_topics, "nothing could be asked for")
        places = place_limits(max_askers, of_address, "max_askers", ASKERS_LIMIT)
        self._path.gate.check_use()
        with own_endpoints_named(endpoint, lambda: (*self._bound(), *self.endpoints)):
            listener = self._listen(endpoint)
        made: list[Desk] = []
        try:
            make(
                *(listener, self._segment, _topics_with_values(self._path), allowed, places),
                numbered=self._numbered,
                tell=self._tell,
                complain=self._complain,
                made=made.append,
            )
            with self._lock:
                if self._is_closed:
                    raise ClosedError("the publisher is closed")
                self._desks[listener.endpoint] = made[0]
            return listener.endpoint
        except BaseException:
            for desk in made:
                self._desks.pop(listener.endpoint, None)
                desk.abandon(Reason.DISCONNECTED_BY_CALL)
            listener.close()
            raise

    def stop(self, endpoint: str) -> None:
        """See `fanout.Publisher.stop_answer()`."""
        self._path.gate.check_use()
        desk = self._desks.get(endpoint)
        if desk is None or desk.is_closed:
            bound = ", ".join(self.endpoints) or "none"
            raise ConfigError(f"{endpoint!r} answers no questions; those that do are: {bound}")
        desk.leave_desk(Reason.DISCONNECTED_BY_CALL, REPLYING_S)
        self._desks.pop(endpoint, None)

    def statistics(self) -> tuple[AnswerStatistics, ...]:
        """Figures of each endpoint, as they are now."""
        self._path.gate.check_use()
        desks = [desk for desk in list(self._desks.values()) if not desk.is_closed]
        return tuple(desk.statistics_of_askers() for desk in desks)

    def close(self, timeout: float) -> None:
        """Answer nobody any more, and end. Idempotent; nothing in a fork.

        Each has `timeout`, and `REPLYING_S` at most, and more if it gets on, see `grace.py`.
        """
        if self._path.gate.forked:
            return
        with self._lock:
            self._is_closed = True
        desks = list(self._desks.values())
        for desk in desks:
            desk.close(min(timeout, REPLYING_S))
        for desk in desks:
            desk.leave_desk(Reason.PUBLISHER_CLOSED, min(timeout, REPLYING_S))
        self._desks.clear()  # they refer to us


def _topics_with_values(path: SendPath) -> KeptTopics | None:
    return cast("KeptTopics", path.topics) if path.keeps_values else None
