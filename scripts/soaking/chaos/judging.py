"""Whether what subscribers heard is what was counted, and what is wrong altogether. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from soaking.figures import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from soaking.chaos.people import Person

# What is known not to go on, in the words of the events: docs/design/takeover.md.
UNKNOWN = "how much it was sent over ipc"  # of one at most for each worker that is lost
DOCUMENTED = (
    UNKNOWN,
    "what it wanted when",
    "workers in a row ended",
)
NUMBERS = re.compile(r"\d[\d,.]*")


@dataclass
class Found:
    """What a run has shown.

    Attributes:
        published: messages.
        hits: signals and calls, by kind.
        takeovers, resumed: as the publisher has counted.
        pauses: histograms of ns, by what had happened.
        disconnects: by the reason that the publisher tells, numbers left out.
        lost: workers, in the same way.
        by_ipc: those of the disconnects that were of Unix sockets.
        half_open: connections that were lost in their handshake, as they may be.
        handshakes: those that the publisher has seen fail.
        wrong: faults in streams, by kind, each with whom and what.
        counters: where the publisher has counted something else than what was received.
        failures: of the calls that were made.
        heard: messages received, by kind of subscriber.
        pings: said and answered.
        changes: of subscriptions.
        most: how long the longest `publish()` took, in seconds.
        waits: how often there was no room in the log for `ROOM_S`, since somebody held it.
    """

    seconds: float = 0.0
    published: int = 0
    published_bytes: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    takeovers: int = 0
    resumed: int = 0
    pauses: dict[str, Histogram] = field(default_factory=dict)
    disconnects: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    by_ipc: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    half_open: int = 0
    handshakes: int = 0
    wrong: list[tuple[str, str]] = field(default_factory=list)
    counters: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    people: Counter[str] = field(default_factory=Counter)
    heard: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    pings: int = 0
    pongs: int = 0
    changes: int = 0
    most: float = 0.0
    waits: int = 0

    @property
    def faults(self) -> int:
        """How much has happened to workers."""
        return sum(self.hits.values())

    def count(self, fault: str) -> int:
        """How many streams are wrong in this way."""
        return sum(kind == fault for kind, _ in self.wrong)

    @property
    def undocumented(self) -> int:
        """Disconnects for which there is no reason that is known."""
        known = sum(n for why, n in self.disconnects.items() if is_documented(why))
        # Whose handshake is done by what it has heard may still be in it for the publisher.
        return max(0, sum(self.ended.values()) - known - self.handshakes)

    @property
    def excused(self) -> int:
        """Disconnects of ipc that may be: one for each worker that was lost; and who comes again
        may lose its worker in its handshake."""
        said = sum(n for why, n in self.disconnects.items() if UNKNOWN in why)
        allowed = min(said, sum(self.lost.values()))
        return min(self.by_ipc, allowed + min(self.handshakes, said))

    @property
    def is_whole(self) -> bool:
        """Whether nothing was wrong with anything that was received, or counted."""
        return not (self.wrong or self.counters or self.failures)

    @property
    def held(self) -> bool:
        """Whether that is so, and nobody has noticed anything who must not."""
        return self.is_whole and sum(self.ended.values()) == self.excused

    def merge_pauses(self, pauses: Mapping[str, list[tuple[int, int]]]) -> None:
        """What one process of subscribers has felt."""
        for what, pairs in pauses.items():
            self.pauses.setdefault(what, Histogram()).merge(
                Histogram.from_pairs([(bucket, count) for bucket, count in pairs])
            )


def is_documented(reason: str) -> bool:
    """Whether it is known that who is closed for this cannot go on."""
    return any(text in reason for text in DOCUMENTED)


def without_numbers(reason: str) -> str:
    """The same for all who are closed for the same."""
    return NUMBERS.sub("N", reason)


def complaints(
    person: Person, heard: Mapping[str, Any], account: Any, published: int
) -> Iterator[str]:
    """What is not counted as it must be, once all that was queued is read.

    Args:
        heard: by one that was never closed.
        account: its counters.
    """
    lost = account.dropped + account.conflated
    if account.matched != account.sent + account.queued + lost + account.discarded:
        yield f"matched {account.matched} is not the sum of what became of it: {account}"
    if account.sent != heard["received"]:
        yield f"{account.sent} counted as sent, {heard['received']} received"
    if lost != heard["missing"]:
        yield f"{lost} counted as lost, {heard['missing']} are missing"
    if not person.changing:
        wanted = person.wants.between(0, published)
        if account.matched != wanted:
            yield f"{account.matched} matched, not {wanted}"


def add_heard(found: Found, person: Person, heard: Mapping[str, Any]) -> None:
    """Count what one subscriber has heard."""
    found.people[person.kind] += 1
    found.heard[person.kind] += heard["received"] + heard["before"]
    found.missing[person.kind] += heard["missing"] if person.may_lose else 0
    found.pings += heard.get("pings", 0)  # on the connection that it had in the end
    found.pongs += heard.get("pongs", 0)
    found.changes += heard.get("changes", 0)
    found.half_open += heard["half_open"]
    if heard["ended"]:
        found.ended[person.kind] += heard["ended"]
        found.by_ipc += heard["ended"] * person.ipc
    if heard["wrong"]:
        fault, text = heard["wrong"]
        found.wrong.append((fault, f"{person.kind} {person.index}: {text}"))
