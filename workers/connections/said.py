"""What a peer has said at once, all in all. Pure."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

from fanout.reasons import Reason
from fanout.workers.stream.effects import broken
from fanout.zmtp import (
    Cancelled,
    PingReceived,
    PongReceived,
    Ready,
    ReservedSubscription,
    Subscribed,
    SubscribedAll,
    VerdictWanted,
    Violation,
)
from fanout.zmtp.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.zmtp import Session, SessionEvent
    from fanout.zmtp.errors import RemoteProtocolError


class Said(NamedTuple):
    """What its events come to: of each prefix, what was said last."""

    added: list[bytes]
    cancelled: list[bytes]
    reserved: list[ReservedSubscription]
    ready: Ready | None
    ping: PingReceived | None  # the last one
    ponged: bool
    violation: Violation | None
    wanted: VerdictWanted | None


class Reported(NamedTuple):
    """What somebody has said is reported, or is about to be."""

    answers: bytes  # that are due when that is out
    number: int  # of its last message, among those of the channel


def summary(events: Iterable[SessionEvent]) -> Said:
    """Put together what was said."""
    added: dict[bytes, None] = {}
    cancelled: dict[bytes, None] = {}
    reserved: list[ReservedSubscription] = []
    ready: Ready | None = None
    ping: PingReceived | None = None
    ponged = False
    violation: Violation | None = None
    wanted: VerdictWanted | None = None
    for event in events:
        if isinstance(event, Subscribed):
            added[event.prefix] = None
            cancelled.pop(event.prefix, None)
        elif isinstance(event, SubscribedAll):
            if len(added) < len(event.prefixes):  # mostly: all of a list at once
                added = dict.fromkeys((*added, *event.prefixes))
            else:
                added.update(dict.fromkeys(event.prefixes))
            if cancelled:
                for prefix in event.prefixes:
                    cancelled.pop(prefix, None)
        elif isinstance(event, Cancelled):
            cancelled[event.prefix] = None
            added.pop(event.prefix, None)
        elif isinstance(event, ReservedSubscription):
            reserved.append(event)
        elif isinstance(event, PingReceived):
            ping = event
        elif isinstance(event, PongReceived):
            ponged = True
        elif isinstance(event, Ready):
            ready = event
        elif isinstance(event, Violation):
            violation = event
        elif isinstance(event, VerdictWanted):
            wanted = event
    return Said(list(added), list(cancelled), reserved, ready, ping, ponged, violation, wanted)


def fault_of(violation: Violation) -> tuple[Reason, str]:
    """Why a connection ends whose peer has said what it may not."""
    if violation.refusal in (Refusal.MECHANISM, Refusal.TLS):
        return Reason.MECHANISM, violation.reason  # it says who has which
    if violation.refusal is Refusal.HTTP:
        return Reason.VIOLATION, violation.reason
    if violation.over_limit:
        cause = Reason.LIMIT
    else:
        cause = Reason.KEY if violation.refusal is Refusal.KEY else Reason.VIOLATION
    return cause, f"{cause.text}: {violation.reason}"


def cause_of(error: OSError | RemoteProtocolError, session: Session) -> tuple[Reason, str]:
    """Why a connection ends that could not be read from, or was broken below its session."""
    if not isinstance(error, OSError):
        is_other = error.refusal is Refusal.MECHANISM
        return Reason.MECHANISM if is_other else Reason.VIOLATION, str(error)
    if error.errno == errno.ECONNRESET and session.knows_our_mechanism_only:
        return Reason.MECHANISM, ""  # it has not read all that we said
    return broken(error, "reading failed")
