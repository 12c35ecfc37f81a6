"""Splitting: what is said of long lists of prefixes, in messages that fit into a packet. Pure."""

from __future__ import annotations

from fanout.control.messages import Subscriptions
from fanout.control.rights import Asked, Asks
from fanout.control.takeover import Wants

_PREFIX_HEADER_BYTES = 4  # in msgpack
SUBSCRIPTIONS_PER_PACKET_BYTES = 32 * 1024  # of prefixes in one report; longer ones are split


def split_subscriptions(
    subscriber: int, sequence: int, added: list[bytes], cancelled: list[bytes]
) -> list[Subscriptions]:
    """Reports for one change, none larger than a packet; cancellations come first."""
    parts = _parts(added, cancelled)
    return [Subscriptions(subscriber, sequence, *part) for part in parts]


def split_wants(
    subscriber: int, sequence: int, added: list[bytes], cancelled: list[bytes]
) -> list[Wants]:
    """The same to the worker that takes it over."""
    return [Wants(subscriber, sequence, *part) for part in _parts(added, cancelled)]


def split_asked(subscriber: int, added: list[bytes], cancelled: list[bytes]) -> list[Asked]:
    """What somebody with rights asks for, in reports none of which is larger than a packet."""
    return [Asked(subscriber, *part) for part in _parts(added, cancelled)]


def split_asks(subscriber: int, prefixes: list[bytes]) -> list[Asks]:
    """All that it asks for, to the worker that takes it over."""
    return [Asks(subscriber, part) for part, _ in _parts(prefixes, [])]


def _parts(added: list[bytes], cancelled: list[bytes]) -> list[tuple[list[bytes], list[bytes]]]:
    if _size(added) + _size(cancelled) <= SUBSCRIPTIONS_PER_PACKET_BYTES:  # nearly always
        return [(added, cancelled)]
    parts: list[tuple[list[bytes], list[bytes]]] = []
    size = 0
    more, less = list[bytes](), list[bytes]()
    for prefix, is_new in [(p, False) for p in cancelled] + [(p, True) for p in added]:
        if size + len(prefix) > SUBSCRIPTIONS_PER_PACKET_BYTES and size:
            parts.append((more, less))
            more, less = [], []
            size = 0
        (more if is_new else less).append(prefix)
        size += len(prefix) + _PREFIX_HEADER_BYTES
    return [*parts, (more, less)]


def _size(prefixes: list[bytes]) -> int:
    return sum(map(len, prefixes)) + _PREFIX_HEADER_BYTES * len(prefixes)
