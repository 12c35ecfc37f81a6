"""Which process of xdist runs which test, and what is done when one of them crashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.workermanage import WorkerController

# Folders and files whose tests run in one process, since they share what is dear to make.
TOGETHER = ("tests/packaging/",)
# Folders and files of which each file runs in one process: the same, or they are so short that it
# takes longer to have them go round one by one.
BY_FILE = (
    "tests/unit/",
    *(
        f"tests/integration/test_{name}.py"
        for name in ("arguments", "calls", "conflating", "refusals", "sending", "starting_workers")
    ),
    "tests/integration/test_top.py",
    *("tests/interop/test_raw_peers.py", "tests/interop/test_subscribing.py"),
    *("tests/interop/test_serve.py", "tests/interop/test_sub.py"),  # one process loads for all
)
# These begin, the longest first, so that no process is left alone with one of them in the end.
FIRST = (
    "tests/packaging/",
    "tests/integration/test_chaos.py",
    "tests/integration/test_starting_workers.py",
    "tests/interop/test_raw_peers.py",
    "tests/interop/test_subscribing.py",
    "tests/simulation/test_simulation.py",
)
# These take a core while they run; the others wait, for processes and times, most of the time. Of
# each `IN_TURN` processes one runs these, as long as there are any, and the others those: else all
# would wait first, while cores have nothing to do, and then get in each other's way. On two cores
# that is one of five: those that wait take a third of a core each, with all that they start.
COMPUTING = ("tests/property/", "tests/simulation/", "tests/unit/")
IN_TURN = 4


class Together(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives each process the next test, but some folders and files to one."""

    def mark_test_complete(
        self, node: WorkerController, item_index: int, duration: float = 0
    ) -> None:
        """Forget what is done, as soon as it is: xdist looks through all after each test."""
        nodeid = self.registered_collections[node][item_index]
        units, scope = self.assigned_work[node], self._split_scope(nodeid)
        units[scope][nodeid] = True
        if all(units[scope].values()):
            del units[scope]
        self._reschedule(node)

    def remove_node(self, node: WorkerController) -> str | None:
        """Give what a process has left to the others; returns in which test it has crashed.

        That one has failed. xdist has it run by the others, which crash as well, one by one.
        """
        units: dict[str, dict[str, bool]] = self.assigned_work.pop(node)
        left = ((unit, test) for unit in units.values() for test in unit if not unit[test])
        if (first := next(left, None)) is None:
            return None
        unit, crashed = first
        unit[crashed] = True
        self.workqueue.update(
            {scope: unit for scope, unit in units.items() if not all(unit.values())}
        )
        for other in self.nodes:
            self._reschedule(other)
        return crashed

    def _reschedule(self, node: WorkerController) -> None:
        """Give it more, so that it has two: it runs none before it knows the next one.

        One that takes the place of a crashed one looks for the tests first, and is asked again
        when it knows of them.
        """
        if node in self.registered_collections:
            super()._reschedule(node)
            while not node.shutting_down and self._pending_of(self.assigned_work[node]) < 2:
                super()._reschedule(node)

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Give it the next unit of its kind, or if there is none the next."""
        computes = self.nodes.index(node) % IN_TURN == 1
        own = (scope for scope in self.workqueue if scope.startswith(COMPUTING) is computes)
        if (scope := next(own, None)) is not None:
            self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(BY_FILE):
            return nodeid.partition("::")[0]
        return next((name for name in TOGETHER if nodeid.startswith(name)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Give each process the next test, but some folders and files to one.

    See `FIRST` and `COMPUTING` as well.

    xdist's marks for groups are not heeded under pytest 9.2, and nothing says so.
    """
    config.option.loadscopereorder = False  # by how many tests they have

    return Together(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put those first that are to begin, where several processes share the tests."""
    if hasattr(config, "workerinput"):
        ranks = {name: rank for rank, name in enumerate(FIRST)}
        items.sort(
            key=lambda item: next(
                (rank for name, rank in ranks.items() if item.nodeid.startswith(name)), len(ranks)
            )
        )
