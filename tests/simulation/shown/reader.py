"""A program with a `fanout.Subscriber`: its core, the real one, over connections that get lost.

What it gives to the program is held against all that was published: nothing comes twice, and what
does not come it has told of.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from fanout.subscriber.backoff import BackOff
from fanout.subscriber.core import Core
from fanout.subscriber.message import RESTARTED
from fanout.subscriber.parsing import MESSAGE_BYTES_MAX
from tests.simulation.shown.publishing import EPOCH
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from random import Random

    from fanout.subscriber.message import Gap, Message
    from fanout.subscriber.since import Position
    from tests.simulation.shown.dying import DyingSocket
    from tests.simulation.shown.feed import Feed


class Reader:
    """One of them, of a publisher with several endpoints, perhaps.

    Args:
        wants: what it subscribes to.
        lines: how many endpoints it knows.
        since: the last message that another process has had in its place.
        identity: the place of a message in the order of all publishers'.
        most: bytes of a message that it takes, 64 added for each frame.

    Attributes:
        core: what it decides.
        socks: the connections that are up or in their handshake, by line.
        got: what the program got.
        owed: from which message on each subscription is owed all.
        left: prefixes that were unsubscribed, once at least.
        former: what it got of a run of the publisher that has ended.
        past: of later subscriptions, with what was published before: the first message that it is
            owed, and what covers some of them.
    """

    def __init__(
        self,
        wants: set[bytes],
        lines: int,
        rng: Random,
        *,
        last: bool,
        since: Position | None = None,
        identity: Callable[[Message], int] | None = None,
        most: int = MESSAGE_BYTES_MAX,
    ) -> None:
        back_offs = [BackOff(rng.random) for _ in range(lines)]
        self.core = Core(
            *(back_offs, wants),
            last=last,
            since=since or b"",
            identity=identity,
            max_message_bytes=most,
        )
        self.past: dict[bytes, tuple[int, tuple[bytes, ...]]] = {}
        self._has_past = since is not None
        self._behind: dict[bytes, int] = {}  # what another process has had, up to this message
        self._last = last
        self.socks: dict[int, DyingSocket] = {}
        self.got: list[Message] = []
        self.former: list[Message] = []
        self.owed: dict[bytes, int] = {}
        if since is not None:
            self.owed = dict.fromkeys(wants, since[1] + 1 if since[0] == EPOCH else 0)
            self._behind = {**self.owed}
        self._since = max(self.owed.values(), default=0)
        self.left: set[bytes] = set()
        # What each connection brings alone until others are known to bring it, too.
        self._led: dict[DyingSocket, set[bytes]] = {}
        self._firsts: dict[bytes, int] = {}  # what came first by itself, for each subscription
        self.lost = self._anew = 0
        self._origin: int | None = None  # where the log stood when it began
        self._came: dict[int, bytearray] = {}  # by line
        self._rng = rng

    def due(self, now: float, numbers: Collection[int] | None = None) -> list[int]:
        """Lines that are to be connected, of these."""
        if numbers is None:
            return self.core.due(now)
        due = [number for number in numbers if self.core.lines[number].is_due(now)]
        for number in due:
            self.core.lines[number].connecting(now)
        return due

    def connected(self, number: int, sock: DyingSocket, now: float) -> None:
        """A line has a connection."""
        self.socks[number], self._came[number] = sock, bytearray()
        self.core.lines[number].connected(now)
        self._say()

    def line_of(self, sock: DyingSocket) -> int | None:
        """Which line has this connection, if one has it still."""
        return next((number for number, one in self.socks.items() if one is sock), None)

    def arrive(self, number: int) -> None:
        """What its worker has sent is here."""
        sock = self.socks[number]
        self._came[number] += sock.accepted
        sock.accepted.clear()

    def read(self, number: int, size: int, now: float) -> None:
        """Take so much of it."""
        self.arrive(number)
        data = bytes(self._came[number][:size])
        if not data:
            return
        del self._came[number][:size]
        done = self.core.received(number, data, now)
        require(done.lost is None, f"it does not understand the publisher: {done.lost}")
        said = self.core.lines[number].introduction
        if done.begins:
            self._lead(number, self.core.wants)
        if done.begins and said is not None and (self._origin is None or not self.got):
            self._origin = said.head if self._origin is None or self._last else self._origin
        for message in done.messages:
            wants = *self.core.wants, *self.past
            require(message.topic.startswith(wants), f"{message.topic!r} comes")
            self._note_first(message, wants)
        self.got += done.messages
        self._say()

    def _note_first(self, message: Message, wants: Iterable[bytes]) -> None:
        """What comes by itself says that a subscription is in force, whatever its report says.

        A worker may serve somebody from a little before where the publisher was at his handshake.
        """
        if message.kind == "live" and len(self.core.lines) == 1 and not self.left:
            its = [prefix for prefix in wants if message.topic.startswith(prefix)]
            if len(its) == 1 and message.sequence is not None:
                self._firsts.setdefault(its[0], message.sequence)

    def lose(self, number: int, now: float) -> None:
        """The connection is gone, and what had come so far is somewhere on its way."""
        self.arrive(number)
        self.read(number, self._rng.randint(0, len(self._came[number])), now)
        del self.socks[number], self._came[number]
        self.core.lost(number, now)
        self.lost += 1
        self._say()

    def look(self, now: float) -> list[int]:
        """Do what is due by the clock; returns lines that it gives up."""
        over = [number for number, _error in self.core.silent(now) if number in self.socks]
        self.got += self.core.released(now)
        self._say()
        return over

    def subscribe(self, prefix: bytes) -> None:
        """The program wants something more."""
        self.core.subscribe(prefix)
        for number in self.socks:
            self._lead(number, [prefix])
        self._say()

    def subscribe_away(self, prefix: bytes, head: int) -> None:
        """As `subscribe`, without a connection: what is published from then on is owed.

        Args:
            head: the message that is published next.
        """
        if self.got and prefix not in {*self.core.wants, *self.past, *self.left}:
            self.owed.setdefault(prefix, head)
        self.subscribe(prefix)

    def _lead(self, number: int, prefixes: Iterable[bytes]) -> None:
        line = self.core.lines[number]
        if line.is_up and not line.is_confirming:
            self._led.setdefault(self.socks[number], set()).update(prefixes)

    def subscribe_since(self, prefix: bytes, since: Position) -> None:
        """The program wants something more, with what was published after that."""
        covered = (*self.core.wants, *self.past)
        if prefix not in covered:
            self.past[prefix] = since[1] + 1, covered
            self._behind[prefix] = since[1] + 1
            self.core.subscribe(prefix, since)
            self._say()

    def unsubscribe(self, prefix: bytes) -> None:
        """The program wants this no more; if it ever does again, some of it may come again."""
        self.core.unsubscribe(prefix)
        self.left.add(prefix)
        self.owed.pop(prefix, None)
        self._say()

    def begin(self, prefixes: Iterable[bytes], sequence: int, sock: DyingSocket) -> None:
        """These are subscribed to, at this message; who has got nothing yet is owed nothing.

        Of several connections one begins with them: what another one would bring before is not
        owed, for it might miss some.
        """
        self._anew = max(self._anew, sequence)
        sequence = max(sequence, self._origin or 0, self._since)
        led = {*prefixes} if len(self.core.lines) == 1 else self._led.get(sock, set())
        for prefix in ({*prefixes} & led) - self.left:
            is_one = not self._last and len(self.core.lines) == 1
            if self.got or is_one or self._has_past:
                self.owed.setdefault(prefix, sequence)
            else:
                self.owed[prefix] = max(self.owed.get(prefix, 0), sequence)

    def begin_late(self, said: int, since: int) -> None:
        """What it was to get from one message on, it gets from another one on."""
        self.owed = {prefix: since if at == said else at for prefix, at in self.owed.items()}

    def _say(self) -> None:
        for number, sock in self.socks.items():
            said = self.core.lines[number].data_to_send()
            if said and not sock.broken:
                sock.say(said)

    # What must be.

    @property
    def gaps(self) -> list[Gap]:
        """What it has told of."""
        return [message.gap for message in self.got if message.gap is not None]

    def check(self, feed: Feed, newest: dict[bytes, int]) -> int:
        """Hold all that came against what was published; returns how many were missing.

        Args:
            newest: the last message that was kept of each topic when all had come to rest.
        """
        numbers, told = self._numbers(feed), self._told(len(feed.messages))
        known = {*numbers}
        missing = [one for one in self._all(feed) if one not in known]
        silent = [one for one in missing if not told[one]]
        require(not silent, f"missing, and not told of: {silent[:5]} of {len(missing)}")
        if self.former and self.got:
            reasons = [gap.reason for gap in self.gaps]
            is_told = self.got[0].gap is not None and self.got[0].gap.reason == RESTARTED
            require(is_told, "it was not told that the publisher was started anew")
            require(reasons.count(RESTARTED) == 1, "it was told of one restart twice")
        elif not self.former:
            self._require_count(missing)
        self._require_order(numbers, told)
        for topic, last in newest.items() if self._last else ():
            is_had = any(topic.startswith(p) and last < at for p, at in self._behind.items())
            if topic.startswith((*self.owed,)) and not is_had:
                require(last in known or told[last], f"{topic!r} stands still before {last}")
        return len(missing)

    def restart(self, feed: Feed, now: float) -> int:
        """This run of the publisher has ended; of the next one it is owed all if it has got some.

        Returns:
            How many messages of this one it did not get: it is to be told that there is another.
        """
        self.look(now)
        numbers = self._numbers(feed)
        self._require_order(numbers, self._told(len(feed.messages)))
        count = sum(one not in {*numbers} for one in self._all(feed))
        self.former, self.got = self.got, []
        self.owed = dict.fromkeys(self.core.wants, 0) if self.former else {}
        self._has_past = bool(self.former)
        self._since = self._anew = 0
        self._origin = None
        for former in (self._behind, self._led, self._firsts):
            former.clear()
        return count

    def _numbers(self, feed: Feed) -> list[int]:
        """Of what came: each once, and as it was published."""
        came = [message.sequence for message in self.got]
        require(None not in came, "a message without a number")
        numbers = [one for one in came if one is not None]
        require(len({message.epoch for message in self.got}) <= 1, "two runs are one to it")
        often = Counter(one for one in numbers if self._is_constant(feed.messages[one].topic))
        twice = sorted(one for one, count in often.items() if count > 1)
        require(not twice, f"came twice: {twice[:5]}")
        for one, message in zip(numbers, self.got, strict=True):
            require(message.topic == feed.messages[one].topic, f"{one} is {message.topic!r}")
        return numbers

    def _is_constant(self, topic: bytes) -> bool:
        """Whether it never wanted less of it: what it wants anew comes as of then."""
        return not (self.left and topic.startswith((*self.left,)))

    def _all(self, feed: Feed) -> list[int]:
        """The numbers of what it had to get."""
        owed = {p: min(at, self._firsts.get(p, at)) for p, at in self.owed.items()}
        return [
            number
            for number, message in enumerate(feed.messages)
            if any(message.topic.startswith(p) and number >= at for p, at in owed.items())
            or self._is_past(message.topic, number)
        ]

    def _is_past(self, topic: bytes, number: int) -> bool:
        """Whether a later subscription is owed it, and nothing covers it."""
        return any(
            topic.startswith(prefix) and number >= at and not topic.startswith(covered)
            for prefix, (at, covered) in self.past.items()
        )

    def _told(self, head: int) -> list[bool]:
        told = [False] * head
        for message in self.got:
            gap = message.gap
            if gap is None:
                continue
            first, last = gap.first or 0, gap.last
            if gap.first is None or last is None:
                require(self._is_unplaced(gap), f"nobody knows what is missing: {gap}")
                last = max(self._anew, message.sequence or 0) - 1
            told[first : last + 1] = [True] * (last + 1 - first)
        return told[:head]

    def _is_unplaced(self, gap: Gap) -> bool:
        """Whether it is right that nobody knows which messages are missing."""
        return gap.count is None

    def _require_count(self, missing: list[int]) -> None:
        """What is counted for certain is missing, and nothing else is if all is counted."""
        counts = [gap.count for gap in self.gaps]
        known = sum(count or 0 for count in counts)
        is_known = None not in counts
        if is_known and b"" in self.owed and len(self.owed) == 1 and len(self.core.lines) == 1:
            # Of last values, and before all, more may be told than had to come.
            is_more = self._last or self._has_past or (self.got and self.got[0].gap is not None)
            is_right = known >= len(missing) if is_more else known == len(missing)
            require(is_right, f"{known} are told to be missing, {len(missing)} are")

    def _require_order(self, numbers: list[int], told: list[bool]) -> None:
        of: dict[bytes, list[int]] = {}
        for number, message in zip(numbers, self.got, strict=True):
            of.setdefault(message.topic, []).append(number)
        for topic, its in of.items():
            if not self._is_constant(topic):
                continue
            for before, after in pairwise(its):
                require(before < after or told[after], f"{topic!r}: {after} after {before}")
