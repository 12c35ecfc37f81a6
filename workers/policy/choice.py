"""Which policy a subscriber gets. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.policy.block import Block
from fanout.workers.policy.drop_oldest import DropOldest
from fanout.workers.policy.limits import Limits

if TYPE_CHECKING:
    from fanout.options import Options
    from fanout.slow_policy import SlowPolicy
    from fanout.workers.policy.base import Policy

LOG_PART = 2  # `block`: who is 1/2 of the log behind holds the publisher up if that goes on
INDEX_PART = 2  # a subscriber may be 1/2 of the index behind: room for what comes meanwhile


def policy_for(options: Options, entries: int) -> Policy:
    """The policy of these options, for all for whom nothing else is chosen.

    Args:
        entries: messages that the index holds.
    """
    return policy_of(options.policy, options.log_bytes, entries)


def policy_of(policy: SlowPolicy, log_bytes: int, entries: int) -> Policy:
    """The policy that users have described so.

    Args:
        log_bytes, entries: bytes and messages that the log holds.
    """
    if policy.action == "block":
        return Block(Limits(log_bytes // LOG_PART, entries // INDEX_PART))
    limit = policy.limit_bytes or log_bytes // LOG_PART
    return DropOldest(Limits(limit, entries // INDEX_PART))
