"""The end: no chance any more, and everybody gets all that is left for him."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.processes import Flag
from tests.simulation.takeovers.accounts import require_accounts
from tests.simulation.takeovers.chances import MILLISECOND
from tests.simulation.takeovers.faults import Faults
from tests.simulation.takeovers.society import EVERYTHING
from tests.simulation.violated import StuckError

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS_MAX = 5_000  # until everybody has everything; 100 bytes in each may be all that is sent


class Settling(Faults):
    """Comes to rest, and looks at what there is then."""

    def _catch_up(self) -> None:
        """No chance any more: everybody must get everything that is left for him."""
        self.is_calm = True
        self._end_who_hangs()
        for one in self.subscribers.values():
            one.connection.send_buffer = one.connection.peer_buffer = EVERYTHING
        for process in self.coordinator.processes.values():
            process.fate.spare()
        self._settle(self._left)
        flag = Flag()
        self.coordinator.ask(flag)
        self._settle(lambda: "" if flag.times else "a question has no answer")
        require_accounts(self)

    def _settle(self, left: Callable[[], str]) -> None:
        """Go on until nothing is left, by what that says."""
        for number in range(ROUNDS_MAX):
            self._calm_round(tick=number % 8 == 7)
            if number % 4 == 3 and not left():
                return
        raise StuckError(f"it does not come to rest: {left()}")

    def _calm_round(self, *, tick: bool) -> None:
        self.now += 20 * MILLISECOND
        self.coordinator.turn()
        self.publisher.try_again()
        for subscriber in list(self.subscribers.values()):
            subscriber.send(EVERYTHING)
            while subscriber.connection.acknowledge() or subscriber.read(EVERYTHING):
                pass
            if subscriber.is_half_closed:  # so that no heartbeat finds out whether it is there
                subscriber.connection.keep_alive()
        for process in list(self.coordinator.processes.values()):
            if tick:
                process.tick()
            process.turn()

    def _left(self) -> str:
        """What is left to be done, for people; empty = nothing."""
        if not self.coordinator.is_settled:
            return f"workers {self.coordinator.state.supervision.ready} serve"
        if self.publisher.waiting:
            return "there is no room in the log"
        head = self.publisher.head
        for number, one in self.subscribers.items():
            if one.is_leaving:
                return f"{number} has left"
            missing = one.lacks(head)
            if missing:
                return f"{number} has not got {missing}"
        busy = [one.index for one in self.coordinator.processes.values() if one.is_behind(head)]
        return f"workers {busy} are busy" if busy else ""
