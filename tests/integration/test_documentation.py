"""The documentation says what is true: examples run, links lead somewhere, tables are complete.

How an example is marked is said in docs/README.md: a block that begins with ```python is a whole
program; ```output after it is what it prints; ```python service is one that ends on SIGTERM.
"""

from __future__ import annotations

import ast
import os
import random
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import pytest

import fanout
from fanout import EventKind, FanoutError, Options
from fanout.cli.main import build_parser
from fanout.statistics import (
    AnswerStatistics,
    AskerStatistics,
    ClosedSubscriber,
    IngestStatistics,
    ProducerStatistics,
    PublisherStatistics,
    SubscriberStatistics,
    Undelivered,
    WorkerStatistics,
)
from tests.helpers.loaded import Loaded
from tests.helpers.pages import CODE, PAGES, REFERENCE, ROOT, blocks, code_words, prose, rows
from tests.helpers.waiting import DEADLINE_S
from tests.simulation.mutations import MUTATIONS
from tests.simulation.takeovers.mistakes import MISTAKES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from pathlib import Path

EXAMPLE_TIMEOUT_S = 2 * DEADLINE_S  # below the timeout of a test; it takes about a second

# Of all that -X dev turns on, the checks of memory are for what is written in C, and take a quarter
# of the time.
PLAIN = "pymalloc"
STRICT = ("-X", "dev", "-W", "error")

# What asyncio says under -X dev of a machine that is busy.
SLOW = re.compile(r"^Executing <.*> took [\d.]+ seconds\n", re.MULTILINE)

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Example:
    """A Python program of a page, and what it prints, if the page says so."""

    name: str
    program: str
    is_service: bool
    output: str | None


def examples(name: str, page: str) -> Iterator[Example]:
    found = blocks(page)
    for index, block in enumerate(found):
        if block.language != "python":
            continue
        assert block.mark in ("", "service"), f"{name}: unknown mark {block.mark!r}"
        following = found[index + 1] if index + 1 < len(found) else None
        output = following.text if following and following.language == "output" else None
        yield Example(f"{name}-{index}", block.text, block.mark == "service", output)


def all_examples() -> list[Example]:
    return [
        example
        for page in PAGES
        for example in examples(page.relative_to(ROOT).as_posix(), page.read_text("utf-8"))
    ]


# ------------------------------------------------------------------- examples


@contextmanager
def on_one_core() -> Iterator[None]:
    """What is started in the block has one core, and so a publisher of its own has one worker.

    Each worker is a process to start.
    """
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {random.choice(sorted(cores))})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@pytest.fixture(scope="module")
def loaded() -> Iterator[Loaded]:
    """What nearly all examples load, once."""
    with Loaded(
        ("asyncio", "zmq", "fanout.engine.engine", "fanout.asyncio"), STRICT, variables()
    ) as one:
        yield one


def variables() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONMALLOC": PLAIN}


