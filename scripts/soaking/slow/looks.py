"""What one look at the counters of a subscriber must show, while messages are published. Pure.

`queued` is what matched and was neither sent nor lost, so that these add up proves nothing. What
does: that all that was published counts as matched, that no counter falls, and, once it is known
what has come, that of what was published then there came what was sent or waited, and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from soaking.slow.people import MESSAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from soaking.slow.people import Person
    from soaking.slow.runs import Runs

COUNTERS = ("matched", "sent", "dropped", "conflated")
# A worker that does not answer for so long is shown as it last was: see `Publisher.subscribers()`.
ASKED_S = 1.0


class Look(NamedTuple):
    """Counters at one instant.

    Attributes:
        published: messages, before the look, and after it.
        at: monotonic seconds, after the look.
    """

    published: int
    at: float
    matched: int
    sent: int
    queued: int
    queued_bytes: int
    dropped: int
    conflated: int


def look_at(account: Any, published: int, at: float) -> Look:
    """The figures of a subscriber, as they are remembered."""
    names = Look._fields[2:]
    return Look(published, at, *(getattr(account, name) for name in names))


def falls(person: Person, before: Look | None, now: Look, *, exact: bool) -> Iterator[str]:
    """What is wrong with a look, by itself and beside the one before.

    Args:
        exact: every worker has answered.
    """
    if now.queued < 0 or now.queued_bytes < 0:
        yield f"{now.queued} messages ({now.queued_bytes} bytes) are queued"
    if not 0 <= now.queued_bytes <= now.queued * MESSAGE_BYTES:
        yield f"{now.queued_bytes} bytes are queued in {now.queued} messages"
    wanted = person.wanted_between(0, now.published)
    if now.matched > wanted or (exact and now.matched != wanted):
        yield f"{now.matched} matched of {now.published} published, and it wants {wanted}"
    for name in COUNTERS if before else ():
        was, value = getattr(before, name), getattr(now, name)
        if value < was:
            yield f"{name} was {was}, and is {value}"


def contradictions(person: Person, looks: Sequence[Look], runs: Runs) -> Iterator[str]:
    """Where what has come is not what was sent or waited, when it was looked at.

    What waits for one whose policy is not to lose what waits already comes, whole: with
    `drop_newest` as with `block`. Others may have lost some of it since then.
    """
    for look in looks:
        if look.matched != person.wanted_between(0, look.published):
            continue  # its worker had not answered
        came = runs.below(look.published)
        most = look.sent + look.queued
        least = look.sent if person.loses_what_waits else most
        if not least <= came <= most:
            yield (
                f"of the first {look.published} messages {came} have come; {look.sent} were "
                f"sent and {look.queued} waited when these were published"
            )
            return
