"""Who may import whom: one allow-list, no circle, and no more floors than one can keep in mind.

A *room* is a package, or some files that belong together. What a room may import is listed; what is
not listed is forbidden, imports for type checking included, since they tell what a file knows of.
`docs/design/README.md` has the picture.
"""

from __future__ import annotations

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import combinations
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "fanout"
FLOORS_MAX = 10

# A room, and what is in it: modules and packages (with all below that is in no room of its own).
ROOMS: dict[str, tuple[str, ...]] = {
    "basics": ("fanout.basics",),
    "words": ("fanout._platform", "fanout.errors", "fanout.events", "fanout.reasons"),
    "terms": ("fanout.terms",),
    "figures": ("fanout.statistics",),
    "reporting": ("fanout.reporting",),
    "options": ("fanout.options",),
    "compiled": ("fanout._boxes", "fanout._speed", "fanout.compiled"),
    "zmtp": ("fanout.zmtp",),
    "security": ("fanout.security",),
    "auth": ("fanout.auth",),
    "layout": ("fanout.shm.layout", "fanout.shm.value_layout"),
    "shm": ("fanout.shm",),
    "control": ("fanout.control",),
    "kernel": (
        *("fanout.transport.kernel", "fanout.transport.kernel_queues"),
        *("fanout.transport.left_file", "fanout.transport.socket_queues"),
    ),
    "transport": ("fanout.transport",),
    "subscriber": ("fanout.subscriber",),
    "sockets": ("fanout.sockets",),
    "send": ("fanout.send",),
    "ingress": ("fanout.ingress",),
    "answers": ("fanout.answers",),
    "coordinator": ("fanout.coordinator",),
    "tuning": ("fanout.workers.tuning",),
    "stream": ("fanout.workers.stream",),
    "policy": ("fanout.workers.policy",),
    "surroundings": (
        *("fanout.workers.connections.sessions", "fanout.workers.naps"),
        *("fanout.workers.surroundings", "fanout.workers.tail"),
    ),
    "connections": ("fanout.workers.connections",),
    "workers": ("fanout.workers",),
    "observe": ("fanout.observe",),
    "questions": ("fanout.engine.questions",),
    "workforce": ("fanout.engine.workforce",),
    "desks": ("fanout.engine.desks",),
    "engine": ("fanout.engine",),
    "producer": (
        "fanout.faces.producer",
        "fanout.faces.awaited_producer",
        "fanout.faces.given_up",
        "fanout.faces.troubles",
    ),
    "publisher": ("fanout", "fanout.faces", "fanout.publisher"),
    "asyncio": (
        "fanout.asyncio",
        "fanout.faces.awaited_answering",
        "fanout.faces.awaited_audience",
        "fanout.faces.awaited_binding",
        "fanout.faces.awaited_intake",
    ),  # which uses nothing of the blocking one
    "cli": ("fanout.__main__", "fanout.cli"),
}

# What all may import that are none of these.
WORDS = {"basics", "figures", "layout", "options", "reporting", "terms", "words"}
MAY_IMPORT: dict[str, set[str]] = {
    "compiled": set(),
    "zmtp": set(),
    "security": WORDS | {"compiled", "zmtp"},
    "auth": {"security"},
    "layout": set(),
    "basics": set(),
    "words": set(),
    "terms": {"words"},
    "figures": {"terms", "words"},
    "reporting": {"words"},
    "options": {"basics", "layout", "terms", "words"},
    "shm": WORDS | {"compiled"},
    "control": WORDS,
    "kernel": WORDS,
    "transport": WORDS | {"kernel"},
    "subscriber": WORDS | {"security", "transport", "zmtp"},
    "sockets": WORDS | {"subscriber", "transport", "zmtp"},
    "send": WORDS | {"compiled", "shm", "zmtp"},
    "ingress": WORDS | {"send", "shm", "transport", "zmtp"},
    "desks": WORDS | {"send", "shm", "transport"},
    "answers": WORDS | {"send", "shm", "sockets", "subscriber", "transport", "zmtp"},
    "coordinator": WORDS | {"control", "kernel", "security", "shm", "transport", "zmtp"},
    "tuning": set(),
    "policy": WORDS,
    "stream": WORDS | {"policy", "shm", "tuning", "zmtp"},
    "surroundings": WORDS | {"control", "kernel", "security", "shm", "stream", "zmtp"},
    "connections": WORDS
    | {"control", "kernel", "policy", "security", "shm", "stream", "surroundings", "zmtp"},
    "workers": WORDS
    | {"connections", "control", "policy", "shm", "stream", "surroundings", "tuning"},
    "observe": WORDS | {"shm"},
    "questions": WORDS | {"observe"},
    "workforce": WORDS,
    "engine": WORDS
    | {"coordinator", "desks", "ingress", "observe", "questions", "send", "shm", "transport"}
    | {"security", "workforce"},
    "producer": WORDS | {"send", "sockets", "subscriber"},
    "publisher": WORDS | {"answers", "engine", "producer", "security", "send", "subscriber"},
    "asyncio": WORDS | {"answers", "engine", "producer", "security", "send", "subscriber"},
    "cli": WORDS | {"auth", "compiled", "observe", "publisher", "subscriber", "transport"},
}