def start(example: Example, folder: Path, loaded: Loaded) -> subprocess.Popen[str]:
    """Those of the README have as many cores as there are, and load what they use themselves."""
    if not example.name.startswith("README.md-"):
        with on_one_core():
            return loaded.start(example.program, str(folder), variables())
    return subprocess.Popen(
        [sys.executable, *STRICT, "-c", example.program],
        cwd=folder,
        env=variables(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.unmeasured
@pytest.mark.parametrize("example", all_examples(), ids=lambda example: example.name)
def test_example_runs(example: Example, tmp_path: Path, loaded: Loaded) -> None:
    """Without a warning, in an empty folder, and prints what the page says."""
    with start(example, tmp_path, loaded) as process:
        try:
            if example.is_service:
                assert process.stdout is not None
                assert process.stdout.readline(), "it ended and printed nothing"
                process.send_signal(signal.SIGTERM)
            printed, complaints = process.communicate(timeout=EXAMPLE_TIMEOUT_S)
        finally:
            process.kill()
    assert SLOW.sub("", complaints) == ""
    assert process.returncode == 0
    if example.output is not None:
        assert printed == example.output


@pytest.mark.parametrize(
    ("program", "status", "complaint"),
    [
        ("import os, sys; print(os.getcwd()); sys.exit(3)", 3, ""),
        ("import os, warnings; print(os.getcwd()); warnings.warn('it')", 1, "UserWarning: it"),
        ("import os, signal; print(os.getcwd(), flush=True); os.kill(os.getpid(), 9)", -9, ""),
    ],
)
def test_an_example_that_goes_wrong_is_seen(
    program: str, status: int, complaint: str, loaded: Loaded, tmp_path: Path
) -> None:
    with loaded.start(program, str(tmp_path), variables()) as process:
        printed, complaints = process.communicate(timeout=EXAMPLE_TIMEOUT_S)
    assert (printed, process.returncode) == (f"{tmp_path}\n", status)
    assert complaint in complaints
    assert bool(complaint) is bool(complaints)


def test_examples_are_found() -> None:
    page = "x\n```python\nprint(1)\n```\n\n```output\n1\n```\n\n```python service\nrun()\n```\n"
    assert list(examples("page", page)) == [
        Example("page-0", "print(1)\n", False, "1\n"),
        Example("page-2", "run()\n", True, None),
    ]
    assert {example.name.partition("-")[0] for example in all_examples()} >= {"README.md"}


def test_examples_name_their_options() -> None:
    """A dict of options (`**options`) has one type for all values: checkers of types refuse it."""
    hidden = [
        f"{example.name}: line {node.lineno}"
        for example in all_examples()
        for node in ast.walk(ast.parse(example.program))
        if isinstance(node, ast.Call) and any(keyword.arg is None for keyword in node.keywords)
    ]
    assert hidden == []


def test_every_fence_is_a_block() -> None:
    """A fence that is not closed would hide all examples behind it."""
    for page in PAGES:
        text = page.read_text("utf-8")
        fences = sum(line.startswith("```") for line in text.splitlines())
        assert fences == 2 * len(blocks(text)), page


# ---------------------------------------------------------------------- links


def anchors(page: str) -> set[str]:
    """The anchors of the headings, made as GitHub does."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page: Path) -> Iterator[str]:
    for link in LINK.findall(prose(page.read_text("utf-8"))):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists():
            yield f"{link}: no such file"
        elif anchor and anchor not in anchors(target.read_text("utf-8")):
            yield f"{link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `b` title\n[a](missing.md) [b](#a-b-title) [c](#other)\n")
    assert list(broken_links(page)) == ["missing.md: no such file", "#other: no such heading"]


def test_every_page_is_linked_from_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link).resolve() for link in LINK.findall(index.read_text("utf-8"))}
    pages = {page for page in PAGES if page.is_relative_to(index.parent) and page != index}
    assert pages - linked == set()


# --------------------------------------------------------------------- tables


def test_options_are_complete_with_default_and_range() -> None:
    table = rows(REFERENCE / "options.md")
    for field in fields(Options):
        assert field.name in table, f"the option {field.name} is not in the table"
        _, default, in_range, _unit, reason = table[field.name]
        shown = ast.literal_eval(CODE.findall(default)[0])
        assert (type(shown), shown) == (type(field.default), field.default), field.name
        is_half = field.name in ("slow_limit_bytes", "replay_bytes")  # of another option
        if "range" in field.metadata and not is_half:
            limits = tuple(ast.literal_eval(limit) for limit in CODE.findall(in_range))
            assert limits == field.metadata["range"], field.name
        assert reason, f"no reason for {field.name}"


def test_no_option_is_made_up() -> None:
    options = {field.name for field in fields(Options)}
    text = (REFERENCE / "options.md").read_text("utf-8").partition("\n## ")[0]
    assert {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")} == options


def test_public_names_are_in_the_reference() -> None:
    assert set(fanout.__all__) - code_words(REFERENCE / "publisher.md") == set()


def test_public_calls_are_in_the_reference() -> None:
    words = {re.split(r"\W", word)[0] for word in code_words(REFERENCE / "publisher.md")}
    names = {name for kind in fanout.Publisher.__mro__ for name in vars(kind)}
    members = {name for name in names if hasattr(fanout.Publisher, name)}  # not what is refused
    assert {name for name in members if not name.startswith("_")} - words == set()


def test_errors_are_in_the_reference() -> None:
    path = REFERENCE / "errors.md"
    names = {
        name
        for name in fanout.__all__
        if isinstance(getattr(fanout, name), type)
        and issubclass(getattr(fanout, name), FanoutError)
    }
    assert names - {"FanoutError"} <= rows(path).keys()
    tree = next(block.text for block in blocks(path.read_text("utf-8")))
    assert names <= set(re.findall(r"\w+", tree))


def test_events_are_in_the_reference() -> None:
    table = rows(REFERENCE / "events.md")
    for kind in EventKind:
        assert CODE.findall(table[kind.name][1]) == [kind.value]
    assert {field.name for field in fields(fanout.Event)} <= table.keys()


@pytest.mark.parametrize(
    "kind",
    [
        AnswerStatistics,
        AskerStatistics,
        ClosedSubscriber,
        IngestStatistics,
        ProducerStatistics,
        PublisherStatistics,
        SubscriberStatistics,
        WorkerStatistics,
        Undelivered,
    ],
)
def test_counters_are_in_the_reference(kind: type) -> None:
    text = (REFERENCE / "statistics.md").read_text("utf-8")
    section = text.partition(f"## `{kind.__name__}`")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert listed == {field.name for field in fields(kind)}


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    return next(dict(a.choices) for a in parser._actions if isinstance(a.choices, dict))


def names_of(action: argparse.Action) -> Sequence[str]:
    return action.option_strings or [str(action.metavar)]


@pytest.mark.parametrize("command", sorted(subcommands(build_parser())))
def test_command_line_is_in_the_reference(command: str) -> None:
    text = (REFERENCE / "command-line.md").read_text("utf-8")
    section = text.partition(f"## `fanout {command}`")[2].partition("\n## ")[0]
    listed = {word.split()[0] for word in CODE.findall(section)}
    options = {
        option
        for action in subcommands(build_parser())[command]._actions
        for option in names_of(action)
    }
    assert options - {"-h", "--help"} - listed == set()
    made_up = {word for word in listed if word.startswith("--")} - options
    assert made_up == set()


@pytest.mark.parametrize("command", sorted(subcommands(build_parser())))
def test_help_says_of_each_option_what_it_does(command: str) -> None:
    actions = subcommands(build_parser())[command]._actions
    assert [action.dest for action in actions if not action.help] == []


def test_named_tests_and_mutations_exist() -> None:
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    text = (ROOT / "docs" / "design" / "invariants.md").read_text("utf-8")
    table = [line.split("|") for line in text.splitlines() if re.match(r"\| I\d", line)]
    assert len(table) == 9
    named = [name for row in table for name in re.findall(r"`(\w+)`", row[3])]
    assert set(named) == {*MUTATIONS, *MISTAKES}
    found = (ROOT / "docs" / "design" / "found.md").read_text("utf-8")
    points = [line.split("|") for line in found.splitlines() if re.match(r"\| \d", line)]
    assert [int(point[1]) for point in points] == [*range(1, 26)]
    assert all(re.search(r"`test_\w+`", point[4]) for point in points)
    for name in re.findall(r"`(test_\w+)`", text + found):
        assert f"def {name}(" in code, f"there is no {name}"
