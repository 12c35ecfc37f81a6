"""Which policy a subscriber gets. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.policy.block import Block
from fanout.workers.policy.drop_oldest import DropOldest
from fanout.workers.policy.limits import Limits

if TYPE_CHECKING:
    from fanout.options import Options
    from fanout.workers.policy.base import Policy

LOG_PART = 2  # `block`: who is 1/2 of the log behind holds the publisher up if that goes on
INDEX_PART = 2  # a subscriber may be 1/2 of the index behind: room for what comes meanwhile


def policy_for(options: Options, entries: int) -> Policy:
    """The policy of these options; at present the same for all subscribers.

    Args:
        entries: messages that the index holds.
    """
    if options.slow_policy == "block":
        return Block(Limits(options.log_bytes // LOG_PART, entries // INDEX_PART))
    return DropOldest(Limits(options.lag_limit_bytes, entries // INDEX_PART))
