"""Cards: who each subscriber is, for readers that do not ask the coordinator, which writes them."""

from __future__ import annotations

import struct
from array import array
from functools import lru_cache
from itertools import compress
from typing import TYPE_CHECKING, NamedTuple

from fanout.errors import ConfigError
from fanout.shm import layout as at
from fanout.shm.fence import keep_order
from fanout.shm.header import slots_used
from fanout.shm.words import (
    Record,
    StuckRecord,
    Word,
    encode_text,
    read_consistent,
    read_text,
    words_at,
    write_text,
)
from fanout.terms.slow_policy import SlowPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.shm.segment import Segment
    from fanout.terms.slow_policy import Action

# Their numbers on a card; only ever longer.
POLICIES: tuple[Action, ...] = ("drop_oldest", "block", "drop_newest", "conflate", "disconnect")
CHOSEN_BY = ("publisher", "rule", "subscriber", "call")
_BILLION = 1_000_000_000  # ns in a second, and billionths in a share
_TENTHS = 10  # of a protocol version
_EACH = at.CARD_BYTES // at.WORD

# The words of a card that are written together: all but its version and its subscriber. Packed and
# stored at once they take half the time of one by one.
_WORDS = slice(at.C_WORKER, at.C_USER + at.NAME_BYTES // at.WORD)
_NAME = f"{at.NAME_BYTES}s"
_pack = struct.Struct(f"6Q{at.PEER_BYTES}s{at.ENDPOINT_BYTES}s{_NAME}6Q{_NAME}").pack


class Identity(NamedTuple):
    """Who a subscriber is."""

    subscriber: int
    worker: int
    version: str  # of ZMTP, "" while it is in its handshake
    slow_policy: SlowPolicy
    since: int  # monotonic ns when it was accepted
    subscriptions: int  # distinct ones
    peer: str
    endpoint: str
    name: str = ""  # what it calls itself
    chosen_by: str = "publisher"  # who chose its policy: one of CHOSEN_BY
    user: str = ""  # who it has proven to be

    @property
    def policy(self) -> str:
        """What happens to it when it is behind, in a word."""
        return self.slow_policy.action


class Card(Record):
    """The words of one card.

    Args:
        index: of the subscriber's slot.
    """

    __slots__ = ("_index", "_segment")

    def __init__(self, segment: Segment, index: int) -> None:
        self._segment, self._index = segment, index
        offset = segment.layout.cards + index * at.CARD_BYTES
        super().__init__(words_at(segment, offset, at.CARD_BYTES))

    id = Word(at.C_ID, "subscriber id, 0 = free")
    subscriptions = Word(at.C_SUBSCRIPTIONS, "distinct ones")

    def write(self, identity: Identity) -> None:
        """Say who has this slot from now on."""
        header = self._segment.words
        if header[at.H_SLOTS_USED] <= self._index:  # before: who reads looks no further
            header[at.H_SLOTS_USED] = self._index + 1
        words = self.words
        version = words[at.C_VERSION] | 1
        words[at.C_VERSION] = version
        keep_order()
        policy = identity.slow_policy
        packed = _pack(
            *(identity.worker, number_of_version(identity.version)),
            POLICIES.index(policy.action),
            *(identity.since, identity.subscriptions, CHOSEN_BY.index(identity.chosen_by)),
            encode_text(identity.peer, at.PEER_BYTES),
            encode_text(identity.endpoint, at.ENDPOINT_BYTES),
            encode_text(identity.name, at.NAME_BYTES),
            *numbers_of(policy),
            encode_text(identity.user, at.NAME_BYTES),
        )
        words[_WORDS] = memoryview(packed).cast("Q")
        keep_order()
        words[at.C_ID] = identity.subscriber  # last: nobody counts it with another's words
        keep_order()
        words[at.C_VERSION] = version + 1

    def chosen(self, name: str, policy: SlowPolicy, chosen_by: str) -> None:
        """It is called so, and has this policy, which was chosen by one of CHOSEN_BY."""
        words = self.words
        version = words[at.C_VERSION] | 1
        words[at.C_VERSION] = version
        keep_order()
        self._put_choice(name, policy, chosen_by)
        keep_order()
        words[at.C_VERSION] = version + 1

    def judged(self, user: str) -> None:
        """It has proven to be this one."""
        words = self.words
        version = words[at.C_VERSION] | 1
        words[at.C_VERSION] = version
        keep_order()
        write_text(words, at.C_USER, at.NAME_BYTES, user)
        keep_order()
        words[at.C_VERSION] = version + 1

    def _put_choice(self, name: str, policy: SlowPolicy, chosen_by: str) -> None:
        words = self.words
        write_text(words, at.C_NAME, at.NAME_BYTES, name)
        words[at.C_CHOSEN_BY] = CHOSEN_BY.index(chosen_by)
        words[at.C_POLICY] = POLICIES.index(policy.action)
        words[at.C_LIMIT_BYTES : at.C_MAX_RATE + 1] = numbers_of(policy)

    def free(self) -> None:
        """Nobody has this slot."""
        self.words[at.C_ID] = 0

    def read(self) -> Identity | None:
        """Who has this slot, None if nobody.

        Raises:
            StuckRecord: the publisher died or hangs in the middle of writing it, or it is garbage.
        """
        values = read_consistent(self.words, at.C_VERSION)
        if not values[at.C_ID]:
            return None
        try:
            return _identity(values)
        except (IndexError, ConfigError):  # numbers that no publisher of this version writes
            raise StuckRecord from None


class Cards:
    """One word of all cards at once, of slots that were used: thousands in a millisecond."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        layout = segment.layout
        self._words = words_at(segment, layout.cards, layout.subscribers * at.CARD_BYTES)

    def note_version(self, slot: int, version: str) -> None:
        """Its handshake is done."""
        self._words[slot * _EACH + at.C_PROTOCOL] = number_of_version(version)

    def note_worker(self, slot: int, worker: int) -> None:
        """Another worker serves it."""
        self._words[slot * _EACH + at.C_WORKER] = worker

    def note_subscriptions(self, slot: int, count: int) -> None:
        """It has so many distinct ones."""
        self._words[slot * _EACH + at.C_SUBSCRIPTIONS] = count

    def ids(self) -> list[int]:
        """Of the subscribers, by slot; 0 = free."""
        return self._column(at.C_ID)

    def connected(self) -> int:
        """How many have done their handshake."""
        return sum(map(bool, compress(self.protocols(), self.ids())))

    def versions(self) -> list[int]:
        """Of the cards, by slot: the text on one is another only if this is."""
        return self._column(at.C_VERSION)

    def protocols(self) -> list[int]:
        """By slot: 0 = in its handshake."""
        return self._column(at.C_PROTOCOL)

    def workers(self) -> list[int]:
        """Which worker serves each, by slot."""
        return self._column(at.C_WORKER)

    def actions(self) -> list[str]:
        """What happens to each when it is behind, by slot; empty for what is no action."""
        known = dict(enumerate(POLICIES))
        return [known.get(number, "") for number in self._column(at.C_POLICY)]

    def action_of(self, slot: int, subscriber: int) -> str:
        """What happens to this one when it is behind; empty if it has left this slot."""
        place = slot * _EACH
        if self._words[place + at.C_ID] != subscriber:
            return ""
        return dict(enumerate(POLICIES)).get(self._words[place + at.C_POLICY], "")

    def subscriptions(self) -> list[int]:
        """How many distinct ones each has, by slot."""
        return self._column(at.C_SUBSCRIPTIONS)

    def _column(self, word: int) -> list[int]:
        stop = slots_used(self._segment) * _EACH
        values: list[int] = self._words[word:stop:_EACH].tolist()
        return values


def number_of_version(version: str) -> int:
    major, _, minor = version.partition(".")
    return int(major) * _TENTHS + int(minor) if version else 0


def version_of_number(number: int) -> str:
    return f"{number // _TENTHS}.{number % _TENTHS}" if number else ""


def _identity(values: list[int]) -> Identity:
    return Identity(
        values[at.C_ID],
        values[at.C_WORKER],
        version_of_number(values[at.C_PROTOCOL]),
        _policy_in(values),
        values[at.C_SINCE],
        values[at.C_SUBSCRIPTIONS],
        read_text(values, at.C_PEER, at.PEER_BYTES),
        read_text(values, at.C_ENDPOINT, at.ENDPOINT_BYTES),
        read_text(values, at.C_NAME, at.NAME_BYTES),
        CHOSEN_BY[values[at.C_CHOSEN_BY]],
        read_text(values, at.C_USER, at.NAME_BYTES),
    )


def _policy_in(values: Sequence[int]) -> SlowPolicy:
    return policy_of(values[at.C_POLICY], *values[at.C_LIMIT_BYTES : at.C_MAX_RATE + 1])


@lru_cache(maxsize=1024)  # as below; only to be read
def numbers_of(policy: SlowPolicy) -> array[int]:
    """All of a policy but its action, as words from C_LIMIT_BYTES on."""
    return array(
        "Q",
        (
            *(policy.limit_bytes, policy.limit_messages, round(policy.limit_age * _BILLION)),
            *(round(policy.soft * _BILLION), round(policy.min_interval * _BILLION)),
            policy.max_rate,
        ),
    )


@lru_cache(maxsize=1024)  # most subscribers have one of a few, which need not be checked again
def policy_of(
    number: int,
    limit_bytes: int,
    limit_messages: int,
    limit_age: int,
    soft: int,
    min_interval: int,
    max_rate: int,
) -> SlowPolicy:
    """The policy of these words, of which the first is its action's place in POLICIES.

    Raises:
        IndexError, ConfigError: no publisher of this version writes them.
    """
    return SlowPolicy(
        *(POLICIES[number], limit_bytes, limit_messages, limit_age / _BILLION, soft / _BILLION),
        *(min_interval / _BILLION, max_rate),
    )
