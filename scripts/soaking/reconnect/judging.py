"""What one subscriber must have got of all that was published. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from soaking.reconnect.people import Person, Record

SHOWN_MAX = 3  # complaints about one subscriber: what follows mostly follows from them


def complaints(
    person: Person, records: Sequence[Record], published: Mapping[int, int], last: int
) -> list[str]:
    """What is not as it must be; empty = each message once, or exactly the gaps it was told.

    Args:
        records: in the order in which it has got them.
        published: how many messages each run has published, by its epoch, in their order.
        last: the epoch of the last run, of which it must have the last message.
    """
    wrong = [f"{person.number}: {text}" for text in _of(person, records, published, last)]
    return wrong[:SHOWN_MAX]


def _of(
    person: Person, records: Sequence[Record], published: Mapping[int, int], last: int
) -> Iterator[str]:
    places = {epoch: place for place, epoch in enumerate(published)}
    before: Record | None = None
    for record in records:
        if record.epoch not in places:
            yield f"{record} is of a run that there was not"
            return
        if not person.has(record.sequence) or record.sequence >= published[record.epoch]:
            yield f"{record} is not wanted, or was never published"
        if before is None or before.epoch != record.epoch:
            yield from _at_a_run(person, before, record, places)
        else:
            yield from _within(person, before, record)
        before = record
    wanted = [number for number in range(published[last]) if person.has(number)]
    if wanted and (before is None or (before.epoch, before.sequence) != (last, wanted[-1])):
        yield f"the last that has come is {before}, not {wanted[-1]} of {last}"


def _at_a_run(
    person: Person, before: Record | None, record: Record, places: Mapping[int, int]
) -> Iterator[str]:
    """The first message of a run: it has all that this has, for its log is long enough."""
    if before is not None:
        if places[record.epoch] < places[before.epoch]:
            yield f"{record} is of an older run than {before}"
        if not record.restarted:
            yield f"{record} does not say that the publisher was started anew"
    if any(person.has(number) for number in range(record.sequence)):
        yield f"{record} is the first of its run, and not the first that was published"


def _within(person: Person, before: Record, record: Record) -> Iterator[str]:
    if record.sequence <= before.sequence:
        yield f"{record} has come before, or after {before}"
        return
    missing = [n for n in range(before.sequence + 1, record.sequence) if person.has(n)]
    if not missing:
        if record.gap and record.count:
            yield f"{record} tells of a gap, and nothing is missing after {before}"
        return
    if not record.gap:
        yield f"{len(missing)} are missing before {record}, and it was not told"
    elif record.first is None or record.last is None:
        yield f"{record} does not say which are missing"
    elif record.first > missing[0] or record.last < missing[-1]:
        yield f"{missing[0]} to {missing[-1]} are missing before {record}: it was told other ones"
    elif record.count is not None and record.count != len(missing):
        yield f"{len(missing)} are missing before {record}: it was told {record.count}"
