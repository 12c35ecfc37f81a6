"""What a publisher for asyncio answers to questions from outside: as `Answering`, awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.basics.loop_executor import in_thread
from fanout.terms.places import PerAddress
from fanout.terms.question_terms import ASKERS_MAX
from fanout.terms.refusals import name_as
from fanout.terms.shares import CONNECTS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.engine.engine import Engine
    from fanout.statistics import AnswerStatistics
    from fanout.terms.arguments import TopicLike


class AwaitedAnswering:
    """Answers questions; the subclass makes the engine."""

    __slots__ = ()

    async def answer(
        self,
        endpoint: str,
        *,
        allowed_topics: TopicLike | Iterable[TopicLike] | None = None,
        max_askers: int = ASKERS_MAX,
        max_connections_per_address: int = 0,
        max_half_open_per_address: int = 0,
        max_connects_per_address: float = CONNECTS_PER_S,
    ) -> str:
        """Answer what ZeroMQ REQ and DEALER sockets ask; see `fanout.Publisher.answer()`."""
        of_address = PerAddress(
            max_connections_per_address, max_half_open_per_address, max_connects_per_address
        )
        desks = self._running().desks

        def answer() -> str:
            from fanout.answers.desk import Desk  # loaded by the first who is asked

            return desks.answer(endpoint, allowed_topics, max_askers, of_address, make=Desk)

        return await in_thread(answer, undo=desks.stop)

    async def stop_answer(self, endpoint: str) -> None:
        """Listen no more on an endpoint of `answer()`. Once begun it is done."""
        desks = self._running().desks
        await in_thread(lambda: desks.stop(endpoint))

    @property
    def answer_endpoints(self) -> tuple[str, ...]:
        """The endpoints of `answer()` with their real ports."""
        return self._running().desks.endpoints

    def answer_statistics(self) -> tuple[AnswerStatistics, ...]:
        """Figures of each endpoint of `answer()`, and of the askers there."""
        return self._running().desks.statistics()

    def _running(self) -> Engine:
        raise NotImplementedError


name_as("Publisher", AwaitedAnswering)
