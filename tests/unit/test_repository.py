"""The rules of the repository, executable: sizes, imports, documentation, words."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import tomllib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fanout.shm import layout, value_layout
from tests.helpers.without_unit_test import WITHOUT_UNIT_TEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]

FILE_LINES_MAX = 350  # one idea for each file
FUNCTION_LINES_MAX = 50  # what fits on a screen; the docstring is not counted
COMPILED_LINES_MAX = 800  # of code in C of what appends: without comments and empty lines
BOXES_LINES_MAX = 250  # of what seals

CORE_DEPENDENCIES = {"multiprocess", "msgpack", "psutil"}

# Files that need an extra: others import them only where they are used, inside a function.
USES_EXTRAS = {
    "fanout/cli/serve/live.py": "fanout.cli.serve.live",
    "fanout/cli/top/screen.py": "fanout.cli.top.screen",
}

NUMBERS_OF_WORDS = {
    name
    for each in (layout, value_layout)
    for name in vars(each)
    if re.match(r"(H|WC?|S|C|K|E)_", name)
}

# Public names are imported when they are asked for; `tests/unit/test_public_names.py` holds what it
# says to type checkers against what it does.
IMPORTS_BY_NAME = {"fanout/__init__.py"}

WITHOUT_UNIT_TEST_MAX = 114  # to be lowered with each that is tested, and never raised

# Unit tests that are about no single file, and what they are about.
ABOUT_SEVERAL = {
    "test_checked.py": "what tests say: tests/helpers/checked.py",
    "test_documentation.py": "docs/",
    "test_finalizers.py": "all classes with a `__del__`",
    "test_guarded_loops.py": "all loops in blocks that an interruption has to leave in order",
    "test_limits.py": "docs/reference/options.md: limits that are not options",
    "test_holdings.py": "what tests leave behind: tests/helpers/programs.py",
    "test_patient.py": "when sockets of tests are named: tests/helpers/patient.py",
    "test_relays.py": "what relays of tests leave open: tests/helpers/tls.py",
    "test_public_names.py": "fanout/__init__.py",
    "test_replaced_names.py": "tests/simulation/",
    "test_repository.py": "the repository",
    "test_time_of_day.py": "who asks for the time of day",
    "test_waiting.py": "what tests wait for: tests/helpers/stock.py and filling.py",
    "test_structure.py": "who imports whom",
    "benchmarks/test_counting.py": "scripts/benchmarks/receiver.py and workloads/",
    "benchmarks/test_loaded_children.py": "children in tests: tests/helpers/loaded_children.py",
    "benchmarks/test_pausing.py": "scripts/benchmarks/pausing/ and workloads/takeover.py",
    "benchmarks/test_workloads.py": "scripts/benchmarks/workloads/",
    "coordinator/test_aborting.py": "a rule of fanout/coordinator/supervision.py",
    "coordinator/test_debts.py": "debts of addresses: addresses.py, and what reports tell it",
    "coordinator/test_releasing.py": "the end of a coordinator, whatever a step of it raises",
    "coordinator/test_mutations.py": "supervision, and the checks of it",
    "coordinator/test_supervision_ends.py": "ends of workers: supervision.py, pace.py, exits.py",
    "send/test_compiled_mistakes.py": "what compiled code is handed that is wrong: fanout/speed/",
    "send/test_compiled_verbs.py": "verbs that are compiled: {arguments,sending,verbs}.h",
    "send/test_path_enlarging.py": "more workers than at the start: path.py",
    "shm/test_order.py": "the order of stores and loads of all records",
    "shm/test_records.py": "header, slots, cards, clock and ends",
    "subscriber/test_marks_by_name.py": "which last values are to come: due.py, losses.py, past.py",
    "workers/connections/test_releasing_sealed.py": "who is in boxes: releasing.py and resuming.py",
    "workers/connections/test_resuming_slow.py": "who loses messages: resuming.py and records.py",
    "workers/connections/test_values_at_once.py": "values at once: replays.py and reading.py",
    "workers/stream/test_beside_sealed.py": "what waits for who is sealed: sealed_turns.py",
    "workers/stream/test_changing.py": "changes of wants: members.py and cohorts.py",
    "workers/stream/test_held.py": "who is held: judging.py, losing.py and members.py",
    "workers/stream/test_marks.py": "marks and gaps: backlog.py and telling.py",
    "zmtp/test_corpus.py": "streams that were recorded",
    "zmtp/test_long_runs.py": "runs of frames that are alike: frames.py and session.py",
    "zmtp/test_rules.py": "docs/design/connections.md, R1 to R11",
    "shm/test_floor.py": "log.py and a worker's tail: how both meet",
}

FANOUT = ("fanout/**/*.py",)
WORKERS = ("workers/**/*.py",)
PRODUCT = FANOUT + WORKERS
COMPILED = ("fanout/**/*.c", "fanout/**/*.h")

# Pure files decide and compute. What they need of the world (time, chance, bytes) is passed in.
# They say so in their first paragraph; or they are in one of these packages, where all are; or they
# are listed below.
SAYS_PURE = re.compile(r'^""".*\bPure\b')
PURE_PACKAGES = ("fanout/zmtp/**/*.py", "workers/stream/**/*.py", "workers/policy/**/*.py")
PURE_UNSAID = (
    "fanout/answers/role.py",
    "fanout/answers/survey.py",
    "fanout/cli/top/watching.py",
    "fanout/control/messages.py",
    "fanout/coordinator/interest.py",
    "fanout/coordinator/state.py",
    "fanout/errors.py",
    "fanout/events.py",
    "fanout/ingress/splitting.py",
    "fanout/ingress/terms.py",
    "fanout/terms/introduction.py",
    "fanout/reasons.py",
    "fanout/send/attempt.py",
    "fanout/send/topics.py",
    "fanout/sockets/errors.py",
    "fanout/statistics.py",
    "fanout/subscriber/inbox.py",
    "fanout/subscriber/parsing.py",
    "fanout/transport/endpoints.py",
)


