"""What a publisher for asyncio takes from producers: as `Intake`, awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.basics.loop_executor import in_thread
from fanout.terms.places import PRODUCERS_MAX, PerAddress
from fanout.terms.refusals import name_as
from fanout.terms.shares import CONNECTS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.engine.engine import Engine
    from fanout.statistics import IngestStatistics
    from fanout.terms.arguments import TopicLike


class AwaitedIntake:
    """Publishes what producers send; the subclass makes the engine."""

    __slots__ = ()

    async def ingest(
        self,
        endpoint: str,
        *,
        allowed_topics: TopicLike | Iterable[TopicLike] | None = None,
        max_producers: int = PRODUCERS_MAX,
        max_connections_per_address: int = 0,
        max_half_open_per_address: int = 0,
        max_connects_per_address: float = CONNECTS_PER_S,
    ) -> str:
        """Publish what ZeroMQ PUSH sockets send to an endpoint; see `fanout.Publisher.ingest()`."""
        of_address = PerAddress(
            max_connections_per_address, max_half_open_per_address, max_connects_per_address
        )
        ingress = self._running().ingress
        return await in_thread(
            lambda: ingress.ingest(endpoint, allowed_topics, max_producers, of_address),
            undo=ingress.stop,
        )

    async def stop_ingest(self, endpoint: str) -> IngestStatistics:
        """Listen no more on an endpoint of `ingest()`. Once begun it is done."""
        ingress = self._running().ingress
        return await in_thread(lambda: ingress.stop(endpoint))

    @property
    def ingest_endpoints(self) -> tuple[str, ...]:
        """The endpoints of `ingest()` with their real ports."""
        return self._running().ingress.endpoints

    def ingest_statistics(self) -> tuple[IngestStatistics, ...]:
        """Figures of each endpoint of `ingest()`, and of the producers there."""
        return self._running().ingress.statistics()

    def _running(self) -> Engine:
        raise NotImplementedError


name_as("Publisher", AwaitedIntake)
