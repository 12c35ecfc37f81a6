"""A publisher that remembers what it has published, and sends it again to who asks; no sockets.

It loses messages, forgets the older ones, hangs up in the middle of one and is started anew. All
bytes, of both directions, may be cut anywhere. It knows of each message whether it had to come.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgpack

from fanout.subscriber.backoff import BackOff
from fanout.subscriber.core import Core
from fanout.subscriber.parsing import MESSAGE_BYTES_MAX
from fanout.terms.introduction import PROPERTY, Introduction
from fanout.terms.reserved import VALUES_ALL, VALUES_OFF
from fanout.zmtp import (
    Cancelled,
    PingReceived,
    ReservedSubscription,
    Session,
    Subscribed,
    SubscribedAll,
    encode_message,
)
from tests.helpers.limits import LIMITS
from tests.property.test_zmtp_frames import cut

if TYPE_CHECKING:
    from fanout.subscriber.message import Message
    from fanout.zmtp import SessionEvent

SINCE = re.compile(rb"\x00fanout\.since=([0-9a-f]{16}):([0-9]+)")
MOST = 1024  # bytes of a message, where some are larger
PINGS = (b"since", b"topics", b"before")
FINISH_ROUNDS = 20  # each later subscription that is asked for takes three
LIMITS_HERE = replace(LIMITS, reserved=b"\x00fanout.")


@dataclass
class Served:
    """One connection."""

    session: Session
    unheard: bytes = b""
    wants: set[bytes] = field(default_factory=set)
    since: list[bytes] = field(default_factory=list)
    pending: set[int] = field(default_factory=set)
    told: list[dict[str, object]] = field(default_factory=list)  # markers to come
    tells_ends: bool = False
    mark: int | None = None  # to come before this message
    # Last values to come, with their marks; each after all that was published before this message.
    shown: list[tuple[int, bytes]] = field(default_factory=list)
    is_off: bool = False  # it wants none of these
    is_all: bool = False  # it wants these also of what it has had, by what it says


class Remembering:
    """The publisher, and a subscriber of it, with one line or several.

    Attributes:
        shows: it keeps the last message of each topic, and sends it to who subscribes.
        knows_all: it understands `values=all`.
        names_most: how many subscriptions it names in a mark.
        got: what the subscriber gave to the program.
        owed: epoch and number of all messages that had to come, or to be told of.
        cancelled: what was subscribed to at some time, and was cancelled.
        since_when: of what was subscribed to later, how much had come before that the last time.
        gone: of those that were lost once on their way, or are not remembered any more.
    """

    shows = False
    too_large: tuple[bytes, ...] = ()  # topics of messages that are, for this subscriber
    knows_all = True
    names_most = 99  # subscriptions that are named in a mark

    def __init__(self, wants: set[bytes], lines: int = 1) -> None:
        most = MOST if self.too_large else MESSAGE_BYTES_MAX
        back_offs = [BackOff(lambda: 0.5) for _ in range(lines)]
        self.core = Core(back_offs, wants, last=self.shows, max_message_bytes=most)
        self.got: list[Message] = []
        self.owed: list[tuple[int, int]] = []
        self.gone: set[tuple[int, int]] = set()
        self._first = {*wants}
        self._later: set[bytes] = set()  # subscribed to later, without what was published before
        self._asked: set[bytes] = set()  # with that, from somewhere on
        self.topics: list[bytes] = []
        self.epoch = 1
        self._heard: list[set[bytes]] = [set() for _ in range(lines)]  # over each line, ever
        self._floor = 0
        self._from: set[bytes] = set()  # subscribed to later, with what was published before
        self._served: dict[int, Served] = {}  # by the number of the line
        self.denied: set[bytes] = set()  # subscriptions that bring nothing, until `grant()`
        self.cancelled: set[bytes] = set()
        self.since_when: dict[bytes, int] = {}  # later subscriptions: how much had come before

    # What may happen.

    def connect(self, pieces: list[int], number: int = 0) -> None:
        if number not in self._served:
            line = self.core.lines[number]
            line.connected(0.0)
            session = Session(LIMITS_HERE)
            head = len(self.topics)
            said = Introduction(self.epoch, head, sequence=True, replay=1 << 20, last=self.shows)
            said = replace(said, values=self.shows and self.knows_all)
            session.introduce = lambda: {PROPERTY: said.to_bytes()}
            self._served[number] = Served(session)
            while not line.is_up:  # the handshake
                self._take(number, session.receive_data(line.data_to_send()))
                self._say(number, session.data_to_send(), pieces)
            self.hear(pieces, number)

    def hang_up(self, part: int, number: int = 0) -> None:
        """In the middle of a message, if there is one."""
        if number in self._served:
            wire = self._next_message(number)
            if part:
                self._say(number, wire[: len(wire) * part // 200], [])
            self._lose_line(number)

    def start_anew(self) -> None:
        for number in [*self._served]:
            self.hang_up(0, number)
        self.gone.update((self.epoch, number) for number in range(len(self.topics)))
        self.epoch += 1
        self.topics.clear()
        self._floor = 0

    def forget(self, count: int) -> None:
        """Have no more than so many messages."""
        self._floor = max(self._floor, len(self.topics) - count)
        self.gone.update((self.epoch, number) for number in range(self._floor))

    def publish(self, topics: list[bytes]) -> None:
        for topic in topics:
            place = len(self.topics)
            self.topics.append(topic)
            if topic.startswith((*set[bytes].intersection(*self._heard), *self._from)):
                self.owed.append((self.epoch, place))
            for served in self._served.values():
                if topic.startswith(tuple(served.wants)):
                    served.pending.add(place)

    def lose(self, count: int, number: int = 0) -> None:
        """The oldest of those that wait."""
        served = self._served.get(number)
        lost = sorted(served.pending)[:count] if served is not None else []
        if served is not None and lost:
            self._mark(served, "lag", lost[0], lost[-1], len(lost))
            served.pending.difference_update(lost)
            self.gone.update((self.epoch, place) for place in lost)

    def hear(self, places: list[int], number: int = 0) -> None:
        """Read what the subscriber has said, in pieces: those but the last, if there are some."""
        served = self._served.get(number)
        if served is None:
            return
        served.unheard += self.core.lines[number].data_to_send()
        chunks = [*cut(served.unheard, places)]
        for chunk in chunks[:-1] if places else chunks:
            served.unheard = served.unheard[len(chunk) :]
            self._take(number, served.session.receive_data(chunk))

    def send(self, count: int, places: list[int], number: int = 0) -> None:
        served = self._served.get(number)
        if served is not None:
            wire = b""
            for _ in range(min(count, len(served.pending))):
                wire += self._next_message(number)
            self._say(number, wire + self._shown_of(served) + self._mark_of(served), places)

    def subscribe(self, prefix: bytes) -> None:
        """What is published from then on has to come, if no line is up whose publisher is told."""
        if not self._served and prefix not in self.core.wants:
            self._from.add(prefix)
        if not self.core._is_there(prefix):
            self._later.add(prefix)
            self.since_when[prefix] = len(self.got)
        self.core.subscribe(prefix)

    def unsubscribe(self, prefix: bytes) -> None:
        """Of what only this has wanted nothing has to come, and what has come may come again."""
        if self.core._is_there(prefix):
            self.cancelled.add(prefix)
        self.core.unsubscribe(prefix)
        for known in (self._first, self._later, self._from, self._asked, *self._heard):
            known.discard(prefix)

    def is_shown(self, topic: bytes) -> bool:
        """Whether its last value is to come: what is asked for from somewhere on covers others."""
        if topic.startswith((*self._first,)):
            return True
        return topic.startswith((*self._later,)) and not topic.startswith((*self._asked,))

    def subscribe_since(self, prefix: bytes, count: int) -> None:
        """With what was published before, but for the oldest so many.

        What is subscribed to already covers, from wherever on, does not come again.
        """
        count = min(count, len(self.topics))
        covered = (*self.core.wants, *self._from)
        if prefix not in covered:
            self.core.subscribe(prefix, (self.epoch, count - 1) if count else (0, 0))
            self._from.add(prefix)
            self._asked.add(prefix)
            for place in range(count, len(self.topics)):
                one, topic = (self.epoch, place), self.topics[place]
                is_new = topic.startswith(prefix) and not topic.startswith(covered)
                if is_new and one not in self.owed:
                    self.owed.append(one)

    def look(self, now: float) -> None:
        """Let the subscriber do what is due."""
        for number, _ in self.core.silent(0.0):
            self._lose_line(number)
        self.got += self.core.released(now)

    def finish(self) -> None:
        """All comes that is to come, and one message more."""
        numbers = range(len(self.core.lines))
        for _ in range(2 * len(numbers)):  # a line may ask for another connection
            for number in numbers:
                self.connect([], number)
                for _ in range(FINISH_ROUNDS):
                    self.hear([], number)
                    self.send(1 << 20, [], number)
            self.look(0.0)
        self.publish([b"AB"])
        for number in numbers:
            self.send(1 << 20, [], number)
        self.look(1.0)

    # How.

    def _lose_line(self, number: int) -> None:
        if self._served.pop(number, None) is not None:
            self.core.lost(number, 0.0)

    def _next_message(self, line: int) -> bytes:
        served = self._served[line]
        if not served.pending:
            return b""
        wire = self._told(served) + self._mark_of(served) + self._shown_of(served)
        number = min(served.pending)
        served.pending.remove(number)
        return wire + self._wire(number)

    def _told(self, served: Served) -> bytes:
        """What was lost for it, said in the order in which that happened."""
        markers, served.told = served.told, []
        return b"".join(
            encode_message([b"\x00fanout.gap", msgpack.packb(marker)]) for marker in markers
        )

    def _mark_of(self, served: Served) -> bytes:
        """That all has come which was missed, or was told of, if it has."""
        at = served.mark
        if at is None or min(served.pending, default=at) < at:
            return b""
        served.mark = None
        said = {"epoch": self.epoch, "at": at}
        return self._told(served) + encode_message([b"\x00fanout.since", msgpack.packb(said)])

    def _mark(self, served: Served, reason: str, first: int, last: int, count: int) -> None:
        said = {"first": first, "last": last, "count": count, "reason": reason}
        served.told.append({"epoch": self.epoch, **said})

    def _take(self, number: int, events: list[SessionEvent]) -> None:
        """As a worker does: what is reserved first, then answers, then subscriptions."""
        served = self._served[number]
        added: list[bytes] = []  # and not cancelled in the same read
        for event in events:
            if isinstance(event, ReservedSubscription) and SINCE.fullmatch(event.prefix):
                (served.since.append if event.wanted else served.since.remove)(event.prefix)
            elif isinstance(event, ReservedSubscription):
                served.tells_ends |= event.prefix == b"\x00fanout.since"
                if event.prefix == VALUES_OFF:
                    served.is_off = event.wanted
                if event.prefix == VALUES_ALL:
                    assert self.knows_all
                    served.is_all = event.wanted
            elif isinstance(event, Cancelled):
                served.wants.discard(event.prefix)
                self._heard[number].discard(event.prefix)
                added = [prefix for prefix in added if prefix != event.prefix]
            elif isinstance(event, Subscribed):
                added.append(event.prefix)
            elif isinstance(event, SubscribedAll):
                added += event.prefixes
            else:
                assert not isinstance(event, PingReceived) or event.context in PINGS
        self._say(number, served.session.data_to_send(), [])
        if not added:
            return
        before = tuple(served.wants)
        denied = tuple(one for one in added if one in self.denied)
        added = [one for one in added if one not in denied]
        served.wants.update(added)
        self._heard[number].update(one for one in added if one in self.core.wants)
        if self.shows and not served.is_off:
            self._show(served, before, tuple(added), denied)
        if served.since:
            self._go_back(served, before, tuple(added))

    def _go_back(self, served: Served, before: tuple[bytes, ...], added: tuple[bytes, ...]) -> None:
        said = SINCE.fullmatch(served.since[-1])
        assert said is not None
        first = int(said[2]) + 1 if int(said[1], 16) == self.epoch else 0
        if first < self._floor and any(not one.startswith(before) for one in added):
            count = self._floor - first if b"" in added else 0
            self._mark(served, "expired", first, self._floor - 1, count)
        for number in range(max(first, self._floor), len(self.topics)):
            topic = self.topics[number]
            if topic.startswith(added) and not topic.startswith(before):
                served.pending.add(number)
        if served.tells_ends:
            served.mark = len(self.topics)

    def grant(self, prefix: bytes, number: int = 0) -> None:
        """What was denied up to now is not any more."""
        self.denied.discard(prefix)
        served = self._served.get(number)
        if served is not None:
            before = tuple(served.wants)
            served.wants.add(prefix)
            self._show(served, before, (prefix,), is_asked=False)

    def _show(
        self,
        served: Served,
        before: tuple[bytes, ...],
        added: tuple[bytes, ...],
        denied: tuple[bytes, ...] = (),
        *,
        is_asked: bool = True,
    ) -> None:
        """The last message of each topic that is new by that, as of where it goes on."""
        said = SINCE.fullmatch(served.since[-1]) if served.since and is_asked else None
        above = int(said[2]) if said is not None and int(said[1], 16) == self.epoch else -1
        due = max(above + 1, self._floor) if said is not None else len(self.topics)
        above = -1 if served.is_all else above
        last = {topic: place for place, topic in enumerate(self.topics)}
        values = [
            place
            for topic, place in last.items()
            if above < place < due and topic.startswith(added) and not topic.startswith(before)
        ]
        about: dict[str, Any] = {"subscriptions": len(denied + added) * is_asked, "at": due}
        if self.names_most:
            about |= {"prefixes": (denied + added)[: self.names_most], "denied": len(denied)}
        begin, end = (self._shown_mark(about, is_end=is_end) for is_end in (False, True))
        wires = [begin, *[self._wire(place) for place in sorted(values)], end]
        # What is asked for from further back comes before others that wait.
        served.shown += [(due, wire) for wire in wires]
        served.shown.sort(key=lambda one: one[0])

    def _shown_of(self, served: Served, most: int | None = None) -> bytes:
        """What is due of last values, or so many of these, with their marks."""
        at = min(served.pending, default=len(self.topics))
        due = [wire for one, wire in served.shown if one <= at][:most]
        del served.shown[: len(due)]
        return b"".join(due)

    def _shown_mark(self, about: dict[str, Any], *, is_end: bool) -> bytes:
        said = {"epoch": self.epoch, "end": is_end, **about}
        return encode_message([b"\x00fanout.snapshot", msgpack.packb(said)])

    def _wire(self, place: int) -> bytes:
        body = struct.pack(">QQ", self.epoch, place)
        topic = self.topics[place]
        return encode_message([topic, bytes(MOST) if topic in self.too_large else b"x", body])

    def show(self, count: int, number: int = 0) -> None:
        """Send so many of what is left of last values, with what says where they begin and end."""
        served = self._served.get(number)
        if served is not None and served.shown:
            wire = b""
            while min(served.pending, default=len(self.topics)) < served.shown[0][0]:
                wire += self._next_message(number)
            self._say(number, wire + self._shown_of(served, count), [])

    def _say(self, number: int, wire: bytes, places: list[int]) -> None:
        for chunk in cut(wire, places):
            done = self.core.received(number, chunk, 0.0)
            assert done.lost is None
            self.got += done.messages


class Showing(Remembering):
    """It keeps the last message of each topic, and sends it to who subscribes."""

    shows = True


class TooLarge(Remembering):
    """Some of its messages are too large for its subscriber."""

    too_large = (b"A", b"BA")


class ShowingTooLarge(TooLarge):
    """It sends last values, too."""

    shows = True


class ShowingOld(Showing):
    """Of a version that does not understand `values=all`."""

    knows_all = False
    names_most = 0
