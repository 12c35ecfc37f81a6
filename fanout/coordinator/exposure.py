"""Whether the feed can be had without being asked beside an endpoint that asks who comes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fanout.events import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable


class Bound(Protocol):
    """What is looked at of a `Listener`."""

    @property
    def endpoint(self) -> str:
        """What is bound, with the real port."""

    @property
    def asks(self) -> bool:
        """Whether nobody is served by it of whom nothing is known."""

    @property
    def is_local(self) -> bool:
        """Whether only processes of this machine can connect."""


def exposed_by(new: Bound, before: Iterable[Bound]) -> list[Event]:
    """What is to be told when this one is bound beside those: of each that is exposed, once.

    It may be meant so, for a network that is one's own: `require_security` forbids it.
    """
    others = list(before)
    asking = next((one for one in others if one.asks), None)
    if not new.asks:
        exposed = [new]
    elif asking is None:
        exposed, asking = others, new
    else:
        exposed = []  # it was told with that one
    if asking is None:
        return []
    return [
        Event(
            EventKind.ENDPOINT_OPEN,
            f"{one.endpoint} asks nobody who he is, and other machines may reach it, though "
            f"{asking.endpoint} of the same feed asks; require_security=True refuses that",
        )
        for one in exposed
        if not one.is_local
    ]
