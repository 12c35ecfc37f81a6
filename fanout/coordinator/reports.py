"""What workers report, and what follows from it. Pure: state and message in, actions out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.basics.records import changed
from fanout.control.conduct import ReadsOn, Throttled
from fanout.control.judging import AuthRequest
from fanout.control.messages import (
    Chose,
    Closed,
    Connected,
    ControlError,
    Declined,
    Evict,
    KeyframeWanted,
    Message,
    SlotsWritten,
    Slow,
    Started,
    Subscriptions,
    WriteSlots,
)
from fanout.control.rights import Asked, Permitted, Refused
from fanout.coordinator import conduct, permits
from fanout.coordinator.actions import (
    Answer,
    Book,
    FreeTail,
    Hold,
    NoteConnected,
    NoteSubscriptions,
    Pause,
    Say,
    Shut,
    Tell,
    Wake,
    Withdraw,
    tell_of,
)
from fanout.coordinator.interest import PAIR_BYTES
from fanout.coordinator.judgements import asked
from fanout.coordinator.lost import UNCOUNTED
from fanout.errors import ConfigError
from fanout.events import Event, EventKind
from fanout.reasons import Reason
from fanout.shm.cards import CHOSEN_BY
from fanout.shm.census import NOTHING
from fanout.terms.slow_policy import policy_in

if TYPE_CHECKING:
    from fanout.coordinator.actions import Action
    from fanout.coordinator.answers import Flag
    from fanout.coordinator.roster import Accepted
    from fanout.coordinator.state import State
    from fanout.shm.census import Amount
    from fanout.terms.slow_policy import SlowPolicy


def take(state: State, worker: int, message: Message, now: float) -> list[Action]:
    """A worker has said this.

    What is about a subscriber that is not known any more has no effect.

    Args:
        worker: its index.
        now: seconds, see `Supervision`.

    Raises:
        ControlError: it is not for a coordinator; nothing has changed.
    """
    if isinstance(message, Subscriptions):
        return _subscriptions(state, worker, message)
    if isinstance(message, Connected):
        return _connected(state, message)
    if isinstance(message, Closed):
        return _closed(state, message, now)
    if isinstance(message, AuthRequest):
        return asked(state, message, now)
    if isinstance(message, Slow):
        return _slow(state, message)
    if isinstance(message, Throttled | ReadsOn):
        return conduct.take(state, message, now)
    if isinstance(message, Chose):
        return _chose(state, message)
    if isinstance(message, Declined):
        return _declined(state, message)
    if isinstance(message, KeyframeWanted):
        return [Tell(event) for event in state.keyframes.told(message.topics, now)]
    if isinstance(message, Permitted | Asked | Refused):
        return permits.take(state, message)
    if isinstance(message, SlotsWritten):
        flag = state.answers.came(message.token, worker)
        return [] if flag is None else [Answer(flag)]
    if isinstance(message, Started):
        restarts = max(0, state.supervision.lives[worker].restarts)
        what = EventKind.WORKER_STARTED, f"pid {message.pid}"
        told = Tell(Event(*what, worker=worker, restarts=restarts))
        return [told, *state.supervision.serves(worker, now)]
    raise ControlError(f"{type(message).__name__} is not for a coordinator")


def cause_of_loss(state: State, subscriber: int | None = None) -> Reason:
    """Why those of a lost worker are ended; or this one, which was perhaps to be ended before."""
    if state.ledger.closing:
        return Reason.PUBLISHER_CLOSED
    evict = None if subscriber is None else state.takeovers.evicts.get(subscriber)
    return Reason.WORKER_LOST if evict is None else Reason.of(evict.cause)


def let_go(worker: int, moved: Amount = NOTHING) -> list[Action]:
    """What a lost worker held back is counted: the log need not keep it any more.

    Args:
        moved: what others deliver in its place.
    """
    return [FreeTail(worker, moved)]


def cleared(state: State, worker: int) -> list[Action]:
    """The connections of a lost worker are ended: it may be started again, and owes no answer."""
    state.supervision.let_go(worker)
    return [Answer(flag) for flag in state.answers.forget(worker)]


def ask(state: State, flag: Flag) -> list[Action]:
    """Have all workers bring their slots up to date; then `flag` is set.

    Those who are lost need not do so, but what they have left is to be cleared.
    """
    if state.takeovers.pending:  # their figures are those of lost workers until they go on
        state.takeovers.asked.append(flag)
        return []
    ready = state.supervision.ready
    token = state.answers.expect([*ready, *state.supervision.held], flag)
    if token is None:
        return [Answer(flag)]
    return [Say(worker, WriteSlots(token)) for worker in ready]


def disconnect(state: State, subscriber: int, reason: str) -> list[Action]:
    """Have the worker of this connection end it; nothing if there is none (any more).

    Nothing has changed until the worker reports the end: it may be lost before.
    """
    connection = state.roster.connections.get(subscriber)
    if connection is None:
        return []
    cause = Reason.DISCONNECTED_BY_CALL
    text = f"{cause.text}: {reason}" if reason else cause.text
    return [Say(connection.worker, Evict(subscriber, cause.number, text))]


def _subscriptions(state: State, worker: int, message: Subscriptions) -> list[Action]:
    connection = state.roster.connections.get(message.subscriber)
    if connection is None or connection.over_limit:
        return []
    interest = state.interest
    is_first = connection.subscriber not in interest
    if is_first:
        connection.wanted_since = message.sequence
    changed = interest.update(message.subscriber, worker, message.added, message.cancelled)
    put, taken = changed
    more = PAIR_BYTES * (len(put) - len(taken)) + sum(map(len, put)) - sum(map(len, taken))
    state.holdings.add(message.subscriber, connection.peer, more)
    if not is_first and message.sequence > connection.wanted_since:
        state.changes.add(message.subscriber, message.sequence, *changed)
    count = interest.subscriptions(message.subscriber)
    victim = _make_room(state, more)
    evict = [] if victim is None else [_evict(state, victim, message.subscriber)]
    if victim is connection:
        return evict
    # What was published before this line did not ring for the new subscription.
    note = NoteSubscriptions(connection, count, len(put), len(taken))
    chosen = state.choices.subscribed(connection, *changed)
    return [*evict, Wake(worker, message.sequence), note, *chosen]


def _make_room(state: State, more: int) -> Accepted | None:
    """Who has to go, if all subscriptions take too much: the largest of the largest address.

    What is left of those who are gone is nobody's fault, but must not become more and more either:
    so as much of it is taken out as has been put there.

    Args:
        more: bytes that have been put there.
    """
    interest = state.interest
    if interest.kept_bytes > state.max_interest_bytes and interest.has_leaving:
        interest.take_out(2 * max(0, more))
    if interest.kept_bytes - interest.leaving_bytes <= state.max_interest_bytes:
        return None
    return state.roster.connections[state.holdings.largest()]


def _evict(state: State, victim: Accepted, subscriber: int) -> Action:
    """Have a connection ended because this one's change was too much for what all may take.

    That is an offence only of who has said something: another one may have been there for long.
    """
    victim.over_limit = True
    victim.made_room = victim.subscriber != subscriber
    count = state.interest.subscriptions(victim.subscriber)
    _forget_wants(state, victim.subscriber)
    limit = f"{state.max_interest_bytes:,} bytes (max_interest_bytes)"
    text = f"{Reason.LIMIT.text}: with its {count:,}, all subscriptions take more than {limit}"
    return Say(victim.worker, Evict(victim.subscriber, Reason.LIMIT.number, text))


def _forget_wants(state: State, subscriber: int) -> None:
    state.interest.forget(subscriber)
    state.holdings.forget(subscriber)


def _chose(state: State, message: Chose) -> list[Action]:
    connection = state.roster.connections.get(message.subscriber)
    if connection is None:
        return []
    try:
        return state.choices.chose(connection, message.name, message.settings)
    except (ConfigError, TypeError) as error:
        raise ControlError(f"not what a subscriber can choose: {error}") from None


def _declined(state: State, message: Declined) -> list[Action]:
    connection = state.roster.connections.get(message.subscriber)
    if connection is None:
        return []
    kind, cause = EventKind.CHOICE_DECLINED, Reason.DECLINED
    return [tell_of(kind, connection, message.reason, cause=cause)]


def set_slow_policy(state: State, subscriber: int, policy: SlowPolicy | None) -> list[Action]:
    """The publisher's program chooses this for a subscriber; None = as if it never had.

    Raises:
        ConfigError: nobody of this number is connected; nothing has changed.
    """
    connection = state.roster.connections.get(subscriber)
    if connection is None:
        raise ConfigError(f"no subscriber {subscriber!r} is connected: see subscribers()")
    return state.choices.call(connection, policy)


def _connected(state: State, message: Connected) -> list[Action]:
    connection = state.roster.connected(message.subscriber, message.version)
    if connection is None:
        return []
    known = f", {connection.mechanism}" if connection.mechanism != "NULL" else ""
    text = f"ZMTP {message.version}{known}"
    return [NoteConnected(connection), tell_of(EventKind.SUBSCRIBER_CONNECTED, connection, text)]


def _closed(state: State, message: Closed, now: float) -> list[Action]:
    try:
        cause = Reason.of(message.cause)
        policy_in(message.policy)
        ("", *CHOSEN_BY).index(message.chosen_by)
    except (KeyError, ValueError, TypeError, ConfigError) as error:
        raise ControlError(f"not how a connection can end: {error!r:.200}") from None
    connection = state.roster.connections.get(message.subscriber)
    if connection is None:
        return []
    if connection.cut is not None:  # it was sent away before: that is why it has ended
        message = changed(message, evicted=True, cause=connection.cut.cause)
        message = changed(message, reason=connection.cut.reason)
    actions = end(state, connection, message, now, hold_of(state, connection, cause, now))
    if cause is Reason.UNWATCHED:  # that is so for the whole machine, or user: also for who is next
        actions.append(Pause(message.reason))
    return actions


def hold_of(state: State, connection: Accepted, cause: Reason, now: float) -> float:
    """Seconds for which a connection that ends for this cause is kept from coming back."""
    # Its worker has not shut it down: that is up to us.
    addresses = state.roster.addresses
    if cause is Reason.LIMIT and not connection.made_room:
        return addresses.offended(connection.peer, now)
    return addresses.mistaken(connection.peer, now) if cause is Reason.KEY else 0.0


def _slow(state: State, message: Slow) -> list[Action]:
    connection = state.roster.connections.get(message.subscriber)
    if connection is None:
        return []
    cause: Reason | None = None
    if message.recovered:
        kind = EventKind.SUBSCRIBER_RECOVERED
        connection.slow = connection.stalled = False
    elif message.stalled:
        kind = EventKind.SUBSCRIBER_STALLED
        connection.stalled = True
    else:
        kind, cause = EventKind.SUBSCRIBER_SLOW, Reason.LAG
        connection.slow = True
    return [tell_of(kind, connection, message.reason, message.dropped, cause)]


def end(
    state: State,
    connection: Accepted,
    closed: Closed,
    now: float,
    hold: float = 0.0,
    *,
    exact: bool = True,
) -> list[Action]:
    """Forget a connection; it is shut, after `hold` seconds, booked and told of.

    Args:
        exact: nobody has found a reason yet to doubt what was discarded.
    """
    exact = exact and not closed.uncounted
    if closed.debt or connection.is_over:
        state.roster.addresses.owes(connection.peer, closed.debt, now, over=connection.is_over)
    state.roster.remove(connection.subscriber)
    _forget_wants(state, connection.subscriber)
    state.changes.forget(connection.subscriber)
    state.choices.forget(connection.subscriber)
    is_judged = state.judging.leave(connection.subscriber)
    flags = state.access.leave(connection)
    state.takeovers.forget(connection.subscriber)
    cause = Reason.of(closed.cause)
    if cause is Reason.WORKER_RETIRED and connection.version is not None:
        state.ledger.not_resumed += 1
    actions: list[Action] = [Withdraw(connection.subscriber)] if is_judged else []
    duplicate = state.duplicates.pop(connection.subscriber, None)
    if duplicate is not None:
        actions.append(Hold(duplicate, hold) if hold else Shut(duplicate))
    told = tell_of(
        _kind_of_end(connection, closed),
        connection,
        closed.reason + UNCOUNTED * closed.uncounted,
        closed.dropped,
        cause,
        closed.discarded,
        exact=exact,
    )
    answers = [Answer(flag) for flag in flags]
    return [*actions, Book(connection, closed, exact), told, *answers]


def _kind_of_end(connection: Accepted, closed: Closed) -> EventKind:
    """As the ledger counts it: `failed_handshakes`, `evicted` or `disconnected`."""
    if connection.version is None:
        return EventKind.HANDSHAKE_FAILED
    return EventKind.SUBSCRIBER_EVICTED if closed.evicted else EventKind.SUBSCRIBER_DISCONNECTED
