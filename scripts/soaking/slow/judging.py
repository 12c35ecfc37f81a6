"""Whether what a subscriber heard and what was counted is what its policy says. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from soaking.slow.people import MESSAGE_BYTES, STEADY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from soaking.slow.people import Person

COUNTERS = ("matched", "sent", "dropped", "conflated", "discarded")


class Account(Protocol):
    """The counters of a subscriber, or of a publisher; those in bytes are called `..._bytes`."""

    matched: int
    sent: int
    dropped: int
    conflated: int
    discarded: int


def law(account: Any, queued: int, queued_bytes: int) -> Iterator[str]:
    """Where what matched is not what has become of it."""
    for suffix, waiting in (("", queued), ("_bytes", queued_bytes)):
        values = {name: getattr(account, name + suffix) for name in COUNTERS}
        if values["matched"] != sum(values.values()) - values["matched"] + waiting:
            yield f"{values}{suffix} and {waiting} queued do not add up"


def complaints(
    person: Person, heard: Mapping[str, Any], account: Any, published: int, *, ended: bool
) -> Iterator[str]:
    """What is not as it must be, once all that was queued is read.

    Args:
        account: its counters, live or final.
        ended: whether it was closed before the end.
    """
    holes = [tuple(hole) for hole in heard["holes"]]
    missing = sum(count for _, _, count in holes)
    yield from law(account, 0, 0)
    if heard["disorder"]:
        yield f"{heard['disorder']} messages came twice, in disorder, or were not wanted"
    if account.sent != heard["received"]:
        yield f"{account.sent} counted as sent, {heard['received']} received"
    if account.sent_bytes - account.sent * MESSAGE_BYTES not in range(MESSAGE_BYTES):
        yield f"{account.sent_bytes} bytes sent in {account.sent} messages"
    if ended:
        yield from _ended(person, heard, account, missing)
        return
    wanted = person.wanted_between(0, published)
    if account.matched != wanted or account.matched_bytes != wanted * MESSAGE_BYTES:
        yield f"{account.matched} matched ({account.matched_bytes} bytes), not {wanted}"
    if account.dropped != missing or account.dropped_bytes != missing * MESSAGE_BYTES:
        yield f"{account.dropped} dropped ({account.dropped_bytes} bytes), {missing} are missing"
    if heard["last"] != _last_wanted(person, published):
        yield f"the last one is {heard['last']} of {published}"
    if missing and (person.pace == STEADY or person.policy in ("block", "disconnect")):
        yield f"{missing} are missing, and it may lose none"
    if person.gaps and [tuple(one) for one in heard["markers"]] != holes:
        yield f"it was told of {heard['markers'][:3]}..., and {holes[:3]}... are missing"


def _ended(person: Person, heard: Mapping[str, Any], account: Any, missing: int) -> Iterator[str]:
    if person.policy != "disconnect" or person.pace == STEADY:
        yield f"it was closed ({account.reason.label}): {account.text}"
    if missing or account.dropped:
        yield f"{missing} are missing, {account.dropped} dropped: it may only lose the end"
    if not heard["closed"]:
        yield "it was closed, and has not seen its end"


def _last_wanted(person: Person, published: int) -> int:
    last = published - 1
    while not person.wants(last):
        last -= 1
    return last


def sums(total: Any, accounts: Sequence[Any]) -> Iterator[str]:
    """Where a total of the publisher is not the sum over its subscribers."""
    for name in (*COUNTERS, *(f"{one}_bytes" for one in COUNTERS)):
        summed = sum(getattr(account, name) for account in accounts)
        if getattr(total, name) != summed:
            yield f"the total of {name} is {getattr(total, name)}, the sum {summed}"
