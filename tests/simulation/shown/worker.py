"""A worker that shows newcomers last values: the real turns in simulated surroundings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.workers.worker import Worker
from fanout.zmtp.errors import ProtocolError
from tests.simulation.shown.memory import SteppedValues
from tests.simulation.surroundings import FakeChannel, SimulatedSurroundings
from tests.simulation.turning import Turning
from tests.simulation.violated import Violated

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.shown.world import ShownWorld


class ShownWorker(Turning):
    """One of them."""

    def __init__(self, index: int, world: ShownWorld) -> None:
        self.index = index
        around = self._surroundings(world)
        self.around = around
        self.real = Worker(world.options, around, world.tuning)

    def _surroundings(self, world: ShownWorld) -> Any:
        self.channel = FakeChannel(world.reported, lambda _report: None)
        around: Any = SimulatedSurroundings(self, world, self.channel)  # type: ignore[arg-type]
        around.kept_values = SteppedValues(world.readable, lambda: world.writer_step(self))
        return around

    @property
    def has_more(self) -> bool:
        """Whether another turn would do something for those whose sockets have room."""
        return bool(self.around.loop.asked or self.around.writable.any_ready())

    def run(self, work: Callable[[], None]) -> None:
        """Do a part of a turn, unless it is in one; that it fails is a violation."""
        try:
            self.do(work)
        except (ArithmeticError, AttributeError, LookupError, ProtocolError, ValueError) as error:
            raise Violated(f"a worker fails: {error!r}") from error
