"""What follows from what users may have, and from what the program says of that. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.control.messages import Evict
from fanout.control.rights import Asked, Permitted, Refused
from fanout.coordinator.actions import Answer, Cut, Say, tell_of
from fanout.events import EventKind
from fanout.reasons import Reason

if TYPE_CHECKING:
    from fanout.coordinator.actions import Action
    from fanout.coordinator.answers import Flag
    from fanout.coordinator.state import State


def take(state: State, message: Permitted | Asked | Refused) -> list[Action]:
    """A worker says what has become of the rights of a subscriber."""
    connection = state.roster.connections.get(message.subscriber)
    if connection is None:
        return []
    if isinstance(message, Permitted):
        flags = state.access.permitted(connection, message.number)
        return [Answer(flag) for flag in flags]
    if isinstance(message, Refused):
        state.ledger.subscriptions_refused += message.count
        more = f", and {message.count - 1:,} more" if message.count > 1 else ""
        what = ", ".join(f"{prefix[:40]!r}" for prefix in message.example)
        text = f"may not have {what}{more}"
        cause = Reason.NOT_PERMITTED
        return [tell_of(EventKind.SUBSCRIPTION_REFUSED, connection, text, cause=cause)]
    state.access.note_asked(message)
    if state.access.asked_bytes <= state.max_interest_bytes or connection.over_limit:
        return []
    connection.over_limit = True
    limit = f"{state.max_interest_bytes:,} bytes (max_interest_bytes)"
    text = f"{Reason.LIMIT.text}: what all with rights ask for takes more than {limit}"
    return [Say(connection.worker, Evict(connection.subscriber, Reason.LIMIT.number, text))]


def permit(state: State, user: str, prefixes: tuple[bytes, ...] | None, flag: Flag) -> list[Action]:
    """A user may have this from now on; `flag` is set when all his connections go by it.

    Args:
        prefixes: None = what the check says of him.

    Raises:
        ConfigError: there are too many rules; nothing has changed.
    """
    access = state.access
    access.rule(user, prefixes)
    known = state.roster.connections
    his = [known[one] for one in sorted(access.by_user.get(user, ())) if one in known]
    permits = access.change(his, flag)
    # Who is with no worker is told of it by what that one says who goes on with him.
    waiting = state.takeovers.waiting
    return [
        Say(known[one.subscriber].worker, one) for one in permits if one.subscriber not in waiting
    ]


def send_away(state: State, user: str | None, key: str | None, reason: str) -> list[Action]:
    """End all connections of a user at once, and let him in no more.

    Raises:
        ConfigError: there are too many rules; nothing has changed.
    """
    cause = Reason.DISCONNECTED_BY_CALL
    text = f"{cause.text}: {reason}" if reason else cause.text
    actions: list[Action] = []
    for subscriber in state.access.refuse(user, key):
        connection = state.roster.connections.get(subscriber)
        if connection is None:
            continue
        connection.cut = Evict(subscriber, cause.number, text)
        duplicate = state.duplicates.get(subscriber)
        if duplicate is not None:
            actions.append(Cut(duplicate))
        actions.append(Say(connection.worker, connection.cut))
    return actions
