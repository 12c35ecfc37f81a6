"""What a peer has said at once, all in all. Pure."""

from __future__ import annotations

import errno
from math import inf
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
    from collections.abc import Iterable, Mapping, Sequence

    from fanout.zmtp import Session, SessionEvent
    from fanout.zmtp.errors import RemoteProtocolError


class Said(NamedTuple):
    """What its events come to: of each prefix, what was said last.

    What was subscribed to and is cancelled again at once was never wanted: it is in none of these.

    Args:
        kept: of what is added, what was wanted all the time: by something that was cancelled behind
            that.
    """

    added: list[bytes]
    cancelled: list[bytes]
    reserved: list[ReservedSubscription]
    ready: Ready | None
    ping: PingReceived | None  # the last one
    ponged: bool
    violation: Violation | None
    wanted: VerdictWanted | None
    kept: Sequence[bytes]


class Reported(NamedTuple):
    """What somebody has said is reported, or is about to be."""

    answers: bytes  # that are due when that is out
    number: int  # of its last message, among those of the channel


def summary(events: Iterable[SessionEvent]) -> Said:
    """Put together what was said."""
    added: dict[bytes, int] = {}  # and when that was said: at which event
    cancelled: dict[bytes, None] = {}
    over: dict[bytes, int] = {}  # the same of those that were there before
    reserved: list[ReservedSubscription] = []
    ready: Ready | None = None
    ping: PingReceived | None = None
    ponged = False
    violation: Violation | None = None
    wanted: VerdictWanted | None = None
    for at, event in enumerate(events):
        if isinstance(event, Subscribed):
            added[event.prefix] = at
            cancelled.pop(event.prefix, None)
        elif isinstance(event, SubscribedAll):
            new = dict.fromkeys(event.prefixes, at)
            added = {**added, **new} if added else new  # mostly: all of a list at once
            if cancelled:
                for prefix in event.prefixes:
                    cancelled.pop(prefix, None)
        elif isinstance(event, Cancelled):
            if added.pop(event.prefix, None) is None:
                over.setdefault(event.prefix, at)
            if event.prefix in over:
                cancelled[event.prefix] = None
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
    which = list(added), list(cancelled), reserved, ready, ping, ponged, violation, wanted
    return Said(*which, _kept(added, over) if added and over else ())


def _kept(added: Mapping[bytes, int], over: Mapping[bytes, int]) -> list[bytes]:
    """What belongs to something that was added, and to something that was cancelled after that.

    Args:
        added, over: when that was said of each.
    """
    if min(added.values()) > max(over.values()):  # mostly: first less, then more
        return []
    kept: list[bytes] = []
    above: list[tuple[bytes, float, int]] = []  # each begins with those before it
    for prefix in sorted(added.keys() | over.keys()):
        while above and not prefix.startswith(above[-1][0]):
            above.pop()
        _, first, last = above[-1] if above else (b"", inf, -1)
        begin, end = added.get(prefix, inf), over.get(prefix, -1)
        if begin < last or first < end:
            kept.append(prefix)
        above.append((prefix, min(first, begin), max(last, end)))
    return kept


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