def _says_pure(path: Path) -> bool:
    first, _, _ = path.read_text(encoding="utf-8").partition("\n\n")
    return SAYS_PURE.search(" ".join(first.split())) is not None


SAID_PURE = tuple(
    path.relative_to(ROOT).as_posix()
    for pattern in PRODUCT
    for path in sorted(ROOT.glob(pattern))
    if _says_pure(path)
)
PURE = PURE_PACKAGES + PURE_UNSAID + SAID_PURE

# A lock is allowed: it guards memory, and waits for no more than that.
IMPURE_MODULES = {
    *("asyncio", "concurrent", "ctypes", "datetime", "fcntl", "importlib", "logging", "mmap"),
    *("multiprocess", "multiprocessing", "uuid"),
    *("os", "pathlib", "psutil", "random", "secrets", "select", "selectors", "shutil", "signal"),
    *("socket", "ssl", "subprocess", "tempfile", "time"),
}

# Paths that exist on one machine only, and hosts of package registries.
BANNED_TEXT = re.compile(
    r"/(?:root|home|work|opt|Users)/\w|/tmp/(?:venv|contract)|(?:pypi|pythonhosted)\.org",
)


@dataclass(frozen=True)
class Source:
    """A file of the project, in Python or C."""

    path: str  # relative to the root
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All of the tree: most rules look at each."""
        return list(ast.walk(self.tree))

    def imports(self, *, at_import_only: bool = False) -> Iterator[tuple[int, str]]:
        """Line and dotted name of everything imported; `from a import b` is both a and a.b."""
        nodes = _run_at_import(self.tree) if at_import_only else self.nodes
        for node in nodes:
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                module = "." * node.level + (node.module or "")
                yield node.lineno, module
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def _run_at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run when the module is imported: not function bodies, not `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _run_at_import(child)


@cache
def _source(path: Path) -> Source:
    return Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))


@cache
def _sources(patterns: tuple[str, ...]) -> list[Source]:
    """The files that match, which are read and parsed once for all rules."""
    return [_source(path) for path in sorted({p for each in patterns for p in ROOT.glob(each)})]


@pytest.fixture(scope="module", autouse=True)
def _parsed() -> Iterator[None]:
    """Each collection of garbage would look at all of that during the tests that follow."""
    yield
    _sources.cache_clear()
    _source.cache_clear()


def _is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _top(name: str) -> str:
    return name.partition(".")[0]


# ---------------------------------------------------------------------- rules
# A rule takes a file and yields one text for each violation.


def long_files(source: Source) -> Iterator[str]:
    lines = source.text.count("\n")
    if lines > FILE_LINES_MAX:
        yield f"{lines} lines"


def long_functions(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = _line_count(node)
            if ast.get_docstring(node, clean=False) is not None:
                length -= _line_count(node.body[0])
            if length > FUNCTION_LINES_MAX:
                yield f"{node.lineno}: {node.name} has {length} lines"


def long_functions_in_c(source: Source) -> Iterator[str]:
    """Each begins with a line that is not indented, as its last one, a brace, is not."""
    begin = 0
    for number, line in enumerate(source.text.splitlines(), 1):
        if line[:1].isalpha():
            begin = number
        elif line.startswith("}") and number - begin >= FUNCTION_LINES_MAX:
            yield f"{begin}: {number - begin + 1} lines"


def _code_lines(text: str) -> int:
    """Lines of C, without comments and empty ones."""
    code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return sum(not line.isspace() for line in code.splitlines(keepends=True))


def _line_count(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def relative_imports(source: Source) -> Iterator[str]:
    for line, name in source.imports():
        if name.startswith("."):
            yield f"{line}: {name}"


def imports_by_name(source: Source) -> Iterator[str]:
    """They would be seen by no check of who imports whom."""
    if source.path in IMPORTS_BY_NAME:
        return
    for line, name in source.imports():
        if name == "importlib.import_module":
            yield f"{line}: {name}"
    for node in source.nodes:
        if isinstance(node, ast.Name) and node.id == "__import__":
            yield f"{node.lineno}: __import__"
        elif isinstance(node, ast.Attribute) and node.attr == "import_module":
            yield f"{node.lineno}: import_module"


def words_of_shared_memory(source: Source) -> Iterator[str]:
    """Their numbers are for `fanout/shm/` alone; others use the attributes of the records."""
    if source.path.startswith("fanout/shm/"):
        return
    for line, name in source.imports():
        if name.startswith("fanout.shm.") and name.rpartition(".")[2] in NUMBERS_OF_WORDS:
            yield f"{line}: {name}"
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and node.attr in NUMBERS_OF_WORDS:
            yield f"{node.lineno}: {node.attr}"


def imports_beyond_the_standard_library(source: Source) -> Iterator[str]:
    for line, name in source.imports():
        if _top(name) not in sys.stdlib_module_names and not _is_within(name, "fanout.zmtp"):
            yield f"{line}: {name}"


def imports_of_the_world(source: Source) -> Iterator[str]:
    for line, name in source.imports():
        if _top(name) in IMPURE_MODULES:
            yield f"{line}: {name}"


def early_imports_of_extras(source: Source) -> Iterator[str]:
    allowed = CORE_DEPENDENCIES | {"fanout"} | sys.stdlib_module_names
    for line, name in source.imports(at_import_only=True):
        needs_an_extra = _top(name) not in allowed and source.path not in USES_EXTRAS
        if needs_an_extra or name in USES_EXTRAS.values():
            yield f"{line}: {name}"


def sleeps(source: Source) -> Iterator[str]:
    if "sleep" not in source.text:
        return  # at once: looking at every node of all tests takes seconds
    for line, name in source.imports():
        if name == "time.sleep":
            yield f"{line}: from time import sleep"
    for node in source.nodes:
        if not (isinstance(node, ast.Attribute) and node.attr == "sleep"):
            continue  # at once: the text of every attribute takes seconds
        if ast.unparse(node) == "time.sleep":
            yield f"{node.lineno}: time.sleep"


Rule = tuple["Callable[[Source], Iterator[str]]", tuple[str, ...], str]

RULES: list[Rule] = [  # the rule, the files it is for, a text that breaks it
    (long_files, PRODUCT, "x = 1\n" * (FILE_LINES_MAX + 1)),
    (long_functions, PRODUCT, "def f():\n    'Text.'\n" + "    x = 1\n" * FUNCTION_LINES_MAX),
    (long_files, COMPILED, "int x;\n" * (FILE_LINES_MAX + 1)),
    (
        long_functions_in_c,
        COMPILED,
        "static int f(int x,\n  int y) {\n" + "  x++;\n" * FUNCTION_LINES_MAX + "}\n",
    ),
    (relative_imports, PRODUCT, "from .errors import FanoutError"),
    (words_of_shared_memory, PRODUCT, "from fanout.shm.layout import H_HEAD"),
    (words_of_shared_memory, PRODUCT, "from fanout.shm import layout as at\nwords[at.W_TAIL]"),
    (words_of_shared_memory, PRODUCT, "from fanout.shm.value_layout import H_VALUES_FROM"),
    (imports_by_name, PRODUCT, "import importlib\nimportlib.import_module('fanout.engine.engine')"),
    (imports_by_name, PRODUCT, "from importlib import import_module"),
    (imports_by_name, PRODUCT, "__import__('fanout.engine.engine')"),
    (imports_beyond_the_standard_library, ("fanout/zmtp/**/*.py",), "import fanout.errors"),
    (imports_of_the_world, PURE, "from os import environ"),
    (early_imports_of_extras, PRODUCT, "from fanout.cli.serve import live"),
    (early_imports_of_extras, PRODUCT, "try:\n    import zmq\nexcept ImportError:\n    pass"),
    (sleeps, ("tests/**/*.py",), "import time\ntime.sleep(1)"),
    (sleeps, ("tests/**/*.py",), "from time import sleep"),
]
RULE_NAMES = [rule.__name__ for rule, _, _ in RULES]


@pytest.mark.parametrize(("rule", "patterns", "_bad"), RULES, ids=RULE_NAMES)
def test_rule_is_kept(
    rule: Callable[[Source], Iterator[str]], patterns: tuple[str, ...], _bad: str
) -> None:
    empty = [pattern for pattern in patterns if not list(ROOT.glob(pattern))]
    assert empty == [], "a pattern that matches no file holds nothing"
    files = _sources(patterns)
    violations = [f"{file.path}:{text}" for file in files for text in rule(file)]
    assert violations == []


@pytest.mark.parametrize(("rule", "_patterns", "bad"), RULES, ids=RULE_NAMES)
def test_rule_finds_its_violation(
    rule: Callable[[Source], Iterator[str]], _patterns: tuple[str, ...], bad: str
) -> None:
    assert list(rule(Source("bad.py", bad)))


def test_who_says_that_it_is_pure_is_held_to_it() -> None:
    assert {"fanout/coordinator/takeovers.py", "workers/naps.py"} <= set(SAID_PURE)
    assert set(PURE_UNSAID) & set(SAID_PURE) == set(), "need not be listed: it says so itself"


def test_the_compiled_parts_stay_small() -> None:
    """They are the usual case alone, and what they do has a twin in Python."""
    lines = {source.path: _code_lines(source.text) for source in _sources(COMPILED)}
    assert lines.pop("fanout/_boxes.c") < BOXES_LINES_MAX
    assert {"fanout/_speed.c", "fanout/speed/path.h"} < set(lines)
    assert sum(lines.values()) < COMPILED_LINES_MAX, lines


def test_lines_of_code_are_counted() -> None:
    assert _code_lines("/* a\n b */\n\nint x; /* c */\n#define Y\n") == 2


def test_test_folders_are_packages() -> None:
    """Otherwise two test files of one name in two folders would be one module."""
    folders = {path.parent for path in ROOT.glob("tests/**/*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def _may_be_about(test: Path) -> list[Path]:
    """The files that a unit test is about, if its place mirrors theirs."""
    folder, name = test.parent, test.name.removeprefix("test_")
    if folder == Path():
        return [ROOT / "fanout" / name, ROOT / "fanout" / f"_{name}"]
    return [ROOT / root / folder / name for root in ("fanout", ".", "scripts")]


def test_unit_tests_mirror_the_tree() -> None:
    folder = ROOT / "tests" / "unit"
    tests = {path.relative_to(folder) for path in folder.glob("**/test_*.py")}
    mirrors = {path for path in tests if any(map(Path.exists, _may_be_about(path)))}
    assert {str(path) for path in tests - mirrors} == ABOUT_SEVERAL.keys()


def test_every_file_has_a_unit_test_but_those_that_are_listed() -> None:
    folder = ROOT / "tests" / "unit"
    tests = [path.relative_to(folder) for path in folder.glob("**/test_*.py")]
    tested = {path for test in tests for path in _may_be_about(test)}
    files = {path for pattern in PRODUCT for path in ROOT.glob(pattern) if path == path.resolve()}
    without = {path for path in files - tested if path.name != "__init__.py"}
    assert {path.relative_to(ROOT).as_posix() for path in without} == set(WITHOUT_UNIT_TEST)
    assert len(WITHOUT_UNIT_TEST) <= WITHOUT_UNIT_TEST_MAX, "a new file has a unit test"


# ------------------------------------------------------------------ packaging


def test_the_core_depends_on_three_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[<>=!~ \[;]", entry)[0] for entry in project["dependencies"]}
    assert names == CORE_DEPENDENCIES


def test_all_of_the_product_is_measured() -> None:
    """coverage looks at the real name of a file, and `fanout/workers` is a link."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    measured = tomllib.loads(text)["tool"]["coverage"]["run"]["source"]
    modules = [
        importlib.import_module(name) for name in ("fanout.engine.engine", "fanout.workers.main")
    ]
    files = [Path(str(module.__file__)).resolve() for module in modules]
    assert [f.relative_to(ROOT).parts[0] for f in files] == ["fanout", "workers"] == measured


