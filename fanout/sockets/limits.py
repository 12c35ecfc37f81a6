"""What a socket may hold: every limit, with its unit and its reason. Pure."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from fanout.errors import ConfigError
from fanout.subscriber.parsing import MESSAGE_BYTES_MAX
from fanout.terms.arguments import read_size, shown
from fanout.terms.places import PlaceLimits, check_rate, limits_of
from fanout.terms.shares import CONNECTS_PER_S

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
    """Connections that are accepted; others are closed, and told by `errors()`."""

    max_connections_per_address: int = 0
    """Of these from one IPv4 address or IPv6 network of 64 bits; 0 = half of them, or four.
    Loopback and `ipc://` are not limited. Who is refused by this or the next two is closed after a
    second."""

    max_half_open_per_address: int = 0
    """Of those in their handshake; 0 = half of them, or four."""

    max_connects_per_address: float = CONNECTS_PER_S
    """New ones a second, beyond a burst: twice as many as may stay, 1,000 at least."""

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
            max_connections_per_address: int = ...,
            max_half_open_per_address: int = ...,
            max_connects_per_address: float = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, str) and one.name.endswith("_bytes"):
                value = read_size(value) or value
                object.__setattr__(self, one.name, value)
            if one.name == "max_connects_per_address":
                check_rate(one.name, value)
                continue
            least = 0 if one.name.endswith("_per_address") else 1
            is_count = isinstance(value, int) and not isinstance(value, bool)
            if not is_count or not least <= value <= COUNT_MAX:
                size = ", or a size such as '64M'" if one.name.endswith("_bytes") else ""
                raise ConfigError(
                    f"{one.name} must be {least} to {COUNT_MAX:,}{size}, not {shown(value)}"
                )

    @property
    def places(self) -> PlaceLimits:
        """How many may connect to us."""
        return limits_of(
            self.max_peers,
            self.max_connections_per_address,
            self.max_half_open_per_address,
            self.max_connects_per_address,
        )
