"""How the connection of a subscriber may end: with which reason, and what must be counted then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.reasons import Reason
from tests.simulation.takeovers.half_closed import may_have_left
from tests.simulation.takeovers.sealed import SealedSubscriber
from tests.simulation.unix_kernel import UnixConnection
from tests.simulation.violated import require

if TYPE_CHECKING:
    from fanout.control.messages import Closed
    from tests.simulation.takeovers.excuses import Excuses
    from tests.simulation.takeovers.subscriber import Subscriber


# What the coordinator promises, written down once more.
HANDSHAKE_PATIENCE = 30.0  # seconds for who is in its handshake with a worker that is retired
MAY_HAVE_SENT = "how much it was sent over ipc is not known"


def require_final(one: Subscriber, closed: Closed) -> None:
    """Something has become of all that matched; of a lost worker nobody knows what."""
    who, gone = one.number, closed.dropped + closed.conflated
    parts = closed.sent + gone + closed.discarded
    require(closed.matched == parts, f"{who}: {closed.matched} matched, {parts} are told")
    if Reason.of(closed.cause) is Reason.WORKER_LOST:
        # Who breaks it off throws away what its host had not taken, and nobody can count that.
        may_lack = one.is_leaving and not closed.exact
        is_right = closed.sent <= one.got or may_lack
        require(is_right, f"{who}: {closed.sent} sent, and it got {one.got}")
    else:
        require(closed.sent == one.got, f"{who}: {closed.sent} sent, it got {one.got}")
        missed = len(one.wanted_between(0, one.place)) + one.from_snapshot - one.got
        require(
            gone + one.missing.less >= missed,
            f"{who}: {gone} are gone, and it misses {missed}",
        )


def may_end(
    subscriber: Subscriber,
    closed: Closed,
    *,
    age: float,
    excuses: Excuses,
) -> bool:
    """Whether what was told is a reason for which this one may be closed.

    Args:
        age: seconds since it came.
        excuses: what has happened to it.
    """
    number = subscriber.number
    if Reason.of(closed.cause) is Reason.LEFT:
        return may_have_left(subscriber)
    if Reason.of(closed.cause) is Reason.TOO_SLOW:
        return subscriber.missing.may_part(subscriber.place)
    if Reason.of(closed.cause) is Reason.WORKER_RETIRED:  # it could not be moved for long
        if "in its handshake" in closed.reason:
            return not subscriber.is_welcome and age >= HANDSHAKE_PATIENCE
        return subscriber.missing.holding.is_held and "is being reported" in closed.reason
    if Reason.of(closed.cause) is not Reason.WORKER_LOST:
        return False
    if not subscriber.is_welcome:
        return True
    text = closed.reason
    if "its worker had the key" in text:
        return isinstance(subscriber, SealedSubscriber) and number in excuses.keyless
    is_unix = isinstance(subscriber.connection, UnixConnection)
    if MAY_HAVE_SENT in text:
        return is_unix and number in excuses.unsure
    if "it was about to get what it missed" in text:
        return number in excuses.going_back
    if is_unix and "are not counted" in text and number in excuses.untold:
        return True
    if "had written no record" in text:  # it came together with the end of its handshake
        return number in excuses.unheard
    if "no memory" in text or "begun for it is gone" in text:
        return number in excuses.short
    # Who is closed has thrown away what it has said, and is ended then.
    is_ended = "it was ending" in text or "was not acted upon" in text
    if is_ended and subscriber.missing.may_part(subscriber.place):
        return True
    if "workers in a row" in text:
        return excuses.may_end_workers(number)
    return "was not acted upon" in text and number in excuses.unheard