# -------------------------------------------------------------- documentation


def _public() -> dict[str, object]:
    fanout = importlib.import_module("fanout")
    return {name: getattr(fanout, name) for name in fanout.__all__}


def _documentable() -> Iterator[tuple[str, object]]:
    """Public names that can have a docstring, and the public members of public classes."""
    for name, value in _public().items():
        if inspect.isclass(value) or inspect.isfunction(value):
            yield name, value
        if inspect.isclass(value):
            for member, attribute in vars(value).items():
                is_member = inspect.isroutine(attribute) or isinstance(
                    attribute, (property, classmethod, staticmethod)
                )
                if is_member and not member.startswith("_"):
                    yield f"{name}.{member}", attribute


def test_the_publisher_is_public() -> None:
    assert "Publisher" in _public()


def test_public_names_are_documented() -> None:
    undocumented = []
    for name, value in _documentable():
        text = (value.__doc__ or "").strip()
        # A dataclass without a docstring is given its signature for one.
        if not text or text.startswith(f"{name}("):
            undocumented.append(name)
    assert undocumented == []


# ---------------------------------------------------------------------- words


def _texts() -> list[Path]:
    """Every text file of the folders that are published, and those beside them."""
    suffixes = {".py", ".pyi", ".md", ".toml", ".sh", ".txt", ".cfg", ".yml", ".yaml", ".json", ""}
    beside = [path for suffix in ("md", "toml") for path in ROOT.glob(f"*.{suffix}")]
    folders = ("fanout", "workers", "tests", "scripts", "docs", ".ci", ".github", "examples")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    return sorted(
        path
        for path in [*beside, *found]
        if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts
    )


def test_no_text_names_one_machine() -> None:
    texts = _texts()
    assert ROOT / "README.md" in texts
    hits = [
        f"{path.relative_to(ROOT)}:{number} {match[0]}"
        for path in texts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (match := BANNED_TEXT.search(line))
    ]
    assert hits == []


@pytest.mark.parametrize("text", ["see " + "/home" + "/me/feed.py", "https://" + "pypi" + ".org/x"])
def test_banned_text_is_found(text: str) -> None:
    assert BANNED_TEXT.search(text)