@cache
def modules() -> dict[str, Path]:
    """Every module of the product, by its dotted name."""
    found = {}
    # A stub stands for what is compiled. ** does not follow the link to the workers.
    for pattern in ("**/*.py", "**/*.pyi", "workers/**/*.py"):
        for path in (ROOT / PACKAGE).glob(pattern):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(tree: ast.AST) -> set[str]:
    """The modules of the product that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                names.add(name if name in modules() else node.module)
    return names & modules().keys()


@cache
def arrows() -> dict[str, set[str]]:
    """Which modules each module imports."""
    return {
        name: imported(ast.parse(path.read_text(encoding="utf-8"))) - {name}
        for name, path in modules().items()
    }


def room_of(module: str) -> str:
    """The room of a module: that of the longest name which it is in; `fanout` is itself only."""
    best = max(
        (
            (len(name), room)
            for room, names in ROOMS.items()
            for name in names
            if module == name or (name != PACKAGE and module.startswith(f"{name}."))
        ),
        default=None,
    )
    assert best is not None, f"{module} is in no room: add it to ROOMS"
    return best[1]


def test_every_module_is_in_a_room_and_every_name_is_of_a_module() -> None:
    assert {room_of(module) for module in modules()} == ROOMS.keys() == MAY_IMPORT.keys()
    missing = [name for names in ROOMS.values() for name in names if name not in modules()]
    assert missing == []


def test_nobody_imports_what_it_may_not() -> None:
    violations = [
        f"{module} ({room_of(module)}) imports {other} ({room_of(other)})"
        for module, others in sorted(arrows().items())
        for other in sorted(others)
        if room_of(other) not in MAY_IMPORT[room_of(module)] | {room_of(module)}
    ]
    assert violations == []


# Who knows the whole of them: nobody but who makes them. All others get the parts that they need,
# or say by a protocol of their own what that is.
MADE_BY = {
    "fanout.coordinator.coordinator": {"fanout.engine.engine"},
    "fanout.workers.worker": {"fanout.workers.main"},
    "fanout.publisher": {"fanout", "fanout.cli.serve.command"},
    "fanout.asyncio": set(),
}


@pytest.mark.parametrize("whole", MADE_BY)
def test_nobody_is_handed_a_whole(whole: str) -> None:
    """Imports for types tell of it; what is handed to others is never `self`."""
    assert whole in modules()
    assert {name for name, others in arrows().items() if whole in others} == MADE_BY[whole]


# `warnings.warn` prints where its `source` was made, a weak reference keeps nothing by what it is,
# the last is what `=` does to what has no `__setattr__` of its own.
KEEP_NOTHING = {"hasattr", "warnings.warn", "weakref.ref", "object.__setattr__"}


def has_self(node: ast.AST) -> bool:
    """Whether `self` is in what an expression makes; a part of it or a text about it is not."""
    if isinstance(node, ast.Name):
        return node.id == "self"
    if isinstance(node, ast.Call):
        return False  # what that is handed is looked at by itself
    if isinstance(node, (ast.Attribute, ast.FormattedValue)) and isinstance(node.value, ast.Name):
        return False
    return any(map(has_self, ast.iter_child_nodes(node)))


def handed_on(tree: ast.AST) -> list[int]:
    """Lines where an object hands itself to something else, or gives itself another name.

    It may hand itself to a method of a class that it inherits from, and to `KEEP_NOTHING`. What it
    returns is for who has it already.
    """
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    allowed = {ast.unparse(base) for each in classes for base in each.bases}
    lines = []
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Call, ast.Assign, ast.AnnAssign, ast.NamedExpr)):
            continue
        given = []
        if isinstance(node, ast.Call):
            of = ast.unparse(node.func)
            if of not in KEEP_NOTHING and of.rpartition(".")[0] not in allowed:
                given = [*node.args, *(keyword.value for keyword in node.keywords)]
        elif node.value is not None:
            given = [node.value]
        if any(map(has_self, given)):
            lines.append(node.lineno)
    return lines


@pytest.mark.parametrize("whole", MADE_BY)
def test_none_hands_itself_on(whole: str) -> None:
    tree = ast.parse(modules()[whole].read_text(encoding="utf-8"))
    assert handed_on(tree) == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("f(self)", [1]),
        ("f(1,\n*self, key=self)", [1]),
        ("self.part.take(self)", [1]),
        ("f((1, self))", [1]),
        ("f({1: [self]})", [1]),
        ("f(lambda: self)", [1]),
        ("f(lambda one=self: one.part)", [1]),
        ("other.whole = self", [1]),
        ("f(me := self)", [1, 1]),
        ("from fanout.send import path\npath.append(self)", [2]),
        ("class Whole(Verbs): ...\nVerbs.publish(self, 1)", []),
        ("class Whole(send.Verbs): ...\nsend.Verbs.publish(self, 1)", []),
        ("warnings.warn(f'unclosed {self!r}', source=self)", []),
        ("f(f'{self}', lambda: self.part.take())", []),
        ("f(self.part)", []),
    ],
)
def test_who_hands_itself_on_is_found(text: str, lines: list[int]) -> None:
    assert handed_on(ast.parse(text)) == lines


def test_nothing_is_allowed_that_nobody_does() -> None:
    """An allowance that is not used any more would hide the next mistake."""
    used = {(room_of(a), room_of(b)) for a, others in arrows().items() for b in others}
    unused = [
        f"{room} need not import {other}"
        for room, others in MAY_IMPORT.items()
        for other in others - WORDS
        if (room, other) not in used
    ]
    assert unused == []


# Names that stand for what is the same of two kinds, or for what users do not meet with the other.
PARALLELS = {
    # With and without asyncio; and the role that a socket plays.
    *("Batch", "Producer", "Subscriber", "Socket", "Sending", "Receiving"),
    *("Push", "Pull", "Req", "Rep", "Dealer", "Router", "Sub"),
    *("Core", "Inbox", "Plug"),  # of a subscriber, and of a socket
    *("CurveClient", "PlainClient"),  # as users say it, and its side of the handshake
    *("Move", "Staffed", "Untold"),  # what others know of it, and itself
    *("Intake", "Rates", "Reading", "Screen"),  # of a command
}


def test_a_name_stands_for_one_class_where_two_could_be_met() -> None:
    """In one room, or in two of which one may import the other, or a third may import both."""
    seen_from = [{room, *others} for room, others in MAY_IMPORT.items()]
    met: dict[str, list[str]] = {}
    for module, path in modules().items():
        if path.suffix == ".py":
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    met.setdefault(node.name, []).append(module)
    doubled = {
        name
        for name, where in met.items()
        for one, other in combinations(map(room_of, where), 2)
        if any(one in rooms and other in rooms for rooms in seen_from)
    }
    assert doubled == PARALLELS, {name: met[name] for name in doubled ^ PARALLELS if name in met}


def test_there_is_no_circle_of_imports() -> None:
    try:
        TopologicalSorter(arrows()).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_there_is_no_circle_of_rooms() -> None:
    TopologicalSorter(MAY_IMPORT).prepare()  # raises CycleError


def entry_of(module: str) -> str:
    """What a reader sees who lists the package: a file or a folder."""
    return module if module == PACKAGE else ".".join(module.split(".")[:2])


def test_there_are_few_floors() -> None:
    """Each entry stands above all that it imports; the package's face imports when asked only."""
    below: dict[str, set[str]] = {}
    for module, others in arrows().items():
        if module != PACKAGE:
            entry = entry_of(module)
            below.setdefault(entry, set()).update(map(entry_of, others - {PACKAGE}))
            below[entry].discard(entry)
    sorter = TopologicalSorter(below)
    sorter.prepare()
    floors = 0
    while sorter.is_active():
        floors += 1
        sorter.done(*sorter.get_ready())
    assert floors <= FLOORS_MAX


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import fanout.shm.layout", {"fanout.shm.layout"}),
        ("from fanout.shm import layout as at", {"fanout.shm.layout"}),
        ("from fanout.shm.layout import PAGE", {"fanout.shm.layout"}),
        ("def f():\n    if TYPE_CHECKING:\n        from fanout.shm import log", {"fanout.shm.log"}),
        ("import os, msgpack", set()),
    ],
)
def test_imports_are_found_wherever_they_stand(text: str, expected: set[str]) -> None:
    assert imported(ast.parse(text)) == expected


@pytest.mark.parametrize("name", ["fanout.shm", "fanout.workers.stream.pump", "fanout"])
def test_the_modules_are_those_of_the_tree(name: str) -> None:
    assert name in modules()
