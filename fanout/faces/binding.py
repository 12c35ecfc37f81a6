"""Where a blocking publisher listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.terms.awaiting import PUBLISHER, refuse_await
from fanout.terms.refusals import name_as

if TYPE_CHECKING:
    from fanout.engine.engine import Engine
    from fanout.security.endpoints import Security
    from fanout.security.tls import Tls


class Binding:
    """Listens on endpoints; the subclass makes the engine."""

    __slots__ = ()
    _engine: Engine

    def bind(
        self, endpoint: str, *, security: Security | None = None, tls: Tls | None = None
    ) -> str:
        """Listen on one more endpoint; returns it as it is bound, with the real port.

        Args:
            security: what it asks of subscribers, see `fanout.auth`; None = nothing.
            tls: what encrypts a `tls://` endpoint, `fanout.auth.Tls`; None = it is another one.

        Raises:
            TypeError, ConfigError, BindError, ClosedError: nothing has changed.
        """
        refuse_await(PUBLISHER)
        return self._engine.bind(endpoint, security, tls)

    def unbind(self, endpoint: str) -> None:
        """Stop listening on an endpoint, named as in `endpoints`; its subscribers stay.

        Raises:
            ConfigError: it is not bound. ClosedError. Nothing has changed.
        """
        refuse_await(PUBLISHER)
        self._engine.unbind(endpoint)

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The bound endpoints with their real ports, in the order of binding."""
        return self._engine.endpoints


name_as("Publisher", Binding)
