"""Workers of a simulated coordinator, their connections, and what the model knows of them."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, TypeVar

from fanout.control.messages import Closed
from fanout.coordinator.interest import Interest
from fanout.coordinator.ledger import Ledger
from fanout.coordinator.state import make_state
from fanout.coordinator.wrecks import Wrecks
from fanout.events import EventKind
from fanout.options import Options
from fanout.reasons import Reason
from tests.helpers.losses import NoLosses
from tests.simulation.coordinator.promises import AT_ONCE, BACK_OFF

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.coordinator.lost import Unreported
    from fanout.coordinator.roster import Accepted
    from tests.simulation.coordinator.orphans import Orphans
    from tests.simulation.processes import Flag, Peer, Process

T = TypeVar("T")

SLOTS, HALF_OPEN = 8, 5


class Staff:
    """All that there is of one run; everything in it follows from the seed.

    Attributes:
        orphans: is set by who makes it.
    """

    orphans: Orphans

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = rng = Random(seed)
        self.now = rng.uniform(0.0, 1e6)
        self.count = rng.randint(1, 4)
        self.worker_timeout = rng.choice((1.0, 2.0, 7.3))
        self.start_timeout = rng.choice((2.0, 5.0))
        options = Options(
            max_subscribers=SLOTS,
            max_half_open=HALF_OPEN,
            worker_timeout=self.worker_timeout,
            start_timeout=self.start_timeout,
        )
        self.state = make_state(options, self.count, Interest(), Ledger(), self.now)
        self.processes: dict[int, Process] = {}  # by worker; an end that was not seen is here, too
        self.heartbeats = [0] * self.count
        self.progress = [0] * self.count
        self.seen = [(0, 0)] * self.count  # heartbeat and progress
        self.failures = [0] * self.count  # in a row
        self.failed_at = [0.0] * self.count
        self.is_foreign = [False] * self.count  # its last end, and nobody has started it since
        self.at_once: list[float] = []  # when those were started
        self.given_up = [False] * self.count
        self.served = [self.now] * self.count  # when it ended that served, while it does not
        self.is_over = False  # all were given up, and none has served since
        self.holds_back: set[int] = set()  # workers whose words hold the log back
        self.live: dict[int, Peer] = {}
        self.slots: dict[int, int] = {}  # slot -> subscriber
        self.open: set[int] = set()  # descriptors
        self.next_descriptor = 100
        self.accepted = self.refused = self.ended = self.lost = self.times_given_up = 0
        self.told: dict[EventKind, int] = dict.fromkeys(EventKind, 0)
        self.flags: list[Flag] = []
        self.wrecks = Wrecks(self.state, NoLosses(), final_of, lambda: self.now)
        self.looked = self.now
        self.finishing_until: float | None = None
        self.is_calm = False
        self.is_broken = False
        self.kills = 0
        self.has_news = True  # about subscriptions

    @property
    def is_ending(self) -> bool:
        """Whether nobody is to go on any more."""
        return self.state.ledger.closing or self.finishing_until is not None

    def is_due(self, worker: int) -> bool:
        """Whether the back-off of one without a process has passed, or it never had one."""
        failures = self.failures[worker]
        if self.is_foreign[worker]:
            return True
        # The same sum as the product's: what is due now is not due a little later.
        back_off = BACK_OFF[min(failures, len(BACK_OFF)) - 1]
        return not failures or self.now >= self.failed_at[worker] + back_off

    def may_start_at_once(self) -> bool:
        """Whether not so many others were in the last second."""
        return sum(self.now < time + 1.0 for time in self.at_once) < AT_ONCE

    def can_talk(self, process: Process) -> bool:
        """Whether it can report, and does."""
        serves = process.served_since is not None and process.is_alive
        gets_on = process.is_beating and not process.is_standing
        return serves and gets_on and not process.has_hung_up

    def some(self, candidates: Iterable[T]) -> T | None:
        """One of them by chance, None if there is none."""
        found = list(candidates)
        return self.rng.choice(found) if found else None


def final_of(connection: Accepted, cause: Reason, later: Unreported) -> Closed:
    del later
    return end_of(connection.subscriber, cause)


def end_of(subscriber: int, cause: Reason) -> Closed:
    """The end of a connection."""
    evicted = cause not in (Reason.LEFT, Reason.BROKEN, Reason.PUBLISHER_CLOSED)
    return Closed(subscriber, evicted, cause.number, cause.text, 9, 5, 1, 3, 0)
