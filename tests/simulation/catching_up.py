"""What one subscriber is sent that was published before it has subscribed, if it asks for that.

It subscribes once, to one prefix, and has said before from where on it has missed something. What
that comes to follows from what was published, from which message on its change was reported, and
from what the log has at any time, as the documentation says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgpack

from tests.simulation.policies import NONE, Behind
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

EPOCH = 1  # of simulated takeovers
OTHER_EPOCH = 7
MARK_HEAD = b"\x01\x0d\x00fanout.since\x00"  # a frame that is not the last, and another one
EXPIRED, OTHER_RUN = "expired", "epoch"
PIECE = 4_096  # messages that are looked through at once for the newest so many
KEPT_PART = 15 / 16
BEHIND_MAX = 5 / 8  # of the log; one that is further behind loses the oldest of it


def is_of(marker: dict[str, Any], due: Sequence[tuple[str, int, int, int]]) -> bool:
    """Whether a marker tells of the one thing that is due."""
    if not due:
        return False
    reason, first, last, count = due[0]
    told = marker["reason"], marker["first"], marker["last"], marker["count"]
    return told == (reason, first, last, count)


class Message(Protocol):
    """One that was published."""

    @property
    def topic(self) -> bytes: ...


class Past(Protocol):
    """What was published, and what of that is not overwritten."""

    @property
    def messages(self) -> Sequence[Message]: ...

    @property
    def floor(self) -> int:
        """The first message of which nothing may be overwritten, as the publisher says."""

    def start_of(self, sequence: int) -> int:
        """Where a message begins in all that was published."""


class Log(NamedTuple):
    """How much of the log there is.

    Attributes:
        bytes, entries: that it has.
        replay_bytes: of these, that one gets who has missed something.
    """

    bytes: int
    entries: int
    replay_bytes: int


class Since(NamedTuple):
    """From where on it has missed something: after a message of some epoch, or so many."""

    epoch: int = 0
    sequence: int = 0
    messages: int = 0

    @property
    def text(self) -> bytes:
        """As it says it."""
        if self.messages:
            return b"since=-%d" % self.messages
        return b"since=%016x:%d" % (self.epoch, self.sequence)


def random_since(rng: Random, head: int, epoch: int = EPOCH) -> Since:
    """What one may say who comes when so many were published by this epoch."""
    kind = rng.random()
    if kind < 0.4:
        return Since(messages=rng.choice((1, 3, 20, 1_000)))
    if kind < 0.5:
        return Since(OTHER_EPOCH, rng.randrange(100))
    return Since(epoch, rng.choice((0, max(head - 30, 0), head, head + 3, rng.randint(0, head))))


class CatchingUp:
    """Of one subscriber.

    Attributes:
        prefix: that it subscribes to.
        since: from where on it has missed that.
        until: the message from which on it wants that by itself; -1 = nobody has said yet.
        first: the first that it is sent; what it has missed before is gone.
        is_told: it has said that it wants to be told when it has got what it has missed.
        has_ended: it was told so.
    """

    def __init__(
        self, publisher: Past, log: Log, since: Since, prefix: bytes, epoch: int = EPOCH
    ) -> None:
        self.since = since
        self._epoch = epoch
        self.prefix = prefix
        self.until = self.first = -1
        self.is_told = since.messages != 1 and since.sequence % 3 != 1  # most of them
        self.has_ended = False
        self.kept = Behind(
            *(NONE, NONE, NONE),
            *(int(int(size * BEHIND_MAX) * KEPT_PART) for size in (log.bytes, log.entries)),
        )
        self._publisher = publisher
        self._log = log
        self._missed = -1  # the first message that it may have missed
        self._kept = -1  # it is promised what is there from this one on
        self._floor = -1  # nothing before this one was there when that was promised
        self._due: list[tuple[str, int, int, int]] = []  # markers that come first

    def promise(self) -> None:
        """Now a worker looks how far back it can be sent what it has missed."""
        self._floor = self._publisher.floor

    def begin(self, until: int) -> int:
        """It is told that it wants this from that message on; returns the first that it gets."""
        require(self.until < 0, "it has subscribed once, and that was reported twice")
        require(self._floor >= 0, "that was reported, and nobody has looked")
        publisher, log, since = self._publisher, self._log, self.since
        self.until = until
        is_other = not since.messages and since.epoch != self._epoch
        missed = 0 if since.messages or is_other else min(since.sequence + 1, until)
        kept = max(missed, until - log.entries // 2)
        kept = min(max(kept, self._floor), until)
        begins = publisher.start_of(until) - log.replay_bytes
        while kept < until and publisher.start_of(kept) < begins:
            kept += 1
        if is_other:
            self._due.append((OTHER_RUN, 0, 0, 0))
        if since.messages:
            missed = kept = self._newest(kept)
        self._missed = missed
        self._keep_from(kept)
        return self.first

    def _newest(self, first: int) -> int:
        """Where the newest so many begin that it wants; or where was looked, if there are fewer."""
        found = [one for one in range(first, self.until) if self.wants(one)]
        if len(found) >= self.since.messages:
            return found[-self.since.messages]
        return max(first, found[0] - found[0] % PIECE) if found else self.until

    def _keep_from(self, kept: int) -> None:
        """It is sent what it wants from this message on, and told of what is gone before."""
        self.first = self._kept = kept
        self._due = [one for one in self._due if one[0] != EXPIRED]
        if self._missed < kept:
            count = 0 if self.prefix else kept - self._missed
            self._due.append((EXPIRED, self._missed, kept - 1, count))

    def is_let_go(self, number: int, head: int) -> bool:
        """Whether it need not get this message, for so many were published since: it is told."""
        publisher, log = self._publisher, self._log
        size = publisher.start_of(head) - publisher.start_of(number)
        return size > log.bytes * BEHIND_MAX or head - number > log.entries * BEHIND_MAX

    def let_go(self, first: int) -> None:
        """It was promised what comes before this message, and that has taken too long."""
        self._keep_from(first)

    @property
    def due(self) -> list[tuple[str, int, int, int]]:
        """Of what it is to be told first: the reason, first and last message, and how many."""
        return self._due

    def wants(self, number: int) -> bool:
        """Whether it wants this message."""
        return self._publisher.messages[number].topic.startswith(self.prefix)

    def take_marker(self, marker: dict[str, Any], got: int) -> None:
        """It is told of what is gone, before it gets anything."""
        require(got == 0, f"{marker} comes after {got} messages")
        is_less = marker["reason"] == EXPIRED and marker["last"] >= self._kept
        if is_less and self.is_let_go(marker["last"], len(self._publisher.messages)):
            self.let_go(marker["last"] + 1)
        right = is_of(marker, self._due[:1])
        require(right, f"{marker}, and it is to be told of {self._due}")
        del self._due[0]

    def take_mark(self, wire: bytes) -> int:
        """It is told that it has got what it has missed; the message from which on it stands."""
        require(self.is_told and not self.has_ended, f"nobody wants to know: {wire!r}")
        mark = msgpack.unpackb(wire[len(MARK_HEAD) + 1 :])
        at: int = mark["at"]
        require(mark == {"epoch": EPOCH, "at": at}, f"a mark with the fields {mark}")
        require(self.until >= 0, "it is told so before it has missed anything")
        missed = self.first < self.until
        require(at >= self.until or not missed, f"at {at}, and it has missed up to {self.until}")
        self.has_ended = True
        return at

    @property
    def untold(self) -> str:
        """What it is still to be told of, if it wants to; empty = nothing."""
        return f"{self._due}" if self._due else ""
