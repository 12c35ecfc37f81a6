"""The subscriber without I/O: bytes, ends, the clock and verbs in; bytes and messages out. Pure.

It has a `Line` for each endpoint, and a `Stream` for what comes over it. Whoever owns the sockets
calls it, and after each call takes what is to be sent (`data_to_send`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Any

from fanout.subscriber.asking import NOTHING, Asked
from fanout.subscriber.asks import Asks, overlap
from fanout.subscriber.blame import DESERTED, LostError
from fanout.subscriber.changes import check_room
from fanout.subscriber.line import Line, LineState
from fanout.subscriber.merger import Merger
from fanout.subscriber.message import RECONNECTED, TOO_LARGE, Gap
from fanout.subscriber.parsing import MESSAGE_BYTES_MAX
from fanout.subscriber.passing import PassingStream
from fanout.subscriber.since import after
from fanout.terms.reserved import RESERVED, VALUES_OFF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fanout.subscriber.backoff import BackOff
    from fanout.subscriber.changes import Change
    from fanout.subscriber.losses import Losses
    from fanout.subscriber.message import Message
    from fanout.subscriber.parsing import Frames
    from fanout.subscriber.since import Position
    from fanout.terms.introduction import Introduction
    from fanout.zmtp.mechanisms import Mechanism


@dataclass(slots=True)
class Received:
    """What became of bytes that were received."""

    messages: list[Message] = field(default_factory=list)
    lost: LostError | None = None
    begins: bool = False
    """The handshake is done now."""
    passed_over: str = ""
    """Why a message is not given to the program, the first of this connection, for people."""


class Core:
    """What a subscriber knows and decides. Owned by one thread, or guarded by its owner.

    Args:
        back_offs: one for each endpoint. Each is a line, named by its number from 0 on.
        topics: prefixes to subscribe to.
        since: where they begin: a position, or what is asked for at first; b"" = with what comes.
        max_message_bytes: of one message, 64 added for each frame; a larger one is passed over.
        identity: see `Merger`.
        last: whether publishers are to send the last message of each topic. Over several lines one
            of them brings these; none if there is no telling which lines bring the same.
        mechanisms: what makes our side of the handshake, for each line; () or None = NULL.

    Attributes:
        lines: by number.
        streams: what comes over each.
        bytes: received in all, of traffic and handshakes.
        taken_bytes: of what was given to the program, or is no message.
    """

    def __init__(
        self,
        back_offs: Iterable[BackOff],
        topics: Iterable[bytes],
        *,
        since: bytes | Position = b"",
        max_message_bytes: int = MESSAGE_BYTES_MAX,
        identity: Callable[[Message], Any] | None = None,
        last: bool = False,
        mechanisms: Sequence[Callable[[], Mechanism] | None] = (),
    ) -> None:
        topics, back_offs = set(topics), list(back_offs)
        last = last and identity is None
        self.lines = [
            Line(one, max_message_bytes, last=last, mechanism=mechanism)
            for one, mechanism in zip(back_offs, mechanisms or repeat(None), strict=False)
        ]
        self.streams = [PassingStream(topics, since) for _ in self.lines]
        self._last = last
        self.bytes = 0
        self.taken_bytes = 0
        self._asks = Asks()
        self._merger: Merger | None = None
        if len(self.lines) > 1 or identity is not None:
            self._merger = Merger(len(self.lines), wants_all=b"" in topics, identity=identity)
            for stream in self.streams:
                stream.is_alone = False

    @property
    def wants(self) -> set[bytes]:
        """What is subscribed to; only to be read."""
        return self.streams[0].wants

    def due(self, now: float) -> list[int]:
        """Lines that are to be connected now; they are taken to be, from here on."""
        due = [number for number, line in enumerate(self.lines) if line.is_due(now)]
        for number in due:
            self.lines[number].connecting(now)
        return due

    def received(self, number: int, data: bytes, now: float) -> Received:
        """Take bytes that came over a line."""
        self.bytes += len(data)
        line, stream = self.lines[number], self.streams[number]
        found: list[Frames] = []
        done, before = Received(), line.connections
        try:
            line.receive(data, now, found, stream.wants, lambda said: self._since(number, said))
        except LostError as error:
            done.lost = error
        done.passed_over = line.passed_over
        done.begins = line.connections != before  # even if what follows cannot be understood
        if done.begins:
            self._begin(number)
        messages = stream.take(found) if found else []
        if done.lost is not None and done.lost.over_limit and stream.is_showing:
            line.skip_values()  # which would bring it again, and end there
            stream.losses.add_for_good(Gap(TOO_LARGE, epoch=stream.epoch))
        if stream.is_asking and not line.is_asking:
            stream.answered()
        if self._merger is None:
            done.messages = messages
            self.taken_bytes += len(data)
            if done.lost is None:
                self._go_on_asking()
        else:
            done.messages = self._merged(self._merger, number, messages, now)
        return done

    def _since(self, number: int, said: Introduction) -> Asked:
        """What a publisher is to be asked for: nothing if another line brings it."""
        stream, merger = self.streams[number], self._merger
        line = self.lines[number]
        is_first = merger is None or (said.sequence and not merger.is_led(said.epoch))
        line.shows = self._last and is_first
        if merger is not None and said.sequence:
            if not is_first:
                return NOTHING
            merger.place(stream, said.epoch)
        asked = stream.since(said)
        is_shown = said.last and line.shows and VALUES_OFF not in stream.wants
        lacking = stream.lacking(asked, said.epoch) if is_shown else ()
        return Asked(asked, lacking, said.values)

    def _begin(self, number: int) -> None:
        line, stream = self.lines[number], self.streams[number]
        former = stream.epoch
        stream.begin(line.introduction, asked=bool(line.asked))
        said = sorted(stream.wants) if line.is_shown(b"") else ()  # as the line has said them
        topics = (one for one in said if not one.startswith(RESERVED))
        stream.expect_anew(topics, line.asked, line.asked_anew)
        if not line.is_whole:
            stream.come_in_parts()
        if line.asked_anew and line.introduction is not None and not line.introduction.values:
            stream.losses.add(Gap(RECONNECTED, epoch=stream.epoch))  # what of these was missed
        if self._merger is not None:
            if self._merger.begin(number, line.introduction, former, stream.known):
                line.confirm()
            self._order(self._merger, number)
        elif len(self._asks):
            self._asks.begin(line.asked or self._from_here())

    def _order(self, merger: Merger, number: int) -> None:
        stream = self.streams[number]
        how = {"is_unordered": stream.is_unordered, "is_showing": stream.is_showing}
        merger.order(number, **how, origin=stream.origin)

    def _merged(
        self, merger: Merger, number: int, messages: list[Message], now: float
    ) -> list[Message]:
        given = merger.take(number, messages, now) if messages else []
        untold = self.streams[number].untold_values()
        if untold is not None:
            merger.keep(number, untold)
        self._order(merger, number)
        if not self.lines[number].is_confirming:
            merger.confirm(number)
        self.taken_bytes += sum(message.size for message in given)
        return given

    def lost(self, number: int, now: float, *, for_good: bool = False) -> None:
        """The connection of a line, or the attempt to connect it, has ended."""
        line, stream, merger = self.lines[number], self.streams[number], self._merger
        ask = stream.interrupt()
        if ask is not None:
            self._asks.put_back(ask)
        due = stream.hand_over() if merger is not None and line.is_up else {}
        if for_good:
            line.close()
        else:
            line.lost(now)
        if merger is not None:
            merger.end(number, now, due)

    def released(self, now: float) -> list[Message]:
        """Messages that were held back, and need not be any more."""
        if self._merger is None:
            return []
        given = self._merger.released(now)
        self.taken_bytes += sum(message.size for message in given)
        return given

    def resume(self, now: float) -> None:
        """Nothing was read up to now, for want of room here."""
        for line in self.lines:
            line.not_silent(now)
        if self._merger is not None:
            self._merger.resume(now)

    @property
    def is_one_line(self) -> bool:
        """Whether a later subscription may have what was published before; any thread."""
        return self._merger is None

    def check_room(
        self, prefix: bytes, waiting: int = 0, changes: Callable[[], list[Change]] = list
    ) -> None:
        """Refuse one subscription too many; see `changes.check_room()`; any thread."""
        check_room(prefix, self._count, self._is_there, waiting, changes)

    def _count(self) -> int:
        return len(self.wants) + len(self._asks)

    def _is_there(self, prefix: bytes) -> bool:
        return prefix in self.wants or prefix in self._asks

    def subscribe(self, prefix: bytes, since: bytes | Position = b"") -> None:
        """Want messages whose topic begins with this, from now on.

        Args:
            since: from where on it wants those that were published before; only over one line.
        """
        if self._is_there(prefix):
            return
        merger, back = self._merger, self.streams[0].back
        if since:
            self._asks.add(prefix, since)
        elif self._asks.overlaps(prefix) or (back is not None and overlap(back.prefix, prefix)):
            self._asks.add_plain(prefix, self._from_here())
        if prefix in self._asks:
            self._go_on_asking()
            return
        leads = set() if merger is None else merger.leads()
        for number, (line, stream) in enumerate(zip(self.lines, self.streams, strict=True)):
            if merger is not None:
                line.show(self._last and number in leads)
            stream.want(prefix)
            line.subscribe(prefix)
            if line.is_shown(prefix) or self._is_to_be_shown(line, prefix):
                stream.expect(prefix)
            if merger is not None:
                self._order(merger, number)
                if number not in leads:
                    line.confirm()
        if merger is not None and self._last and not prefix.startswith(RESERVED):
            merger.lack(prefix)
        if merger is not None and not prefix:
            merger.change()

    def _is_to_be_shown(self, line: Line, prefix: bytes) -> bool:
        """Whether last values of it are to come over the next connection, for there is none now."""
        return self._last and not line.is_up and not prefix.startswith(RESERVED)

    def _from_here(self) -> bytes:
        """What asks for all behind what has come; b"" = nothing is known of that."""
        known = self.streams[0].known
        return b"" if known is None else after(*known)

    def unsubscribe(self, prefix: bytes) -> None:
        """Want them no more, but for another subscription; no effect if they were not wanted."""
        if self._asks.leave(prefix):
            return
        for line, stream in zip(self.lines, self.streams, strict=True):
            is_due = stream.is_due(prefix)
            is_counted = is_due and line.cancel_due(prefix)
            if stream.cancel(prefix, is_counted=is_counted):
                if not is_due:
                    line.cancel(prefix)
                if self._merger is not None:
                    self._merger.forget(prefix, stream.wants)

    def _go_on_asking(self) -> None:
        """Say the next subscription that waits, if all that was asked for before has come."""
        line, stream = self.lines[0], self.streams[0]
        while line.is_up and not line.is_asking and stream.back is None:
            ask = self._asks.take()
            if ask is None:
                return
            is_shown = line.is_shown(ask.prefix)
            # Last values say more than what was published while it has waited.
            is_asked = bool(ask.start) and line.can_ask and not (ask.is_plain and is_shown)
            if is_shown:
                stream.expect(ask.prefix)
            if is_asked:
                stream.go_further_back(ask)
                line.ask(ask.said, ask.prefix)
                continue
            stream.want(ask.prefix)
            line.subscribe(ask.prefix)
            if isinstance(ask.start, tuple):  # what is after that nobody sends
                stream.losses.add(Gap(RECONNECTED, epoch=stream.epoch))

    def silent(self, now: float) -> list[tuple[int, LostError]]:
        """Do what is due by now; returns the lines that are lost for want of an answer."""
        lost = []
        if self._merger is not None:
            lost += [(number, LostError(DESERTED)) for number in self._merger.cut]
            self._merger.cut.clear()
        for number, line in enumerate(self.lines):
            try:
                line.tick(now)
            except LostError as error:
                lost.append((number, error))
        return lost

    def next_at(self) -> float | None:
        """When `due` and `silent` are to be asked next, at the latest; None: not by the clock."""
        if any(line.state is LineState.IDLE for line in self.lines):
            return 0.0
        times = [line.next_at() for line in self.lines]
        if self._merger is not None:
            times.append(self._merger.next_at())
        return min((time for time in times if time is not None), default=None)

    @property
    def losses(self) -> list[Losses]:
        """What is missing, as far as it is counted; any thread."""
        if self._merger is not None:
            return [self._merger.losses]
        return [stream.losses for stream in self.streams]

    @property
    def doubles(self) -> int:
        """Messages that had come before; any thread."""
        more = 0 if self._merger is None else self._merger.doubles
        return more + sum(stream.doubles for stream in self.streams)

    @property
    def connections(self) -> int:
        """How many handshakes were completed, on all lines."""
        return sum(line.connections for line in self.lines)
