"""Where a publisher for asyncio listens: as `Binding`, awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.basics.loop_executor import in_thread
from fanout.terms.refusals import name_as

if TYPE_CHECKING:
    from fanout.engine.engine import Engine
    from fanout.security.endpoints import Security
    from fanout.security.tls import Tls


class AwaitedBinding:
    """Listens on endpoints; the subclass makes the engine."""

    __slots__ = ()

    async def bind(
        self, endpoint: str, *, security: Security | None = None, tls: Tls | None = None
    ) -> str:
        """Listen on one more endpoint; returns it as it is bound."""
        engine = self._running()
        return await in_thread(lambda: engine.bind(endpoint, security, tls), undo=engine.unbind)

    async def unbind(self, endpoint: str) -> None:
        """Stop listening on an endpoint; its subscribers stay. Once begun it is done."""
        engine = self._running()
        await in_thread(lambda: engine.unbind(endpoint))

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The bound endpoints with their real ports."""
        return self._running().endpoints

    def _running(self) -> Engine:
        raise NotImplementedError


name_as("Publisher", AwaitedBinding)
