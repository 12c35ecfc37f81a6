"""The options as keyword arguments, for type checkers and editors.

Written by `scripts/options` from `fanout/options.py`, and not by hand. Programs that make no
mistake never load it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.terms.last_values import LastValues
    from fanout.terms.slow_policy import Action, SlowPolicy, SlowRule


class OptionArguments(TypedDict, total=False):
    """What `Publisher` takes by name; see `fanout.options.Options`. Sizes may be text, "64M"."""

    name: str
    workers: int
    rebalance: bool
    worker_nice: int
    log_bytes: int | str
    slow_policy: Action | SlowPolicy
    slow_limit_bytes: int | str
    slow_rules: Sequence[SlowRule]
    self_service: bool
    self_service_max: Action | SlowPolicy
    sequence_frame: bool
    replay_bytes: int | str | None
    last_values: LastValues | None
    send_timeout: float
    stall_timeout: float
    handshake_timeout: float
    heartbeat_interval: float
    heartbeat_timeout: float
    tcp_user_timeout: float
    drain_timeout: float
    worker_timeout: float
    start_timeout: float
    max_subscribers: int
    max_half_open: int
    max_subscribers_per_address: int
    max_half_open_per_address: int
    max_connects_per_address: float
    max_subscriptions: int
    max_subscription_bytes: int | str
    max_subscriptions_bytes: int | str
    max_interest_bytes: int | str
    max_inbound_bytes: int | str
    max_topics: int
    kernel_queue_bytes: int | str
    backlog: int
    allow_zmtp_1: bool
    require_security: bool
