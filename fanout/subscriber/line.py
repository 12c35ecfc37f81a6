"""One line to a publisher: when to connect, what to say, when it is lost. Pure: time is passed in.

IDLE ──► CONNECTING ──► HANDSHAKE ──► LIVE   a publisher of fanout's
  ▲           │             │     └─► PLAIN  another: a good SUB, and no promises
  │           ▼             ▼           │
  └────── BACK_OFF ◄────────┴───────────┘    lost; also from LIVE
                                             CLOSED, from every state, for ever
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from fanout.subscriber.asking import NOTHING, Asked, Asking
from fanout.subscriber.blame import CLOSED_TEXT, LostError, why_ended, why_refused
from fanout.subscriber.boxing import Boxing
from fanout.subscriber.feed import Feed
from fanout.subscriber.heartbeat import Heartbeat
from fanout.terms.reserved import GAP_TOPIC, RESERVED, SNAPSHOT_TOPIC, VALUES_OFF
from fanout.zmtp import PingReceived, PongReceived, Ready, Violation
from fanout.zmtp.errors import Refusal
from fanout.zmtp.events import PassedOver

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from fanout.subscriber.backoff import BackOff
    from fanout.subscriber.parsing import Frames
    from fanout.terms.introduction import Introduction
    from fanout.zmtp.mechanisms import Mechanism

CONNECT_TIMEOUT_S = 10.0
"""From the first SYN to READY; a publisher that takes longer is tried anew."""

PASSED_OVER = "is passed over here, and told by a gap: {advice} (told once for each connection)"
RAISE_LIMIT = "raise max_message_bytes of this subscriber if it is to receive such messages"
SEALED_WHOLE = (
    "is the end of this connection, since with CURVE only messages that have numbers "
    "(sequence_frame=True) are passed over: raise max_message_bytes of this subscriber"
)
FEWER_FRAMES = "no option takes more, the publisher has to send fewer in each message"
SILENT = "the publisher has been silent for too long"
GAP_CHOICES = (GAP_TOPIC, GAP_TOPIC + b"=all")  # to be told of what is missing


class LineState(Enum):
    """Where a line stands."""

    IDLE = "idle"
    CONNECTING = "connecting"
    HANDSHAKE = "handshake"
    LIVE = "live"
    PLAIN = "plain"
    BACK_OFF = "back off"
    CLOSED = "closed"


class Line:
    """A connection that comes back. Owned by one thread.

    Attributes:
        state: see above.
        connections: how often the handshake was completed.
        introduction: what the publisher said of itself, this time; None if it is not fanout's.
        passed_over: of the last read: why a message is passed over, if it is the first of this
            connection; "" = there was none.
        version: of ZMTP, as the publisher speaks it; None until known.
        shows: it sends last values of what is subscribed to from now on; its owner may change that
            when asked what a publisher is to be asked for.

    Args:
        back_off: waits between attempts.
        max_message_bytes: of one message.
        last: whether it is to send the last message of each topic.
        mechanism: makes our side of the handshake of one connection; None = NULL.
    """

    def __init__(
        self,
        back_off: BackOff,
        max_message_bytes: int,
        *,
        last: bool = False,
        mechanism: Callable[[], Mechanism] | None = None,
    ) -> None:
        self.state = LineState.IDLE
        self.connections = 0
        self.introduction: Introduction | None = None
        self.shows = last
        self._ours = ""  # the mechanism of this connection
        self._back_off = back_off
        self._max_message_bytes = max_message_bytes
        self._mechanism = mechanism
        self._feed = Feed(max_message_bytes, passes_over=True)
        self.passed_over = ""
        self._has_passed = False  # that was told of this connection
        self._skips_values = False
        self._shows_later = False  # as soon as the publisher has taken what was said before
        self._asking = Asking(self._feed)
        self._heartbeat = Heartbeat(0.0)
        self._until: float | None = None  # when this state is over, in seconds

    @property
    def version(self) -> str | None:
        return self._feed.version

    @property
    def is_up(self) -> bool:
        """Whether messages may come."""
        return self.state in (LineState.LIVE, LineState.PLAIN)

    def is_due(self, now: float) -> bool:
        """Whether it is to be connected now."""
        return self.state is LineState.IDLE or (
            self.state is LineState.BACK_OFF and self._until is not None and now >= self._until
        )

    def connecting(self, now: float) -> None:
        """Somebody connects it from now on."""
        self.state = LineState.CONNECTING
        self._until = now + CONNECT_TIMEOUT_S

    def connected(self, now: float) -> None:
        """There is a connection: the signature waits in `data_to_send`."""
        self.state = LineState.HANDSHAKE
        mechanism = None if self._mechanism is None else self._mechanism()
        self._feed = Feed(self._max_message_bytes, mechanism=mechanism, passes_over=True)
        self._has_passed = False
        self._ours = self._feed.our_mechanism
        self.introduction = None
        self._asking = Asking(self._feed)
        self._heartbeat = Heartbeat(now)
        self._shows_later = False

    def lost(self, now: float) -> None:
        """The connection, or the attempt, has ended."""
        if self.state is not LineState.CLOSED:
            self.state = LineState.BACK_OFF
            self._until = now + self._back_off.failed()

    def close(self) -> None:
        """It is not to come back."""
        self.state = LineState.CLOSED
        self._until = None

    def receive(
        self,
        data: bytes,
        now: float,
        found: list[Frames],
        wants: Collection[bytes],
        since: Callable[[Introduction], Asked] = lambda _: NOTHING,
    ) -> None:
        """Take bytes of the publisher; one connection more if they end the handshake.

        Args:
            found: gets the messages; those of a new connection, if it begins.
            wants: what is to be subscribed to, if this ends the handshake.
            since: what the publisher is to be asked for then, of what was published before.

        Raises:
            LostError: the publisher cannot be understood; what came before is found.
        """
        self._heartbeat.hear(now)
        self.passed_over = ""
        for event in self._feed.receive(data, found):
            if isinstance(event, Ready):
                self._begin(wants, since)
            elif isinstance(event, PongReceived):
                self._heartbeat.answers = True
                self._asking.ponged(event.context)
                self._show_later()
            elif isinstance(event, PingReceived):
                self._heartbeat.ttl_s = event.ttl_s
            elif isinstance(event, PassedOver):
                self._pass_over(event)
            elif isinstance(event, Violation) and event.refusal not in (None, Refusal.HTTP):
                raise why_refused(event, self._ours)
            elif isinstance(event, Violation):
                text = f"not a publisher that can be understood: {event.reason}"
                if event.over_limit and self._ours == "CURVE":
                    text = f"{event.reason} {SEALED_WHOLE}"
                raise LostError(text, violation=event.reason, over_limit=event.over_limit)

    def _pass_over(self, event: PassedOver) -> None:
        """Tell of a message that is too large for us, once for each connection."""
        if not self._has_passed:
            advice = FEWER_FRAMES if event.has_too_many_frames else RAISE_LIMIT
            text = PASSED_OVER.format(advice=advice)
            self._has_passed, self.passed_over = True, f"{event.reason} {text}"

    def ended(self, problem: str = CLOSED_TEXT) -> LostError:
        """What it means that the publisher has closed the connection now."""
        return why_ended(self._feed, problem)

    @property
    def boxing(self) -> Boxing | None:
        """What seals that which goes out from now on; None: it goes out as it is."""
        return None if self._feed.sealer is None else Boxing(self._feed.sealer)

    def _begin(self, wants: Collection[bytes], since: Callable[[Introduction], Asked]) -> None:
        """Say all that there is to say, in one piece."""
        self.introduction = self._feed.introduction
        self.state = LineState.PLAIN if self.introduction is None else LineState.LIVE
        self._until = None
        self.connections += 1
        self._back_off.succeeded()
        asked = NOTHING
        if self.introduction is not None:
            self._feed.subscribe(GAP_CHOICES)
            said = since(self.introduction)
            asked = said if self._feed.speaks_pings else NOTHING
            if self.introduction.last:
                self._shows_later = self.shows and self._skips_values and self._feed.speaks_pings
                self.shows = self.shows and not self._skips_values
                self._feed.subscribe([SNAPSHOT_TOPIC if self.shows else VALUES_OFF])
        self._skips_values = False
        self._asking.begin(asked, wants)
        if self._shows_later:
            self._asking.confirm()

    def skip_values(self) -> None:
        """Have the next connection bring no last values of what is wanted when it begins.

        For one of them ends each connection that brings it.
        """
        self._skips_values = True

    def _show_later(self) -> None:
        if self._shows_later and not self.is_confirming:
            self._shows_later = False
            self.show(is_wanted=True)

    # What was published before: see `Asking`.

    @property
    def asked(self) -> bytes:
        """What the publisher was asked for last, over this connection; b"" = nothing."""
        return self._asking.asked

    @property
    def asked_anew(self) -> Collection[bytes]:
        """Of what all last values were asked for with that."""
        return self._asking.anew

    @property
    def is_whole(self) -> bool:
        """Whether everything is said in one piece with what is asked for, if it is wanted."""
        return self._asking.is_whole

    @property
    def is_asking(self) -> bool:
        """Whether it has not taken all of that yet."""
        return self._asking.is_asking

    @property
    def can_ask(self) -> bool:
        """Whether it can be asked for what was published before, and says where that ends."""
        said = self.introduction
        is_able = said is not None and said.sequence and said.replay > 0
        return self.is_up and is_able and self._feed.speaks_pings

    def ask(self, since: bytes, prefix: bytes) -> None:
        """Subscribe, and ask for what was published of that before; not while it is asking."""
        self._asking.ask(since, prefix)

    @property
    def is_confirming(self) -> bool:
        """Whether it has still to say that it knows what is subscribed to."""
        return self._asking.is_confirming

    def confirm(self) -> None:
        """Have it say so, if it can."""
        if self.is_up and self._feed.speaks_pings:
            self._asking.confirm()

    def is_shown(self, prefix: bytes) -> bool:
        """Whether last values come of what is subscribed to by this."""
        said = self.introduction
        has_any = self.is_up and self.shows and said is not None and said.last
        return has_any and not prefix.startswith(RESERVED)

    def show(self, is_wanted: bool) -> None:
        """Have it send last values of what is subscribed to from now on, or not any more."""
        if is_wanted != self.shows and self.introduction is not None and self.introduction.last:
            self.shows = is_wanted
            (self.cancel if is_wanted else self.subscribe)(VALUES_OFF)
            (self.subscribe if is_wanted else self.cancel)(SNAPSHOT_TOPIC)

    def subscribe(self, prefix: bytes) -> None:
        """Say so, if there is anybody to be told."""
        if self.is_up:
            self._asking.say(prefix, is_wanted=True)

    def cancel(self, prefix: bytes) -> None:
        """Say so, if there is anybody to be told."""
        if self.is_up:
            self._asking.say(prefix, is_wanted=False)

    def cancel_due(self, prefix: bytes) -> bool:
        """As `cancel`, while last values of it come; whether a mark says where these end."""
        if self.is_up and self._feed.speaks_pings:
            return self._asking.cancel_due(prefix)
        self.cancel(prefix)
        return self.is_up

    def data_to_send(self) -> bytes:
        """Return and forget what must go out now; to be sent whole and in order."""
        return self._feed.data_to_send()

    def not_silent(self, now: float) -> None:
        """What has come is not whole yet; or nothing was read up to now, for want of room here."""
        self._heartbeat.hear(now)

    def tick(self, now: float) -> None:
        """Do what is due by now: PINGs.

        Raises:
            LostError: it was silent for too long.
        """
        if self._until is not None and self.state in (LineState.CONNECTING, LineState.HANDSHAKE):
            if now >= self._until:
                if self.state is LineState.CONNECTING:
                    raise LostError("no answer to the connection attempt")
                raise LostError(SILENT)
        elif self.is_up:
            heartbeat, pings = self._heartbeat, self._feed.speaks_pings
            is_overdue = pings and self._is_judged and heartbeat.is_overdue(now)
            if heartbeat.is_over(now) or is_overdue:
                raise LostError(SILENT)
            if pings and heartbeat.begin_ping(now):
                self._feed.ping()

    @property
    def _is_judged(self) -> bool:
        """Whether it answers PINGs: one of fanout's does, and others once they have."""
        return self._heartbeat.answers or self.state is LineState.LIVE

    def next_at(self) -> float | None:
        """When `tick` or `is_due` is to be asked next, at the latest; None: not by the clock."""
        if not self.is_up:
            return self._until
        return self._heartbeat.next_at(pings=self._feed.speaks_pings, judged=self._is_judged)
