"""Subscribers: what they say, and what each of them must get, to the byte.

Nothing of this looks into the system. Who wants what from which message on is what the system has
said itself before it acted, in its reports; that these come to what the subscriber has said is
looked at in the end.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from tests.simulation.catching_up import MARK_HEAD
from tests.simulation.peers import command
from tests.simulation.takeovers.finishing import Finishing
from tests.simulation.takeovers.frames import COMMAND, frame_at
from tests.simulation.takeovers.missing import Missing
from tests.simulation.takeovers.published import NUMBER_BYTES
from tests.simulation.takeovers.speaking import GREETING_BYTES, Speaking
from tests.simulation.takeovers.timed import Timed
from tests.simulation.telling import MARKER_HEAD
from tests.simulation.violated import Violated, require

if TYPE_CHECKING:
    from collections.abc import Collection
    from random import Random

    from tests.simulation.catching_up import CatchingUp
    from tests.simulation.kernel import Connection
    from tests.simulation.takeovers.missing import House

_LEGACY_GREETING_BYTES = 10
EVERYTHING = 1 << 30


class Subscriber(Speaking):
    """The far end of a connection, and its checker.

    Args:
        house: what is the same for all.
        came_at: seconds of the coordinator.
        chatty: how often it says something of itself, of all that it says.
        catching_up: what it has missed, if it asks for that; then it subscribes once.

    Attributes:
        is_stalled: whether it does not read.
        hurries: whether all ends, and no interval counts any more.
        got: messages that it has got whole.
        read_bytes: all that it has read.
    """

    def __init__(
        self,
        number: int,
        connection: Connection,
        house: House,
        rng: Random,
        came_at: float,
        *,
        legacy: bool,
        chatty: float,
        catching_up: CatchingUp | None = None,
    ) -> None:
        super().__init__(
            connection, house, rng, legacy=legacy, chatty=chatty, catching_up=catching_up
        )
        self.number = number
        self.came_at = came_at
        self._timed = Timed(connection, house.now, lambda: house.publisher.head)
        finishing = Finishing(self._timed, house.publisher)
        self.missing = Missing(house, self.chosen, self.wanted_between, finishing, catching_up)
        self.is_stalled = False
        self.hurries = False
        self.from_snapshot = 0  # of what it has got, last values
        self.goes_back = catching_up is not None  # it is sent what was published before
        self.got = self.read_bytes = self._end = 0
        self._messages = house.publisher.messages
        self._since = [0]  # from which message on it wants what
        self._wanted: list[frozenset[bytes]] = [frozenset()]
        self._matched: list[int] = []  # the messages that it wants, of those
        self._looked = 0  # before this one
        self._last = -1  # message that has come
        self._next = 0  # nothing before this message is to come any more
        self._times: dict[bytes, tuple[int, int]] = {}  # when a topic came last, and the message
        self._stream = bytearray()
        self._begin()

    # What the system says of it.

    def reported(self, since: int, added: Collection[bytes], cancelled: Collection[bytes]) -> None:
        """From this message on it wants something else."""
        require(since >= self._since[-1], f"changed from {since} on, after {self._since[-1]}")
        if self.catching_up is not None and added:
            since = self.catching_up.begin(since)
        self.cut(since)
        self._since.append(since)
        self._wanted.append(self._wanted[-1].difference(cancelled).union(added))

    @property
    def reported_wants(self) -> frozenset[bytes]:
        """What it wants, as the system has said last."""
        return self._wanted[-1]

    def cut(self, head: int) -> None:
        """What it wants from this message on is another thing now, or these are other messages."""
        self.missing.holding.cut(head)
        self._find_anew(head)

    def _find_anew(self, head: int) -> None:
        """What it wants from this message on is to be found anew."""
        del self._matched[bisect_left(self._matched, head) :]
        self._looked = min(self._looked, head)

    # What it gets.

    def read(self, most: int) -> int:
        """It reads up to so many bytes, which must be what comes next; returns how many."""
        data = self.connection.read(most)
        self.read_bytes += len(data)
        self._stream += data
        while self._take_item():
            pass
        return len(data)

    def lacks(self, head: int) -> str:
        """What it must still get, of what was published before `head`; empty = nothing."""
        if self._stream:
            return f"the rest of {bytes(self._stream[:40])!r}"
        if self.pings:
            return f"the answers to {list(self.pings)}"
        if self._wanted[-1] != self.wants:
            return f"{self.wants}: as the system has it, it wants {self._wanted[-1]}"
        if self.catching_up is not None and self.catching_up.is_told != self.catching_up.has_ended:
            return "that it has got what it had missed"
        return self.lacks_of_log(head)

    def lacks_of_log(self, head: int) -> str:
        """Which message it must still get, of those before `head`; empty = none."""
        if self._stream:
            return f"the rest of {bytes(self._stream[:40])!r}"
        number = self._next_wanted(head)
        return f"message {number}" if self.is_exact and number < head else ""

    @property
    def stream_bytes(self) -> int:
        """What it was sent, in the bytes that are counted."""
        return self.read_bytes

    @property
    def is_exact(self) -> bool:
        """Whether nothing is lost for it from where it stands on."""
        catching_up = self.catching_up
        has_come = catching_up is None or self._next >= catching_up.until
        return self.chosen.is_exact and has_come

    def wanted_between(self, first: int, stop: int) -> list[int]:
        """Which messages it wants, from one up to, not including, another."""
        messages, matched = self._messages, self._matched
        stop = min(stop, len(messages))
        while self._looked < stop:
            at = bisect_right(self._since, self._looked)
            until = min(self._since[at], stop) if at < len(self._since) else stop
            begins = (*self._wanted[at - 1],)
            numbers = range(self._looked, until)
            matched += [one for one in numbers if messages[one].topic.startswith(begins)]
            self._looked = until
        return matched[bisect_left(matched, first) : bisect_left(matched, stop)]

    def take_the_rest(self) -> None:
        """All that was handed to the kernel comes, whatever has become of the connection."""
        connection = self.connection
        connection.peer_buffer = EVERYTHING
        while connection.acknowledge() or self.read(EVERYTHING):
            pass

    @property
    def place(self) -> int:
        """Where it stands: no message before this one comes any more."""
        return self._next

    def end(self, head: int) -> None:
        """It has all that was published before `head`: what it has not got, it misses."""
        missed = self.wanted_between(self._next, head)
        self.missing.skip(missed, self._last, plain=not self.legacy)
        self._next = head
        self.missing.require_told(head)

    def wants_now(self, topic: bytes) -> bool:
        """Whether it wants what comes on this topic."""
        return topic.startswith(tuple(self.wants))

    def _take_item(self) -> bool:
        """Take the next message, command or part of the greeting, if it has come whole."""
        stream = self._stream
        if not self._greeted:
            return self._take_greeting()
        at = 0
        while True:
            found = frame_at(stream, at, legacy=self.legacy)
            if found is None or found.end > len(stream):
                return False
            at = found.end
            if not found.more:
                break
        item = bytes(stream[:at])
        del stream[:at]
        self._end = self.read_bytes - len(stream)
        if self.legacy or not item[0] & COMMAND:
            self._take_message(item, found.body)
        elif self._greeted < 2:
            require(b"READY" in item[:9], f"no READY: {item!r}")
            self._greeted = 2
        else:
            self._take_command(item)
        return True

    def _note_let_go(self) -> None:
        """It gets less of what it has missed than it was promised."""
        catching_up = self.catching_up
        if catching_up is not None and len(self._since) > 1:
            self._since[1] = max(self._since[1], catching_up.first)
            self._find_anew(0)

    def _stand_at(self, place: int) -> None:
        """Nothing from before this message comes any more."""
        missed = self.wanted_between(self._next, place)
        self.missing.skip(missed, self._last, plain=True, end=self._end)
        self._next = place

    def _take_greeting(self) -> bool:
        stream = self._stream
        size = _LEGACY_GREETING_BYTES if self.legacy else GREETING_BYTES
        if len(stream) < size:
            return False
        require(stream[0] == 0xFF, f"no greeting: {bytes(stream[:size])!r}")
        del stream[:size]
        self._greeted = 1
        return True

    def _take_command(self, data: bytes) -> None:
        body = data[2:]
        if body.startswith(b"\x04PING"):
            self.unsaid += command(b"\x04PONG" + body[7:])
            return
        require(bool(self.pings), f"a command that nobody has asked for: {data!r}")
        want = command(b"\x04PONG" + self.pings.popleft())
        require(data == want, f"a command {data!r}, not {want!r}")

    def _take_message(self, data: bytes, body: int) -> None:
        messages = self._messages
        if not self.legacy and data.startswith(MARKER_HEAD):
            place = self.missing.take_marker(data, self._next, self.got)
            self._note_let_go()
            self._stand_at(place)
            return
        if self.catching_up is not None and data.startswith(MARK_HEAD):
            self._stand_at(max(self._next, self.catching_up.take_mark(data)))
            self.missing.require_told(self._next)
            return
        number = self._next_wanted(len(messages))
        if not self.is_exact or number == len(messages):
            number = int.from_bytes(data[body : body + NUMBER_BYTES], "big")
        require(number < len(messages), f"{data[:60]!r} was never published")
        wire = messages[number].legacy_wire if self.legacy else messages[number].wire
        require(data == wire, f"{data[:60]!r}... is not message {number}: {wire[:60]!r}...")
        require(number >= self._next, f"message {number} after {self._next - 1}")
        wanted = self.wanted_between(self._next, number + 1)
        is_wanted = wanted[-1:] == [number]
        is_excused = self.missing.holding.has_wanted(number)
        require(is_wanted or is_excused, f"message {number}, which it does not want")
        skipped = wanted[:-1] if is_wanted else wanted
        plain = not self.legacy
        self.missing.skip(skipped, self._last, plain=plain, end=self._end, gets=number)
        self.missing.require_told(number)
        self.missing.got(number, self._end)
        self._note_topic(number)
        self._next, self._last = number + 1, number
        self.got += 1

    def _note_topic(self, number: int) -> None:
        """It gets a topic no more often than it is to."""
        interval = self.chosen.interval
        catching_up = self.catching_up
        if not interval or self.hurries or (catching_up is not None and number < catching_up.until):
            return
        topic, now = self._messages[number].topic, self._timed.time_of(self._end)
        then, before = self._times.get(topic, (-interval, 0))
        self._times[topic] = now, number
        if now - then < interval and not self.missing.may_come_again(before):
            text = f"{topic!r} ({number}) comes {now - then} ns after {before}"
            raise Violated(text)

    def _next_wanted(self, head: int) -> int:
        found = self.wanted_between(self._next, head)
        return found[0] if found else head
