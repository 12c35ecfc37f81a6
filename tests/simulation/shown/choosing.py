"""Which policies subscribers are given that are shown something, and what they say first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.terms.slow_policy import SlowPolicy
from tests.simulation.peers import SUBSCRIBER_HELLO, command
from tests.simulation.telling import ALL, LOSSES

if TYPE_CHECKING:
    from random import Random

WISHES = {LOSSES: (b"gap",), ALL: (b"gap=all",)}  # how one asks to be told
ASKED_MAX = 300  # messages that one asks for
RATES = (0, 0, 0, 50_000, 1_000_000)  # bytes a second


def random_policy(fate: Random, *, is_any: bool) -> SlowPolicy:
    """One of those that have been simulated from the beginning, or any."""
    actions = ("drop_oldest", "drop_newest", "conflate", "conflate", "block")
    action: Any = fate.choice((*actions, "disconnect") if is_any else actions)
    has_limits = fate.random() < 0.6
    return SlowPolicy(
        action,
        fate.choice((0, 0, 300, 3_000)) if has_limits else 0,
        fate.choice((0, 1, 3, 20)) if has_limits else 0,
        fate.choice((0.0, 0.0, 0.3)) if has_limits else 0.0,
        min_interval=fate.choice((0.0, 0.0, 0.3)) if action == "conflate" else 0.0,
        max_rate=fate.choice(RATES) if is_any else 0,
    )


def random_since(fate: Random, head: int, epoch: int) -> tuple[bytes, int]:
    """What somebody says that has got messages before, and the last of these; -1 = none of ours."""
    if fate.random() < 0.2:
        return b"since=%016x:%d" % (epoch ^ 1, fate.randrange(head + 10)), -1
    last = max(0, head - fate.choice((1, 5, 40, ASKED_MAX)))
    return b"since=%016x:%d" % (epoch, last), last


def random_wants(fate: Random, wants: list[bytes]) -> list[bytes]:
    """What several want who come at once: mostly topics without keyframes, of which they share."""
    return [b"xv"] if fate.random() < 0.6 else wants


def hello(level: int, asked: bytes, *, is_marked: bool) -> bytes:
    """What somebody says first: of what it wants to be told, and what it asks for, if it does."""
    wishes = [
        *WISHES.get(level, ()),
        *([b"snapshot"] if is_marked else []),
        *([asked] if asked else []),
    ]
    return SUBSCRIBER_HELLO + b"".join(command(b"\x09SUBSCRIBE\0fanout." + one) for one in wishes)
