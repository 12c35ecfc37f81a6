"""Which policy a subscriber gets. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from fanout.basics.units import NS
from fanout.terms.slow_policy import LOG_PART
from fanout.workers.policy.block import Block
from fanout.workers.policy.conflate import Conflate
from fanout.workers.policy.disconnect import Disconnect
from fanout.workers.policy.drop_newest import DropNewest
from fanout.workers.policy.drop_oldest import DropOldest
from fanout.workers.policy.limits import NONE, Limits

if TYPE_CHECKING:
    from fanout.options import Options
    from fanout.terms.slow_policy import SlowPolicy
    from fanout.workers.policy.base import Policy

POLICIES_KEPT = 256  # equal ones are one object: there are a few, or one for each subscriber

_BOUNDED: dict[str, type[DropOldest] | type[DropNewest] | type[Disconnect]] = {
    "drop_oldest": DropOldest,
    "drop_newest": DropNewest,
    "disconnect": Disconnect,
}


def policy_for(options: Options, entries: int) -> Policy:
    """The policy of these options, for all for whom nothing else is chosen.

    Args:
        entries: messages that the index holds.
    """
    return policy_of(options.policy, options.log_bytes, entries)


@lru_cache(maxsize=POLICIES_KEPT)
def policy_of(policy: SlowPolicy, log_bytes: int, entries: int) -> Policy:
    """The policy that users have described so.

    Args:
        log_bytes, entries: bytes and messages that the log holds.
    """
    own = (
        policy.limit_bytes or NONE,
        policy.limit_messages or NONE,
        int(policy.limit_age * NS) or NONE,
    )
    if policy.action == "block":
        whole = Limits(log_bytes=log_bytes, log_messages=entries)
        soft = Limits(*own, log_bytes, entries).part(policy.soft)
        return Block(soft, whole.part(1 / LOG_PART), policy.max_rate, Limits(*own))
    limits = Limits(*own, log_bytes // LOG_PART, entries // LOG_PART)
    if policy.action == "conflate":
        interval_ns = int(policy.min_interval * NS)
        return Conflate(limits, policy.soft, policy.max_rate, interval_ns)
    return _BOUNDED[policy.action](limits, policy.soft, policy.max_rate)
