"""Access: who was let in as whom, what he may have, until when, and who is not let in again. Pure.

A check says what a user may have when he comes. What the program says later, by `permit()` and
`disconnect()`, counts more, for those who are there and those who come again: else who is to have
less would only have to connect anew.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fanout.control.rights import Permit, Rights
from fanout.control.splitting import split_asks
from fanout.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fanout.control.rights import Asked, Asks
    from fanout.coordinator.answers import Flag
    from fanout.coordinator.roster import Accepted

RULES_MAX = 10_000  # users, and keys, of which the program has said something
RULES_BYTES_MAX = 64 * 1024 * 1024  # of their prefixes


@dataclass(slots=True)
class _Change:
    """Rights are changed; who has to say that it is made, by the number of the change."""

    flag: Flag
    awaited: dict[int, int]


@dataclass(slots=True)
class Access:
    """Its mutable state: see the attributes.

    Attributes:
        rules: what users may have by `permit()`.
        refused, refused_keys: who is not let in again, by `disconnect()`.
        by_user, by_key: connections that were let in, by who they are.
        asked: what connections with rights ask for, and the bytes of all that.
    """

    rules: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    refused_keys: set[str] = field(default_factory=set)
    by_user: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    by_key: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    asked: dict[int, set[bytes]] = field(default_factory=dict)
    asked_bytes: int = 0
    _ends: list[tuple[float, int]] = field(default_factory=list)  # a heap: seconds, subscriber
    _changes: list[_Change] = field(default_factory=list)
    _number: int = 0

    # Who is let in.

    def is_refused(self, user: str, key: str) -> bool:
        """Whether the program has sent him away."""
        return user in self.refused or (bool(key) and key in self.refused_keys)

    def count(self, user: str) -> int:
        """How many connections he has."""
        return len(self.by_user.get(user, ()))

    def enter(
        self,
        connection: Accepted,
        login: tuple[str, str],
        granted: tuple[bytes, ...] | None,
        expires: float | None,
    ) -> Permit | None:
        """It is let in; returns what its worker is told of what it may have.

        Args:
            login: the user, and his key if he has one.
            granted: by who has let it in; None = everything.
            expires: seconds, of the clock of supervision, until when.
        """
        user, key = connection.login = login
        self.by_user[user].add(connection.subscriber)
        if key:
            self.by_key[key].add(connection.subscriber)
        connection.granted = granted
        connection.allowed = self.rules.get(user, granted)
        if expires is not None:
            heapq.heappush(self._ends, (expires, connection.subscriber))
        return None if connection.allowed is None else self._permit(connection)

    def leave(self, connection: Accepted) -> list[Flag]:
        """Its connection is over; returns who need not wait for it any more."""
        if connection.login is not None:
            for known, name in zip((self.by_user, self.by_key), connection.login, strict=True):
                if name in known:
                    known[name].discard(connection.subscriber)
                    if not known[name]:
                        del known[name]
        self.asked_bytes -= sum(map(len, self.asked.pop(connection.subscriber, ())))
        return self._settle(connection.subscriber, None)

    def expired(self, now: float) -> list[int]:
        """Whose time is over; some of them may have left."""
        over = []
        while self._ends and self._ends[0][0] <= now:
            over.append(heapq.heappop(self._ends)[1])
        return over

    # What the program says.

    def rule(self, user: str, prefixes: tuple[bytes, ...] | None) -> None:
        """He may have this; None = what the check said, or will say. He is let in again, too.

        Raises:
            ConfigError: there are too many rules; nothing has changed.
        """
        if prefixes is not None:
            others = sum(sum(map(len, rule)) for name, rule in self.rules.items() if name != user)
            self._make_room(user not in self.rules)
            if others + sum(map(len, prefixes)) > RULES_BYTES_MAX:
                raise ConfigError(f"permit: all rules have more than {RULES_BYTES_MAX:,} bytes")
            self.rules[user] = prefixes
        else:
            self.rules.pop(user, None)
        self.refused.discard(user)
        self.refused_keys.discard(user)

    def refuse(self, user: str | None, key: str | None) -> list[int]:
        """He is not let in again; returns his connections.

        Raises:
            ConfigError: there are too many rules; nothing has changed.
        """
        if user is not None:
            self._make_room(user not in self.refused)
            self.refused.add(user)
            return sorted(self.by_user.get(user, ()))
        assert key is not None
        self._make_room(key not in self.refused_keys)
        self.refused_keys.add(key)
        return sorted(self.by_key.get(key, ()))

    def change(self, connections: list[Accepted], flag: Flag) -> list[Permit]:
        """What these may have has changed; `flag` is to be set when all of them go by it."""
        permits = []
        for connection in connections:
            rule = self.rules.get(connection.login[0]) if connection.login else None
            connection.allowed = connection.granted if rule is None else rule
            permits.append(self._permit(connection))
        awaited = {permit.subscriber: permit.number for permit in permits}
        if awaited:
            self._changes.append(_Change(flag, awaited))
        else:
            flag.set()
        return permits

    # What workers say.

    def note_asked(self, message: Asked) -> None:
        """A subscriber with rights asks for something."""
        self._note(message.subscriber, message.added, message.cancelled)

    def _note(self, subscriber: int, added: Iterable[bytes], cancelled: Iterable[bytes]) -> None:
        asked = self.asked.setdefault(subscriber, set())
        for prefix in cancelled:
            if prefix in asked:
                asked.remove(prefix)
                self.asked_bytes -= len(prefix)
        for prefix in added:
            if prefix not in asked:
                asked.add(prefix)
                self.asked_bytes += len(prefix)

    def permitted(self, connection: Accepted, number: int) -> list[Flag]:
        """It goes by that change; returns who waits no more."""
        connection.permitted = True
        return self._settle(connection.subscriber, number)

    def rights_of(self, connection: Accepted, wants: Iterable[bytes]) -> Iterator[Rights | Asks]:
        """What a worker is told that is to go on with it; nothing if it has no rights of its own.

        It says that it goes by them, too.

        Args:
            wants: of this connection, as they are known.
        """
        if not connection.permit:
            return
        allowed = connection.allowed
        yield Rights(
            *(connection.subscriber, connection.permit, allowed is None, [*(allowed or ())])
        )
        subscriber = connection.subscriber
        if not connection.permitted:  # its last worker has not said all that it asked for
            self._note(subscriber, wants, ())
        asked = self.asked.get(subscriber)
        if asked:
            yield from split_asks(subscriber, sorted(asked))

    def _permit(self, connection: Accepted) -> Permit:
        self._number += 1
        connection.permit = self._number
        allowed = connection.allowed
        return Permit(*(connection.subscriber, self._number, allowed is None, [*(allowed or ())]))

    def _settle(self, subscriber: int, number: int | None) -> list[Flag]:
        """It goes by all changes up to that one; None = it is gone."""
        done = []
        for change in self._changes:
            awaited = change.awaited.get(subscriber)
            if awaited is not None and (number is None or awaited <= number):
                del change.awaited[subscriber]
                if not change.awaited:
                    done.append(change)
        self._changes = [one for one in self._changes if one not in done] if done else self._changes
        return [one.flag for one in done]

    def _make_room(self, is_new: bool) -> None:
        count = len(self.rules) + len(self.refused) + len(self.refused_keys)
        if is_new and count >= RULES_MAX:
            raise ConfigError(
                f"permit and disconnect have said something of {RULES_MAX:,} users: take some of "
                "it back by permit(user, None), and have your check say it"
            )
