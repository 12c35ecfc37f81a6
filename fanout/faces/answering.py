"""What a blocking publisher answers to questions from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.terms.awaiting import PUBLISHER, refuse_await
from fanout.terms.places import PerAddress
from fanout.terms.question_terms import ASKERS_MAX
from fanout.terms.refusals import name_as
from fanout.terms.shares import CONNECTS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.engine.engine import Engine
    from fanout.statistics import AnswerStatistics
    from fanout.terms.arguments import TopicLike


class Answering:
    """Answers questions; the subclass makes the engine."""

    __slots__ = ()
    _engine: Engine

    def answer(
        self,
        endpoint: str,
        *,
        allowed_topics: TopicLike | Iterable[TopicLike] | None = None,
        max_askers: int = ASKERS_MAX,
        max_connections_per_address: int = 0,
        max_half_open_per_address: int = 0,
        max_connects_per_address: float = CONNECTS_PER_S,
    ) -> str:
        """Answer what ZeroMQ REQ and DEALER sockets, of any process and language, ask.

        They ask, in JSON or msgpack, for last values, for topics with their rates and ages, for a
        range of the log, and how far the publisher is: see `docs/reference/questions.md`. They are
        answered in turn, on a thread of its own, which works half of the time at most.

        Args:
            endpoint: what to listen on, as for `bind()`.
            allowed_topics: prefixes of the topics that may be asked for, one or several, each
                str or bytes; None = any. Others are as if they did not exist.
            max_askers: connections at once, 1 to 4,096; the next one is refused.
            max_connections_per_address: of these from one IPv4 address or IPv6 network of 64 bits;
                0 = half of them, or four. Loopback and `ipc://` are not limited.
            max_half_open_per_address: of those in their handshake; 0 = half of them, or four.
            max_connects_per_address: new ones a second, beyond a burst: twice as many as may stay,
                1,000 at least.

        Returns:
            The endpoint as it is bound, with the real port.

        Raises:
            TypeError, ConfigError, BindError, ClosedError: nothing has changed.
            OSError: the system gives no descriptor, RuntimeError: no thread; nothing has changed.
        """
        refuse_await(PUBLISHER)
        of_address = PerAddress(
            max_connections_per_address, max_half_open_per_address, max_connects_per_address
        )
        desks = self._engine.desks
        from fanout.answers.desk import Desk  # loaded by the first who is asked

        return desks.answer(endpoint, allowed_topics, max_askers, of_address, make=Desk)

    def stop_answer(self, endpoint: str) -> None:
        """Listen no more on an endpoint of `answer()`, named as in `answer_endpoints`.

        Answers on their way have 0.2 s, and the connections are closed.

        Raises:
            ConfigError: it is none. ClosedError. Nothing has changed.
        """
        refuse_await(PUBLISHER)
        self._engine.desks.stop(endpoint)

    @property
    def answer_endpoints(self) -> tuple[str, ...]:
        """The endpoints of `answer()` with their real ports, in the order of binding."""
        return self._engine.desks.endpoints

    def answer_statistics(self) -> tuple[AnswerStatistics, ...]:
        """Figures of each endpoint of `answer()`, and of the askers there; nobody is asked.

        Raises:
            ClosedError: the publisher is closed.
        """
        return self._engine.desks.statistics()


name_as("Publisher", Answering)
