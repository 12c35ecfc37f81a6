"""What chance decides about a simulated publisher and its workers before they begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.options import Options
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.tuning import Tuning

if TYPE_CHECKING:
    from random import Random

MILLISECOND = 1_000_000
TICKS_APART = 400 * MILLISECOND  # no more, or silence does not count
BOUNDS = (
    SlowPolicy(limit_bytes=1_000, limit_messages=20, limit_age=1.0, max_rate=500_000),
    SlowPolicy("block", limit_messages=2),
)
SUBSCRIBERS_MAX = 8
LATE_FROM = 10_000  # seeds from here on have subscribers that have missed something
HELD_FROM = 20_000  # from here on the publisher waits at limits of `block`, as it is allowed


def random_tuning(rng: Random) -> Tuning:
    batch = rng.choice((2, 7, 100))
    return Tuning(
        span_bytes=rng.choice((100, 3_000, 30_000)),
        serve_steps=rng.choice((1, 2, 4)),
        writable_per_turn=rng.choice((1, 3, 16)),
        batch_bytes=rng.choice((100, 3_000, 30_000)),
        batch_messages_min=batch,
        batch_messages_max=4 * batch,
        batch_send_bytes=rng.choice((100, 3_000)),
        batches_per_turn=rng.choice((1, 3, 16)),
        catch_ups=1 << 20,  # who waits at a limit of `block` is held exactly
        topics_remembered=rng.choice((12, 110, 10_000)),
        appends_remembered=rng.choice((3, 10_000)),
        shared_prefixes=rng.choice((0, 1, 4)),
        shared_from=rng.choice((0, 0, 1)),
        owned_from=rng.choice((0, 0, 64)),
        large_change=rng.choice((0, 0, 4)),
        crowd_messages=3,
        parked_after=rng.choice((0, 30)),
        parked_after_ns=0,
        appends_per_look=rng.choice((1, 20)),
        sends_per_look=rng.choice((1, 1, 2)),
        bytes_per_look=0,
        chunk_messages=rng.choice((2, 7, 100)),
        chunk_bytes=rng.choice((100, 3_000, 30_000)),
        chunks_kept=rng.choice((1, 8)),
        census_messages=rng.choice((4, 64)),
        censuses_kept=3,
        checkpoints_per_tick=rng.choice((1, 1_024)),
        older_max=6,
        control_bytes_max=400,
    )


def random_options(rng: Random, log_bytes: int) -> Options:
    return Options(
        workers=rng.choice((1, 1, 2, 3)),
        log_bytes=log_bytes,
        slow_policy=rng.choice(("drop_oldest", "drop_oldest", "block")),
        slow_limit_bytes=rng.choice((0, 0, 1_000, 10_000, log_bytes // 2)),
        send_timeout=rng.choice((0.5, 5.0, 100.0)),
        stall_timeout=rng.choice((0.5, 30.0, 1_000.0)),
        handshake_timeout=1_000.0,
        allow_zmtp_1=True,
        heartbeat_interval=rng.choice((0.0, 3.0)),
        self_service=rng.random() < 0.8,
        self_service_max=rng.choice(("drop_oldest", "block", *BOUNDS)),
    )
