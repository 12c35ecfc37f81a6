"""The keyword arguments of both subscribers, for type checkers and editors, and for who misspells.

They stand here once; `fanout.subscriber.settings.Settings` is what they are when they are checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fanout.security.clients import ClientSecurity
    from fanout.security.tls_client import TlsClient
    from fanout.subscriber.events import ReceiverEvent
    from fanout.subscriber.inbox import QueuePolicy
    from fanout.subscriber.message import Message
    from fanout.subscriber.since import Position


class SubscriberArguments(TypedDict, total=False):
    """What `Subscriber` takes by name; what each means is said there. Sizes may be text, "64M"."""

    since: str | Position | None
    last: bool
    on_event: Callable[[ReceiverEvent], object] | None
    queue_bytes: int | str
    queue_policy: QueuePolicy
    max_message_bytes: int | str
    identity: Callable[[Message], Any] | None
    security: ClientSecurity | Mapping[str, ClientSecurity | None] | None
    tls: TlsClient | Mapping[str, TlsClient | None] | None
