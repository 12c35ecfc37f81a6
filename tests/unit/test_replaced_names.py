"""What the simulation replaces of the product: nothing but what is handed in.

Clock, poller, sockets, the kernel's answers, memory, sizes: a worker and a coordinator get these.
So nothing in a simulation takes the place of a name of the product, but the mistakes that it has
to notice, and what looks on.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "tests" / "simulation"

MISTAKES = "puts a mistake in the place of what is right, to see it noticed"
STORES = "the memory of one object, which others may change between two stores"
LOOKS_ON = "calls what it has replaced, and notes that"
REPLACES = {
    "soonest.py": MISTAKES,
    "test_caught_directly.py": MISTAKES,
    "test_coordinator.py": MISTAKES,
    "test_mutations.py": MISTAKES,
    "test_shown.py": MISTAKES,
    "test_takeovers.py": MISTAKES,
    "test_views.py": MISTAKES,
    "test_replaying.py": "arguments and worlds of the command, which are no part of the product",
    "test_soonest.py": "the timer of the search for seeds, which is no part of a simulation",
    "takeovers/views.py": "checkers of the simulation, of which each view leaves some out",
    "shown/observing.py": LOOKS_ON,
    "shown/observing_takeovers.py": LOOKS_ON,
    "shown/reading.py": LOOKS_ON,
    "takeovers/processes.py": LOOKS_ON,
    "workers.py": LOOKS_ON,
    "shown/memory.py": STORES,
    "takeovers/published.py": STORES,
}


def replaced(text: str) -> list[int]:
    """The lines that put something in the place of a name: of a module, a class or an object."""
    tree = ast.parse(text)
    modules = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    found = [node for node in ast.walk(tree) if _replaces(node, modules)]
    return [getattr(node, "lineno", 0) for node in found]


def _replaces(node: ast.AST, imported: set[str]) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="setattr" | "delattr")):
            return True
        case ast.Attribute(attr="patch" | "setattr" | "setitem" | "delattr"):
            return True
        case ast.ImportFrom(module="unittest.mock"):
            return True
        case ast.Attribute(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
            return name in imported
    return False


@pytest.mark.unmeasured
def test_the_simulation_replaces_no_name_of_the_product() -> None:
    files = {path.relative_to(FOLDER).as_posix(): path for path in FOLDER.glob("**/*.py")}
    found = {name for name, path in files.items() if replaced(path.read_text("utf-8"))}
    assert found == REPLACES.keys(), "hand it in: a part of Surroundings, Tuning or SocketQueues"


@pytest.mark.parametrize(
    "text",
    [
        "mock.patch.multiple(kernel, fcntl=machine)",
        "with mock.patch('fanout.transport.kernel.fcntl'): pass",
        "from unittest.mock import patch",
        "monkeypatch.setattr(listing, 'LOOKED_AT', 4)",
        "setattr(listing, name, 4)",
        "from fanout.workers.stream import listing\nlisting.LOOKED_AT = 4",
        "import fanout.transport.kernel as kernel\ndef run():\n    kernel.fcntl = machine",
    ],
)
def test_what_replaces_a_name_is_found(text: str) -> None:
    assert replaced(text)


def test_what_is_handed_in_replaces_nothing() -> None:
    assert replaced("from x import Worker\nself.now = Worker(surroundings).now\n") == []
