"""What is drawn for a seed before anything happens: how often what may happen, and options."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

from fanout.options import Options
from fanout.shm import layout as at
from fanout.shm.layout import Layout
from fanout.shm.value_layout import H_VALUE_TOPICS, NO_TABLE
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.tuning import Tuning
from tests.simulation.policies import random_policy
from tests.simulation.takeovers.dying import LastFate
from tests.simulation.takeovers.fate import (
    GIVING_UP,
    NAMED,
    OF_PUBLISHER,
    RARE,
    SOUGHT,
    TAKING_OVER,
    UNIX_STORES,
)
from tests.simulation.takeovers.memory import new_memory
from tests.simulation.takeovers.shown import TABLE, shown_at_once

MILLISECOND = 1_000_000
SLOTS = 6
SEATS = 4  # workers that there may be
LOG_BYTES = 64 * 1024
POLICIES = (
    SlowPolicy("block"),
    SlowPolicy("block"),
    SlowPolicy("block"),
    SlowPolicy("drop_oldest"),
    SlowPolicy("drop_oldest", limit_bytes=2_000),
    SlowPolicy("drop_oldest", limit_messages=3),
    SlowPolicy("conflate"),
    SlowPolicy("conflate", min_interval=0.3),
    SlowPolicy("drop_newest", limit_messages=3),
    SlowPolicy("disconnect", limit_messages=40),
)
BOUNDS = (
    SlowPolicy(limit_bytes=1_000, limit_messages=20, limit_age=1.0, max_rate=500_000),
    SlowPolicy("block", limit_messages=2),
)
SIZES = ((0, 9), (9, 60, 300), (60, 3_000, 9_000), (9_000,))  # of payloads
LATE_FROM = 10_000  # seeds from here on have subscribers that catch up
BACK_FROM = 20_000  # from here on others, that take back all they have said of themselves
SHOWN_FROM = 30_000  # from here on others, that are sent last values
RARE_FROM = 40_000  # from here on workers die where they seldom are
SEALED_FROM = 50_000  # from here on subscribers come with CURVE, and are given up often
ORPHANED_FROM = 60_000  # from here on the publisher dies, and tasks are cancelled
HALF_FROM = 70_000  # from here on subscribers end their side of the connection, and read on
DEVOTED_FROM = 80_000  # from here on all workers die where they seldom are, if anywhere
HELD_FROM = 100_000  # from here on the publisher waits at limits of `block`, as it is allowed
MIXED_FROM = 90_000  # from here on subscribers end their side where there is one of these as well:
MIXED = SEALED_FROM, SHOWN_FROM, ORPHANED_FROM  # by seed


class Chances:
    """Of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = rng = Random(seed)
        self.own = own = Random(~seed)  # another one, that the others come as they came before it
        self.now = 10_000 * MILLISECOND
        mixed = MIXED[seed % len(MIXED)] if _kind_of(seed) == MIXED_FROM else 0
        self.seals = SEALED_FROM in (mixed, _kind_of(seed))
        self.dies = ORPHANED_FROM in (mixed, _kind_of(seed))
        self.is_held = _kind_of(seed) == HELD_FROM
        self.halves = mixed > 0 or _kind_of(seed) == HALF_FROM
        self.is_devoted = _kind_of(seed) == DEVOTED_FROM
        named = {RARE_FROM: RARE, DEVOTED_FROM: SOUGHT}.get(_kind_of(seed), NAMED)
        if self.seals:
            named = tuple(name for name in NAMED if name.startswith((GIVING_UP, TAKING_OVER)))
        self.favourite = named[seed % len(named)]  # so that each kill point has its seeds
        self.kills: Counter[str] = Counter()
        self.resumed = self.moved = self.deliveries = 0
        self.reasons: Counter[str] = Counter()
        self.count = rng.choice((2, 2, 3))
        self.seats = SEATS
        self.is_calm = False
        self.eager = rng.choice((0.0, 0.01, 0.05))  # chance that others have their turn in between
        self.haste = rng.choice((0.0, 0.0, 0.05, 0.5))  # that a part of a turn has to end
        self.prompt = rng.choice((0.5, 0.9, 1.0))  # that what was sent is read in a turn
        self.packets = own.choice((1, 3))  # that a channel takes while nobody reads them
        is_named = self.favourite.rpartition(": ")[2] in UNIX_STORES
        self.unix = 1.0 if is_named else own.choice((0.0, 0.0, 0.3, 1.0))  # of all that connect
        self.past = Random(f"past {seed}")  # as above
        self.last = LastFate(self.past, OF_PUBLISHER[seed % len(OF_PUBLISHER)], self.kills)
        self.orphaned = 0  # subscribers that were to be sent all, when the publisher was dead
        # Of those who connect, that they ask for what they have missed.
        self.late = self.past.choice((0.5, 1.0)) if _kind_of(seed) == LATE_FROM else 0.0
        self.refuses = own.random() < 0.1  # a sandbox does not let anybody count what is looked at
        self.short = rng.choice((0.0, 0.0, 0.0, 0.3))  # chance that there is no memory
        self.policy = rng.choice((*POLICIES, random_policy(rng), random_policy(rng)))
        self.chatty = rng.choice((0.0, 0.0, 0.1, 0.3))  # how often they say something of themselves
        self.takes_back = _kind_of(seed) == BACK_FROM
        self.shows = SHOWN_FROM in (mixed, _kind_of(seed))
        self._bound_by_kind()
        self.options = _options(rng, self.count, self.policy)
        self.tuning = replace(_tuning(rng), show=shown_at_once(seed))
        self.entries = 1 << rng.randint(4, 8)
        table = TABLE if self.shows else NO_TABLE
        self.segment = new_memory(Layout(LOG_BYTES, self.entries, SLOTS, table=table))
        if self.shows:
            self.segment.words[H_VALUE_TOPICS] = table.places
        self.segment.words[at.H_EPOCH] = 1

    def _bound_by_kind(self) -> None:
        """Some kinds of seeds leave less to chance."""
        if self.takes_back:  # and their reports wait for one another
            self.chatty, self.packets = max(self.chatty, 0.3), 1
        if self.seed >= RARE_FROM and "an area" in self.favourite:  # where they have something anew
            self.policy = SlowPolicy("drop_newest", limit_messages=3)
        if self.is_devoted:
            self.short, self.prompt = 0.0, 0.5
            if self.favourite.startswith(f"{GIVING_UP}: an area"):  # when it begins to rest, say
                self.policy = SlowPolicy("conflate", min_interval=0.3)
        if self.shows or self.seals:
            self.policy, self.chatty = SlowPolicy("block"), 0.0
        if self.is_held:
            self.policy = SlowPolicy("block", limit_messages=self.seed % 4 + 1)
        if self.seals:
            self.short = 0.0


