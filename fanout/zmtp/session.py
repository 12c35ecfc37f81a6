"""The publisher's half of a connection: who is there, and what it wants.

Subscriptions come in two forms, both of which every ZMTP 3 peer may use, mixed (rule R4): SUBSCRIBE
and CANCEL commands (RFC 37), and messages whose first byte is 01 or 00 (RFC 23). They make a set
for each connection, not a count (rule R5): libzmq sends SUBSCRIBE for every subscribe() but CANCEL
only for the last unsubscribe(), so that a count would never get to zero.
All other input is ignored (rule R7): unknown commands, and user messages of any length, since what
the user of an XSUB socket sends goes upstream, and libzmq takes it. So is a message that begins
with 00 and is too long to cancel anything. See `half.py` for the states,
`events.py` for what comes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.zmtp.commands import CANCEL, SUBSCRIBE
from fanout.zmtp.errors import LocalProtocolError, OverLimitError
from fanout.zmtp.events import (
    Cancelled,
    ReservedSubscription,
    SessionEvent,
    Subscribed,
    SubscribedAll,
)
from fanout.zmtp.frames import COMMAND
from fanout.zmtp.greeting import ROLES
from fanout.zmtp.half import Half
from fanout.zmtp.legacy import ZMTP_1

if TYPE_CHECKING:
    from collections.abc import Collection

    from fanout.zmtp.encoding import Encoding
    from fanout.zmtp.mechanisms import Mechanism

_SUBSCRIBE_HEAD = bytes((len(SUBSCRIBE),)) + SUBSCRIBE
_SUBSCRIBE_HEAD_BYTES = len(_SUBSCRIBE_HEAD)
_CANCEL_HEAD = bytes((len(CANCEL),)) + CANCEL
_CANCEL_HEAD_BYTES = len(_CANCEL_HEAD)
_SUBSCRIBE_BYTE = 1
_CANCEL_BYTE = 0
_SUBSCRIBE_MESSAGE = bytes((_SUBSCRIBE_BYTE,))
RUN_MIN = 8  # subscriptions in a row that are told of in one event
LISTED_BYTES = 32  # for each SUBSCRIBE in what looks like a list of them: with short topics


def are_subscriptions(data: bytes) -> bool:
    """Whether this looks like a list of SUBSCRIBE commands: which costs little, for its length."""
    return data.count(_SUBSCRIBE_HEAD) * LISTED_BYTES >= len(data)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """What a peer may take of us. Who runs the sessions knows the numbers: none has a default."""

    max_frame_bytes: int
    """Body of one inbound frame. A longer command or subscription closes the connection, another
    message is skipped as it comes."""

    max_subscriptions: int
    """Distinct subscriptions of the connection; one more closes it."""

    max_subscription_bytes: int
    """Length of one subscription; a longer one closes the connection."""

    max_subscriptions_bytes: int
    """All subscriptions of the connection together; one more closes it."""

    allow_zmtp_1: bool
    """Serve ZMTP 1.0 peers, which take everything and filter themselves."""

    reserved: bytes
    """Subscriptions that begin with this are none: they are a `ReservedSubscription`, count for no
    limit but that of their length, and are among no subscriptions. Not empty."""


class Session(Half):
    """The publisher's half of a connection, without its socket.

    Owned by one thread. Call `data_to_send` right after construction (the signature must go out
    without waiting for input) and after every `receive_data`.

    Attributes:
        state: see `states.py`.
        version: of the peer, "3.1", "3.0", "2.0" or "1.0"; `None` until known.
        metadata: properties of the peer, names in lower case.
        subscriptions: prefixes that the peer wants; only to be read, and as they were at the end
            once the state is `CLOSED`.
    """

    __slots__ = ("_limits", "_subscribed_bytes", "subscriptions")

    def __init__(
        self,
        limits: SessionLimits,
        *,
        socket_type: bytes = b"PUB",
        mechanism: Mechanism | None = None,
    ) -> None:
        """Start a connection.

        Args:
            mechanism: its side of the handshake, for this connection alone; None = NULL.

        Raises:
            LocalProtocolError: `socket_type` is neither PUB nor XPUB.
        """
        if socket_type not in (b"PUB", b"XPUB"):
            raise LocalProtocolError(f"a publisher is PUB or XPUB, not {socket_type!r}")
        super().__init__(
            *(ROLES[socket_type], limits.max_frame_bytes),
            allow_zmtp_1=limits.allow_zmtp_1,
            mechanism=mechanism,
        )
        self._limits = limits
        self._subscribed_bytes = 0
        self.subscriptions: set[bytes] = set()

    def go_on(
        self, version: str, subscriptions: Collection[bytes], skip: int = 0, again: int = 0
    ) -> None:
        """Take over a connection from another session, between two frames of its peer; only once.

        Nothing is sent for that. What the peer has said of itself in its handshake is not known.

        Args:
            version: of the peer, as the other session had it.
            subscriptions: as that one had them.
            skip: bytes that will come, and were acted upon already.
            again: bytes that have come, and of which the other session may have acted upon some:
                what is among the subscriptions may be cancelled and subscribed to once more. So
                there may be too many in between, and it is looked at the end of them.
        """
        self._again = again
        self._go_on(version)
        if version != "1.0":  # whose input is not looked at
            self._reader.skip(skip)
        self.subscriptions.update(subscriptions)
        self._subscribed_bytes = sum(map(len, self.subscriptions))

    @property
    def encoding(self) -> Encoding | None:
        """What messages must go through for this peer; `None`: they are sent as the log has them.

        Known from `Ready` on, and the same ever after.
        """
        return ZMTP_1 if self.version == "1.0" else None

    def _on_ready(self, events: list[SessionEvent]) -> None:
        # A cancellation above the limit names a prefix that was too long to be subscribed to.
        self._reader.skip_but = _SUBSCRIBE_MESSAGE
        if self.version == "1.0":  # it filters at its own side and never says what it wants
            self._subscribe(b"", events)

    def _on_message(self, flags: int, body: bytes, events: list[SessionEvent]) -> None:
        """Look at each frame of a message alone, as libzmq does, whatever its MORE bit says."""
        if not body:
            return
        if body[0] == _SUBSCRIBE_BYTE:
            self._subscribe(body[1:], events)
            if not flags:
                self._subscribe_all(self._reader.take_run(0, _SUBSCRIBE_MESSAGE), events)
        elif body[0] == _CANCEL_BYTE:
            self._cancel(body[1:], events)

    def _on_command(self, body: bytes, events: list[SessionEvent]) -> None:
        if body[:_SUBSCRIBE_HEAD_BYTES] == _SUBSCRIBE_HEAD:
            self._subscribe(body[_SUBSCRIBE_HEAD_BYTES:], events)
            self._subscribe_all(self._reader.take_run(COMMAND, _SUBSCRIBE_HEAD), events)
        elif body[:_CANCEL_HEAD_BYTES] == _CANCEL_HEAD:
            self._cancel(body[_CANCEL_HEAD_BYTES:], events)
        else:
            super()._on_command(body, events)

    def _subscribe(self, prefix: bytes, events: list[SessionEvent]) -> None:
        if prefix in self.subscriptions:
            return
        limits = self._limits
        size = len(prefix)
        if size > limits.max_subscription_bytes:
            raise OverLimitError(
                f"a subscription of {size} bytes, the limit is {limits.max_subscription_bytes}"
            )
        if prefix.startswith(limits.reserved):
            events.append(ReservedSubscription(prefix, wanted=True))
            return
        if not self._again:
            self._check(len(self.subscriptions) + 1, self._subscribed_bytes + size)
        self._subscribed_bytes += size
        self.subscriptions.add(prefix)
        events.append(Subscribed(prefix))

    def _check(self, count: int, size: int) -> None:
        """Refuse so many subscriptions, of so many bytes."""
        if count > self._limits.max_subscriptions:
            raise OverLimitError(f"more than {self._limits.max_subscriptions} subscriptions")
        if size > self._limits.max_subscriptions_bytes:
            raise OverLimitError(
                f"more than {self._limits.max_subscriptions_bytes} bytes of subscriptions"
            )

    def _on_news(self, events: list[SessionEvent]) -> None:
        try:
            self._check(len(self.subscriptions), self._subscribed_bytes)
        except OverLimitError as error:
            events.append(self._fail(error))

    def _subscribe_all(self, prefixes: list[bytes], events: list[SessionEvent]) -> None:
        """As `_subscribe` one after another; all at once if there are many, and room for all."""
        if not prefixes:  # the usual case once its list is there
            return
        limits, mine = self._limits, self.subscriptions
        new = dict.fromkeys(prefixes)
        if not mine.isdisjoint(new):
            new = {prefix: None for prefix in new if prefix not in mine}
        together = b"".join(new)
        size, longest = len(together), limits.max_subscription_bytes
        if (
            len(new) < RUN_MIN
            or len(mine) + len(new) > limits.max_subscriptions
            or self._subscribed_bytes + size > limits.max_subscriptions_bytes
            or (size > longest and max(map(len, new)) > longest)
            or limits.reserved in together  # in one of them, or across two: mostly in none
        ):
            for prefix in prefixes:
                self._subscribe(prefix, events)
            return
        self._subscribed_bytes += size
        mine.update(new)
        events.append(SubscribedAll(tuple(new)))

    def _cancel(self, prefix: bytes, events: list[SessionEvent]) -> None:
        if prefix in self.subscriptions:
            self._subscribed_bytes -= len(prefix)
            self.subscriptions.remove(prefix)
            events.append(Cancelled(prefix))
        elif prefix.startswith(self._limits.reserved):
            events.append(ReservedSubscription(prefix, wanted=False))
