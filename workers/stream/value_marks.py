"""Marks: what says where last values begin and end, and of which subscriptions they are. Pure."""

from __future__ import annotations

from itertools import chain, filterfalse
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgpack

from fanout.terms.reserved import SNAPSHOT_TOPIC
from fanout.zmtp.frames import encode_message

if TYPE_CHECKING:
    from collections.abc import Collection

# Of the names of subscriptions in one mark, packed: those that come first, of more than fit there.
# Subscribers of before there were any take no mark that has more than 4 KiB.
NAMES_BYTES_MAX = 2_048
_NAME_BYTES = 3  # that one takes besides, at most, if it fits


class About(NamedTuple):
    """Which subscriptions last values are of, as somebody has said them.

    Args:
        many: how many.
        names: of these, as many as fit into a mark.
        denied: of so many of the names, the first ones, it may have nothing.
    """

    many: int
    names: list[bytes]
    denied: int


def about(prefixes: Collection[bytes], denied: Collection[bytes] = ()) -> About:
    """These; those of which it may have nothing come first."""
    names, room = list[bytes](), NAMES_BYTES_MAX
    others = filterfalse(frozenset(denied).__contains__, prefixes) if denied else prefixes
    for prefix in chain(denied, others):
        room -= len(prefix) + _NAME_BYTES
        if room < 0:
            break
        names.append(prefix)
    return About(len(prefixes), names, min(len(denied), len(names)))


def granted_later(prefixes: Collection[bytes]) -> About:
    """What it may have now of what it has subscribed to before: of no new subscription."""
    return about(prefixes)._replace(many=0)


class Marked(Protocol):
    """What of a `Snapshot` its marks say."""

    about: About | None
    prefixes: Collection[bytes]
    sent: int
    evicted: int


def mark_of(snapshot: Marked, epoch: int, at: int, *, is_end: bool) -> bytes:
    """A message that says it.

    Args:
        at: what is published from there on comes by itself.
    """
    count, names, denied = snapshot.about or about(snapshot.prefixes)
    fields: dict[str, object] = {
        "epoch": epoch,
        "at": at,
        "count": snapshot.sent,
        "evicted": snapshot.evicted,
        "subscriptions": count,
        "prefixes": names,
        "end": is_end,
    }
    if denied:
        fields["denied"] = denied
    return encode_message((SNAPSHOT_TOPIC, msgpack.packb(fields)))