def _kind_of(seed: int) -> int:
    """The first seed of its kind."""
    return seed - seed % 10_000


def _options(rng: Random, workers: int, policy: SlowPolicy) -> Options:
    return Options(
        workers=workers,
        log_bytes=LOG_BYTES,
        slow_policy=policy,
        send_timeout=1_000.0,
        stall_timeout=1_000.0,
        handshake_timeout=1_000.0,
        heartbeat_interval=rng.choice((0.0, 0.0, 2.0)),
        heartbeat_timeout=1_000.0,
        max_subscribers=SLOTS,
        allow_zmtp_1=True,
        self_service_max=rng.choice(("drop_oldest", "block", *BOUNDS)),
    )


def _tuning(rng: Random) -> Tuning:
    batch = rng.choice((2, 7, 100))
    return Tuning(
        span_bytes=rng.choice((100, 3_000, 30_000)),
        serve_steps=rng.choice((1, 4)),
        bytes_per_look=0,
        writable_per_turn=rng.choice((1, 16)),
        batch_bytes=rng.choice((100, 30_000)),
        batch_messages_min=batch,
        batch_messages_max=4 * batch,
        batch_send_bytes=rng.choice((100, 3_000)),
        batches_per_turn=rng.choice((1, 16)),
        topics_remembered=rng.choice((110, 10_000)),
        shared_from=rng.choice((0, 1)),
        crowd_messages=3,
        chunk_messages=rng.choice((2, 100)),
        chunk_bytes=rng.choice((100, 30_000)),
        checkpoints_per_tick=rng.choice((1, 1_024)),
    )
