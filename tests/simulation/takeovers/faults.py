"""Workers die and hang, now or where that hurts, and are more or fewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.takeovers.coming import Coming
from tests.simulation.takeovers.fate import GIVING_UP, TAKING_OVER
from tests.simulation.takeovers.hearing import SIGKILL
from tests.simulation.takeovers.society import EVERYTHING

if TYPE_CHECKING:
    from tests.simulation.takeovers.processes import Process
    from tests.simulation.takeovers.subscriber import Subscriber

CONDEMNED = -6


class Faults(Coming):
    """Brings them about."""

    def _seal(self) -> None:
        """A worker is to die soon; what would bring it there is brought about, perhaps."""
        process = self._process()
        if process is None:
            return
        process.code = self.rng.choice((SIGKILL, SIGKILL, SIGKILL, -11, 1))
        name = process.fate.seal()
        if self.rng.random() < 0.8:
            self._bring_about(name, process)

    def _bring_about(self, name: str, process: Process) -> None:
        """Have a process come to a point of this name, as far as others can."""
        served = self.coordinator.served_by(process.index)
        if name.startswith(TAKING_OVER) or name == "W_RESUMING":
            others = [one for one in self.coordinator.processes.values() if one is not process]
            for other in others[: self.rng.randint(1, 2)]:
                if name.endswith("close"):
                    for subscriber in self.coordinator.served_by(other.index)[:1]:
                        self.subscribers[subscriber].leave()
                self._kill(other)
        elif name.startswith(GIVING_UP):
            for subscriber in served:
                self.coordinator.move(subscriber, self._target())
        elif name in ("close", "shut down"):
            for subscriber in served[:1]:
                self.subscribers[subscriber].leave()
        elif name == "S_ID":
            self._connect()
        elif name in (
            "peek",
            "peek, done",
            "take",
            "take, done",
            "report",
            "set an option",
            "S_TAKEN",
            "S_TAKING",
        ):
            for subscriber in served:
                self.subscribers[subscriber].talk()

    def _kill(self, process: Process) -> None:
        if process.fate.is_alive and not process.is_busy:
            process.fate.end()
            self.died(process)

    def _kill_all(self) -> None:
        for process in list(self.coordinator.processes.values()):
            self._kill(process)

    def _hang(self) -> None:
        process = self._process()
        if process is not None:
            process.is_stopped = True
            self._hanging.append(process)

    def _end_who_hangs(self) -> None:
        for process in self._hanging:
            if process.fate.is_alive and self.coordinator.processes.get(process.index) is process:
                process.code = CONDEMNED
                self.coordinator.condemn(process.index)
        self._hanging.clear()

    def _talk(self) -> None:
        subscriber = self._some()
        if subscriber is None or subscriber.is_leaving:
            return
        if self.takes_back and self.rng.random() < 0.5 and subscriber.take_all_back():
            self._lose_report_of(subscriber)
        else:
            subscriber.talk()

    def _lose_report_of(self, subscriber: Subscriber) -> None:
        """What it has just said is heard, and its worker dies, perhaps before that is reported."""
        subscriber.send(EVERYTHING)
        for process in list(self.coordinator.processes.values()):
            if subscriber.number in self.coordinator.served_by(process.index):
                process.turn()
                if process.works:
                    self._kill(process)

    def _resize(self) -> None:
        self.coordinator.resize(self.rng.randint(1, self.seats))
