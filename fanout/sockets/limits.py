"""What a socket may hold: every limit, with its unit and its reason. Pure."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from fanout.errors import ConfigError
from fanout.subscriber.parsing import MESSAGE_BYTES_MAX
from fanout.terms.arguments import read_size, shown

MESSAGES = 10_000  # ten times libzmq's high-water mark: threads take turns of some 5 ms
BYTES = 64 * 1024 * 1024  # half a second of a full 1 Gbit/s link
PEERS = 1024  # each has a descriptor, of which a process mostly has as many
COUNT_MAX = 1 << 40  # catches a wrong unit
MESSAGE_COST_BYTES = 176  # of a message in memory beside its bytes: object, tuple, two frames

PENDING_BYTES = 64 * 1024
"""Of messages that wait for one connection of several: what a peer has that is slow, others have
not. As much as one call of `send` takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one socket may hold. Whoever would go beyond waits, or is told; nothing grows.

    Numbers of bytes may be sizes such as "64M".
    """

    outbox_messages: int = MESSAGES
    """Messages that wait to be sent; of Router and Rep: to one peer."""

    outbox_bytes: int = BYTES
    """Bytes of these, each with 176 more. A message that is larger may be the only one."""

    inbox_messages: int = MESSAGES
    """Messages that wait for the program. When so many do nothing is read until half are taken;
    what one read brings (64 KiB) may come on top."""

    inbox_bytes: int = BYTES
    """Bytes of these, each with 176 more. As much may be there of messages that are not whole yet:
    beyond, a peer is cut off that has more than its share of that."""

    max_message_bytes: int = MESSAGE_BYTES_MAX
    """Of one message that comes, 64 added for each frame. Who sends a larger one is cut off."""

    max_peers: int = PEERS
    """Connections that are accepted; others are closed at once, and told by `errors()`."""

    if TYPE_CHECKING:  # what it may be made of; it has them as above

        def __init__(
            self,
            *,
            outbox_messages: int = ...,
            outbox_bytes: int | str = ...,
            inbox_messages: int = ...,
            inbox_bytes: int | str = ...,
            max_message_bytes: int | str = ...,
            max_peers: int = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, str) and one.name.endswith("_bytes"):
                value = read_size(value) or value
                object.__setattr__(self, one.name, value)
            is_count = isinstance(value, int) and not isinstance(value, bool)
            if not is_count or not 1 <= value <= COUNT_MAX:
                size = ", or a size such as '64M'" if one.name.endswith("_bytes") else ""
                raise ConfigError(
                    f"{one.name} must be 1 to {COUNT_MAX:,}{size}, not {shown(value)}"
                )
