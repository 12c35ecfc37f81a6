"""What may become of a subscriber that is behind, from what the documentation of policies says."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fanout.terms.slow_policy import SlowPolicy

if TYPE_CHECKING:
    from random import Random

    from fanout.options import Options

NONE = 1 << 80
STEP_NS = 3_000_000  # to which the age of a message is known
AGES = (0.0, 0.0, 0.2, 1.0, 3.0)  # seconds
RATES = (0, 0, 0, 20_000, 1_000_000)  # bytes a second


class Behind(NamedTuple):
    """How far a subscriber is behind: by what waits for it, and by the log."""

    bytes: int
    messages: int
    age: int
    log_bytes: int
    log_messages: int


class Rules:
    """One policy, and the log as the last limit of it.

    Attributes:
        limits: as `Behind`; NONE = none.
        conflates: whether it gets the newest of each topic only, whenever it is behind: then the
            only limit of a pass is the log.
        interval: before which it gets a topic no second time, in ns.
        far: beyond these, one that takes nothing is in the way.
        held: beyond these, the publisher may be held up, and who takes nothing is in the way.
    """

    def __init__(self, policy: SlowPolicy, log_bytes: int, entries: int) -> None:
        self.policy = policy
        self.action = policy.action
        blocks = self.action == "block"
        self.interval = int(policy.min_interval * 1e9)
        has_limits = policy.limit_bytes or policy.limit_messages or policy.limit_age
        self.conflates = self.action == "conflate" and (not has_limits or self.interval > 0)
        self.limits = Behind(
            policy.limit_bytes or NONE,
            policy.limit_messages or NONE,
            int(policy.limit_age * 1e9) or NONE,
            NONE if blocks else log_bytes // 2,
            NONE if blocks else entries // 2,
        )
        self.soft = _part(self.limits, policy.soft)
        kept = _part(self.limits, 15 / 16)
        self.kept = kept._replace(messages=max(kept.messages, 1))
        self.far = _part(self.limits, 7 / 8)
        if self.conflates:  # each pass is as it is, or a topic would come twice in one
            self.limits = self.limits._replace(bytes=NONE, messages=NONE, age=NONE)
        self.held = Behind(NONE, NONE, NONE, NONE, NONE)
        if blocks:
            self.held = kept._replace(log_bytes=NONE, log_messages=NONE)
            whole = Behind(NONE, NONE, NONE, log_bytes, entries)
            self.soft = _part(Behind(*self.limits[:3], log_bytes, entries), policy.soft)
            self.far = _part(whole, 0.5)
            self.limits = Behind(NONE, NONE, NONE, NONE, NONE)


class LateRules(Rules):
    """While one is sent what it has missed: nothing but the log bounds that."""

    def __init__(self, own: Rules, log_bytes: int, entries: int) -> None:
        self.policy = own.policy  # its rate holds all the time
        self.action = "drop_oldest"
        self.interval = 0
        self.conflates = False
        self.limits = Behind(NONE, NONE, NONE, log_bytes * 5 // 8, entries * 5 // 8)
        self.soft = self.limits
        self.held = Behind(NONE, NONE, NONE, NONE, NONE)
        self.kept = _part(self.limits, 15 / 16)
        self.far = _part(self.limits, 7 / 8)


def is_over(lag: Behind, limits: Behind) -> bool:
    """Whether it is further behind than one of these."""
    return any(one > limit for one, limit in zip(lag, limits, strict=True))


def _part(limits: Behind, share: float) -> Behind:
    return Behind(*(one if one == NONE else int(one * share) for one in limits))


def of_options(options: Options) -> SlowPolicy:
    """What everybody gets who is given nothing else."""
    if isinstance(options.slow_policy, SlowPolicy):
        return options.slow_policy
    limit = options.slow_limit_bytes if options.slow_policy == "drop_oldest" else 0
    return SlowPolicy(options.slow_policy, limit)


def random_policy(rng: Random) -> SlowPolicy:
    """Any policy with any limits."""
    action = rng.choice(
        ("drop_oldest", "drop_newest", "conflate", "conflate", "disconnect", "block")
    )
    soft, rate = rng.choice((0.3, 0.5, 1.0)), rng.choice(RATES)
    return SlowPolicy(
        action,  # type: ignore[arg-type]
        rng.choice((0, 0, 30, 1_000, 10_000)),
        rng.choice((0, 0, 1, 3, 40)),
        rng.choice(AGES),
        soft=soft,
        min_interval=rng.choice((0.0, 0.0, 0.3)) if action == "conflate" else 0.0,
        max_rate=rate,
    )
