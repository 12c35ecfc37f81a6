"""Whether what a subscriber heard and what was counted is what its policy says. Pure."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from soaking.slow.limits import breaches, parted
from soaking.slow.looks import contradictions
from soaking.slow.people import MESSAGE_BYTES, STEADY
from soaking.slow.runs import Runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from soaking.slow.looks import Look
    from soaking.slow.people import Person

BURST_S = 0.5  # what may be sent at once to one that is paced, as time: more than it is
COUNTERS = ("matched", "sent", "dropped", "conflated", "discarded")


class Account(Protocol):
    """The counters of a subscriber, or of a publisher; those in bytes are called `..._bytes`."""

    matched: int
    sent: int
    dropped: int
    conflated: int
    discarded: int


class Feed(NamedTuple):
    """What was published, for all who subscribe.

    Attributes:
        published: messages in all.
        seconds: since everybody came, or more.
        epoch: of the publisher.
        times: before each message was published, monotonic.
    """

    published: int
    seconds: float
    epoch: int
    times: Sequence[float]


def law(account: Any, queued: int, queued_bytes: int) -> Iterator[str]:
    """Where what matched is not what has become of it."""
    for suffix, waiting in (("", queued), ("_bytes", queued_bytes)):
        values = {name: getattr(account, name + suffix) for name in COUNTERS}
        if values["matched"] != sum(values.values()) - values["matched"] + waiting:
            yield f"{values}{suffix} and {waiting} queued do not add up"


def complaints(
    person: Person,
    heard: Mapping[str, Any],
    account: Any,
    feed: Feed,
    looks: Sequence[Look],
    *,
    ended: bool,
) -> Iterator[str]:
    """What is not as it must be, once all that was queued is read.

    Args:
        account: its counters, live or final.
        looks: at its counters; the last one when all but the last lap was published, and nobody
            had begun to read what was left.
        ended: whether it was closed before the end.
    """
    missing = sum(count for _, _, count in heard["holes"])
    published = feed.published
    yield from law(account, 0, 0)
    if heard["disorder"]:
        yield f"{heard['disorder']} messages came twice, in disorder, or were not wanted"
    if account.sent != heard["received"]:
        yield f"{account.sent} counted as sent, {heard['received']} received"
    if account.sent_bytes - account.sent * MESSAGE_BYTES not in range(MESSAGE_BYTES):
        yield f"{account.sent_bytes} bytes sent in {account.sent} messages"
    if person.gaps:
        yield from _told(person, heard, feed.epoch)
    if ended:
        yield from _ended(person, heard, account, missing)
        if person.kind:
            yield from parted(person, account, feed.times)
        return
    wanted = person.wanted_between(0, published)
    if account.matched != wanted or account.matched_bytes != wanted * MESSAGE_BYTES:
        yield f"{account.matched} matched ({account.matched_bytes} bytes), not {wanted}"
    for name in ("dropped", "conflated"):  # each loses in one way only
        lost, size = getattr(account, name), getattr(account, f"{name}_bytes")
        expected = missing if (name == "conflated") == (person.policy == "conflate") else 0
        if lost != expected or size != expected * MESSAGE_BYTES:
            yield f"{lost} {name} ({size} bytes), {expected} are missing by that"
    if heard["last"] != person.wanted_before(published, 1):
        yield f"the last one is {heard['last']} of {published}"
    if missing and not person.may_lack:
        yield f"{missing} are missing, and it may lose none"
    runs = Runs(person, heard)
    yield from contradictions(person, looks, runs)
    yield from breaches(person, looks[-1], looks[:-1], runs, feed.times)
    if person.max_rate and account.sent_bytes > person.max_rate * (feed.seconds + BURST_S):
        yield f"{account.sent_bytes} bytes in {feed.seconds:.1f} s, and it wants {person.max_rate}"


def _told(person: Person, heard: Mapping[str, Any], epoch: int) -> Iterator[str]:
    """The markers are the gaps, each in its place; and what they say of why is so."""
    if heard["untold"]:
        yield heard["untold"]
    if set(heard["reasons"]) - {person.loses_by}:
        yield f"it was told of {heard['reasons']}, and loses by {person.loses_by}"
    if set(heard["epochs"]) - {epoch}:
        yield f"it was told of the epochs {heard['epochs']}, and there is {epoch}"
    holes = [tuple(hole) for hole in heard["holes"]]
    markers = [tuple(marker) for marker in heard["markers"]]
    if person.policy != "conflate":
        if markers != holes:
            yield f"it was told of {markers[:3]}..., and {holes[:3]}... are missing"
        return
    told, missing = (sum(count for _, _, count in some) for some in (markers, holes))
    if told != missing:
        yield f"it was told of {told} messages, and {missing} are missing"
    starts = [first for first, _, _ in holes]
    for edge in [edge for first, last, _ in markers for edge in (first, last)]:
        place = bisect_right(starts, edge) - 1
        if place < 0 or edge > holes[place][1]:
            yield f"it was told that {edge} is missing, and it has come"
            return


def _ended(person: Person, heard: Mapping[str, Any], account: Any, missing: int) -> Iterator[str]:
    if person.policy != "disconnect" or person.pace == STEADY:
        yield f"it was closed ({account.reason.label}): {account.text}"
    if missing or account.dropped:
        yield f"{missing} are missing, {account.dropped} dropped: it may only lose the end"
    if not heard["closed"]:
        yield "it was closed, and has not seen its end"


def sums(total: Any, accounts: Sequence[Any]) -> Iterator[str]:
    """Where a total of the publisher is not the sum over its subscribers."""
    for name in (*COUNTERS, *(f"{one}_bytes" for one in COUNTERS)):
        summed = sum(getattr(account, name) for account in accounts)
        if getattr(total, name) != summed:
            yield f"the total of {name} is {getattr(total, name)}, the sum {summed}"
