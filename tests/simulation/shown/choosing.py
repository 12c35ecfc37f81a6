"""Which policies the publisher gives to subscribers that are shown something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.slow_policy import SlowPolicy

if TYPE_CHECKING:
    from random import Random

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
