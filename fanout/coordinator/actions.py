"""Actions: what the coordinator's loop is to do, as pure code has decided. Pure data.

They are carried out in the order in which they stand, before anything else is decided.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from fanout.basics.records import record
from fanout.events import Event, EventKind
from fanout.shm.census import NOTHING

if TYPE_CHECKING:
    from fanout.control.messages import Closed, Message
    from fanout.coordinator.answers import Flag
    from fanout.coordinator.lives import Life
    from fanout.coordinator.roster import Accepted
    from fanout.reasons import Reason
    from fanout.security.endpoints import Security
    from fanout.security.verdicts import Request
    from fanout.shm.census import Amount
    from fanout.terms.slow_policy import SlowPolicy


# To a worker; named by its index.


@record
class Start:
    """Start a process for it; if the system gives none, it has ended at once."""

    worker: int


@record
class Abort:
    """Have its process, which hangs, print where, and end: if it cannot even do that, kill it."""

    worker: int


@record
class Kill:
    """End its process, which does not end by itself."""

    worker: int
    reason: str


@record
class Leave:
    """Its process was killed and does not go: leave it to itself."""

    worker: int
    problem: str  # for people


@record
class FreeTail:
    """Give up, in shared memory, what its ended process held back: the log above all."""

    worker: int
    moved: Amount = NOTHING  # what waited for connections that go on with others


@record
class Say:
    """Send it a message with the end of this turn."""

    worker: int
    message: Message


@record
class Wake:
    """Ring for it if it sleeps, and there is a message now that concerns it and did not ring."""

    worker: int
    since: int  # the message from which on they concern it


@record
class NoteWorker:
    """Write down where it is in its life, for who looks from outside."""

    worker: int


# About a connection.


@record
class HandOver:
    """Give it to its worker; takes over the descriptor, which is not our duplicate of it."""

    connection: Accepted
    descriptor: int


@record
class NoteConnected:
    """Write down that its handshake is done, and which worker serves it."""

    connection: Accepted


@record
class NoteSubscriptions:
    """Write down, and tell, how many distinct subscriptions it has, and what has changed."""

    connection: Accepted
    count: int
    added: int
    cancelled: int


@record
class NoteChoice:
    """Write down what it is called, which policy it has, and who has chosen that."""

    connection: Accepted
    name: str
    policy: SlowPolicy
    chosen_by: str  # one of `cards.CHOSEN_BY`


@record
class NoteUser:
    """Write down who it has proven to be."""

    connection: Accepted


@record
class Judge:
    """Have somebody say, on a thread of its own, whether it may subscribe."""

    security: Security
    request: Request


@record
class GiveUp:
    """Nobody waits any more for what is said of this subscriber: it has taken too long."""

    subscriber: int


@record
class Withdraw:
    """This subscriber is gone: whoever has not begun to judge it need not."""

    subscriber: int


@record
class Shut:
    """End the connection of this duplicate, whoever else holds it, and close it."""

    descriptor: int


@record
class Cut:
    """End the connection of this duplicate at once, and nothing that the kernel holds is sent."""

    descriptor: int


@record
class Hold:
    """As `Shut`, after so many seconds: until then its peer believes to be connected."""

    descriptor: int
    seconds: float


@record
class Pause:
    """Accept nobody for a while: no worker could serve who comes."""

    why: str


@record
class Book:
    """Write down how it ended, in the ledger above all, and empty its slot."""

    connection: Accepted
    closed: Closed
    exact: bool = True  # its figures; else more may have been discarded


# To others.


@record
class Tell:
    """Tell the user."""

    event: Event


@record
class Complain:
    """Log a bug of ours, with the traceback of `error`."""

    text: str
    error: Exception


@record
class Answer:
    """Who has asked need not wait any more."""

    flag: Flag


@record
class Serve:
    """All workers serve for the first time: the start is done."""


@record
class FailStart:
    """The start has failed, because of a process that ended with this code, if one did."""

    reason: str
    exit_code: int | None = None


@record
class Break:
    """No worker is left: nothing can be delivered any more."""


@record
class Mend:
    """There was none, and one serves again."""


OfALife: TypeAlias = (
    Start | Abort | Kill | Leave | FreeTail | NoteWorker | Serve | FailStart | Break | Mend
)
OfAConnection: TypeAlias = (
    HandOver
    | NoteConnected
    | NoteSubscriptions
    | NoteChoice
    | NoteUser
    | Shut
    | Cut
    | Hold
    | Pause
    | Book
)
OfVerdicts: TypeAlias = Judge | GiveUp | Withdraw
Action: TypeAlias = OfALife | OfAConnection | OfVerdicts | Say | Wake | Tell | Complain | Answer


def tell_of(
    kind: EventKind,
    connection: Accepted,
    reason: str,
    dropped: int = 0,
    cause: Reason | None = None,
    discarded: int = 0,
    *,
    exact: bool = True,
) -> Tell:
    """Tell of something that has happened to a connection."""
    return Tell(
        Event(
            kind,
            reason,
            subscriber=connection.subscriber,
            peer=connection.peer,
            worker=connection.worker,
            dropped=dropped,
            discarded=discarded,
            cause=cause,
            exact=exact,
            user=connection.user,
        )
    )


def tell_of_worker(kind: EventKind, life: Life, text: str, exit_code: int | None = None) -> Tell:
    """Tell of something that has happened to a worker."""
    return Tell(Event(kind, text, worker=life.index, exit_code=exit_code))


def with_counts(action: Action, going_on: int, closed: int) -> Action:
    """Tell of the loss what becomes of those that the worker served."""
    if not isinstance(action, Tell) or action.event.kind is not EventKind.WORKER_LOST:
        return action
    if not going_on:
        return action
    count = going_on + closed
    who = f"{going_on:,} of its {count:,} subscribers" if count > 1 else "its subscriber"
    return Tell(replace(action.event, reason=f"{action.event.reason}; {who} can go on"))
