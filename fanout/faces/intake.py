"""What a blocking publisher takes from producers in other processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.terms.awaiting import PUBLISHER, refuse_await
from fanout.terms.places import PRODUCERS_MAX, PerAddress
from fanout.terms.refusals import name_as
from fanout.terms.shares import CONNECTS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.engine.engine import Engine
    from fanout.statistics import IngestStatistics
    from fanout.terms.arguments import TopicLike


class Intake:
    """Publishes what producers send; the subclass makes the engine."""

    __slots__ = ()
    _engine: Engine

    def ingest(
        self,
        endpoint: str,
        *,
        allowed_topics: TopicLike | Iterable[TopicLike] | None = None,
        max_producers: int = PRODUCERS_MAX,
        max_connections_per_address: int = 0,
        max_half_open_per_address: int = 0,
        max_connects_per_address: float = CONNECTS_PER_S,
    ) -> str:
        """Publish what ZeroMQ PUSH sockets, of any process and language, send to an endpoint.

        Each of their messages is published as it comes, its first frame being the topic. Producers
        are read in turn, on a thread of its own; while there is no room in the log none is read, so
        that they wait, and nothing is lost.

        Args:
            endpoint: what to listen on, as for `bind()`.
            allowed_topics: prefixes of the topics that may be published on, one or several, each
                str or bytes; None = any. Who publishes on another one is closed
                (`PRODUCER_EVICTED`).
            max_producers: connections at once, 1 to 65,536; the next one is refused.
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
        ingress = self._engine.ingress
        return ingress.ingest(endpoint, allowed_topics, max_producers, of_address)

    def stop_ingest(self, endpoint: str) -> IngestStatistics:
        """Listen no more on an endpoint of `ingest()`, named as in `ingest_endpoints`.

        What its producers have sent so far is published, and their connections are closed. If the
        log has no room for it, that is waited for, 2 s at most; the rest is dropped and counted.

        Returns:
            The last figures of the endpoint; what is published later, since it was read and waits
            for room, is not in them.

        Raises:
            ConfigError: it is none. ClosedError. Nothing has changed.
        """
        refuse_await(PUBLISHER)
        return self._engine.ingress.stop(endpoint)

    @property
    def ingest_endpoints(self) -> tuple[str, ...]:
        """The endpoints of `ingest()` with their real ports, in the order of binding."""
        return self._engine.ingress.endpoints

    def ingest_statistics(self) -> tuple[IngestStatistics, ...]:
        """Figures of each endpoint of `ingest()`, and of the producers there; nobody is asked.

        Raises:
            ClosedError: the publisher is closed.
        """
        return self._engine.ingress.statistics()


name_as("Publisher", Intake)
