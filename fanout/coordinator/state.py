"""State: all that the coordinator's thread owns, as data. No thread, no socket, no process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fanout.coordinator.access import Access
from fanout.coordinator.addresses import Addresses
from fanout.coordinator.answers import Answers
from fanout.coordinator.changes import Changes
from fanout.coordinator.choosing import Choices, choices_for
from fanout.coordinator.holdings import Holdings
from fanout.coordinator.judging import Judging
from fanout.coordinator.keyframes import KeyframesWanted
from fanout.coordinator.roster import Roster
from fanout.coordinator.socket_files import SocketFiles
from fanout.coordinator.staffing import Staffing
from fanout.coordinator.supervision import Supervision
from fanout.coordinator.takeovers import Takeovers
from fanout.terms.addresses import AddressLimits

if TYPE_CHECKING:
    from fanout.control.judging import Secure
    from fanout.coordinator.interest import Interest
    from fanout.coordinator.ledger import Ledger
    from fanout.options import Options


@dataclass(slots=True)
class State:
    """What the coordinator knows; its thread alone changes it.

    `interest` may be asked by any thread.
    """

    roster: Roster
    supervision: Supervision
    staffing: Staffing
    interest: Interest
    ledger: Ledger
    choices: Choices
    max_interest_bytes: int
    answers: Answers = field(default_factory=Answers)
    changes: Changes = field(default_factory=Changes)
    holdings: Holdings = field(default_factory=Holdings)
    access: Access = field(default_factory=Access)
    judging: Judging = field(default_factory=Judging)
    takeovers: Takeovers = field(default_factory=Takeovers)
    keyframes: KeyframesWanted = field(default_factory=KeyframesWanted)
    socket_files: SocketFiles = field(default_factory=SocketFiles)
    duplicates: dict[int, int] = field(default_factory=dict)  # subscriber -> our descriptor of it
    secure: dict[str, Secure] = field(default_factory=dict)  # by protocol: what workers need for it

    def restart(self, now: float) -> int:
        """Have those that serve replaced, and start the others; returns how many."""
        return self.supervision.restart(now) + self.staffing.replace_all()


def make_state(
    options: Options, workers: int, interest: Interest, ledger: Ledger, now: float
) -> State:
    """Nobody is connected, and no worker was started.

    Args:
        now: seconds of the clock by which the workers are watched.
    """
    limits = AddressLimits(
        options.address_subscribers,
        options.address_half_open,
        options.max_connects_per_address,
        "max_subscribers_per_address",
    )
    supervision = Supervision(workers, options.worker_timeout, options.start_timeout, now)
    return State(
        Roster(workers, options.max_subscribers, options.max_half_open, Addresses(limits)),
        supervision,
        Staffing(supervision.lives, workers),
        interest,
        ledger,
        choices_for(options),
        options.max_interest_bytes,
    )
