"""The documentation says the same everywhere, and names what is there.

Examples, links and tables of names are held by `tests/integration/test_documentation.py`.
"""

from __future__ import annotations

import ast
import inspect
import logging
import re
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fanout import Event, EventKind, Reason, auth
from fanout.asyncio import Publisher
from fanout.coordinator.announcer import Announcer
from fanout.coordinator.thinning import is_thinned
from fanout.terms.question_terms import REPLYING_S
from tests.helpers.pages import CODE, PAGES, REFERENCE, ROOT, blocks, cells, prose, rows, section
from tests.helpers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

INVARIANTS = ROOT / "docs" / "design" / "invariants.md"
ARCHITECTURE = ROOT / "docs" / "design" / "README.md"
GLOSSARY = REFERENCE / "glossary.md"

SOURCES = sorted(path for top in ("fanout", "workers") for path in (ROOT / top).rglob("*.py"))
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for top in ("fanout", "workers", "tests", "scripts", "docs", "examples", ".ci", ".github")
    for path in (ROOT / top).rglob("*")
    if "__pycache__" not in path.parts
)
FOLDERS = ("fanout/", "workers/", "tests/", "scripts/", "docs/", "examples/", ".github/")
README_LINES_MAX = 200
USERS_FILES = {"workers.py", "queue.py"}  # a user's, not ours


def read(path: Path) -> str:
    return path.read_text("utf-8")


# ----------------------------------------------------------------- invariants


def invariants(page: str) -> dict[str, str]:
    """The text of each invariant on a page, by its number and name; links without their targets."""
    page = re.sub(r"\]\([^)]+\)", "]", page)  # they are relative to the page
    items = re.findall(r"^- \*\*(I\d [^*]+)\.\*\* ((?:.+\n)(?:  .+\n)*)", page, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in items}


def test_the_readme_promises_the_invariants_word_for_word() -> None:
    promised = invariants(read(ROOT / "README.md"))
    assert [name[:2] for name in promised] == [f"I{number}" for number in range(1, 10)]
    assert promised == invariants(read(INVARIANTS))


def test_invariants_are_found() -> None:
    page = "- **I1 One.** Text\n  and more.\n- **I2 Two three.** Other.\n\n- **No.** Text\n"
    assert invariants(page) == {"I1 One": "Text and more.", "I2 Two three": "Other."}


def citations() -> Iterator[tuple[str, str]]:
    """Where an invariant is cited, and as what."""
    here = Path(__file__)
    for path in [*PAGES, *SOURCES, *sorted((ROOT / "tests").rglob("*.py"))]:
        if path != here:
            for cited in re.findall(r"\bI\d+\b|\binvariants? \d+", read(path)):
                yield path.relative_to(ROOT).as_posix(), cited


def test_invariants_are_cited_by_their_numbers() -> None:
    names = {name[:2] for name in invariants(read(INVARIANTS))}
    assert [(path, cited) for path, cited in citations() if cited not in names] == []


# ---------------------------------------------------------------------- files


def named_files(page: str) -> Iterator[str]:
    """Files and folders of ours that a page names."""
    for word in CODE.findall(prose(page)):
        is_path = re.fullmatch(r"[\w./-]+", word) and "//" not in word
        is_ours = word.startswith(FOLDERS) or word.endswith(".py")
        if is_path and is_ours and word not in USERS_FILES:
            yield word


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_named_files_exist(page: Path) -> None:
    """A path is one from the root, or the end of one: `shm/layout.py`, `pump.py`."""
    ends = {f"/{path}" for path in FILES} | {f"/{path}/" for path in FILES}
    ends |= {f"/{folder}" for folder in FOLDERS} | {f"/{path.name}" for path in ROOT.glob("*.py")}
    missing = [
        name for name in named_files(read(page)) if not any(e.endswith(f"/{name}") for e in ends)
    ]
    assert missing == []


def test_named_files_are_found() -> None:
    page = "`fanout/x.py` `pump.py` `workers.py` `a b.py` `tests/unit` `tcp://docs/x`\n"
    assert list(named_files(page)) == ["fanout/x.py", "pump.py", "tests/unit"]


def test_the_readme_is_short_and_names_files_by_their_whole_path() -> None:
    page = read(ROOT / "README.md")
    assert page.count("\n") <= README_LINES_MAX
    assert "![" not in page, "a picture of a neighbour is not shown on a package index"
    for name in named_files(page):
        assert (ROOT / name).exists(), name


def test_the_readme_names_every_package() -> None:
    table = section(read(ROOT / "README.md"), "Where to find what")
    packages = {path.parent.name for path in (ROOT / "fanout").glob("*/__init__.py")} - {"workers"}
    assert len(packages) > 10
    assert {name for name in packages if f"`fanout/{name}/`" not in table} == set()
    assert "`workers/`" in table


def test_commands_of_contributing_name_what_is_there() -> None:
    text = read(ROOT / "CONTRIBUTING.md")
    for command in [cells(line)[1] for line in section(text, "Run").splitlines() if "| `" in line]:
        for word in CODE.findall(command)[0].split():
            if word.startswith(("scripts/", "tests/")):
                assert (ROOT / word).exists(), word
        chosen = re.search(r"-k (\w+)", command)
        if chosen is not None:
            code = "\n".join(read(path) for path in (ROOT / "tests").rglob("*.py"))
            assert chosen[1] in code or any(chosen[1] in page.name for page in PAGES), chosen[1]


# ------------------------------------------------------------------- the tree


def package_of(module: str) -> str | None:
    """The part of the tree that a module belongs to; None if it is none of ours."""
    parts = module.split(".")
    return parts[1] if parts[0] == "fanout" and len(parts) > 1 else None


def imports(path: Path) -> Iterator[str]:
    """Parts of the tree that a file imports from, for types only included."""
    for node in ast.walk(ast.parse(read(path))):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "fanout":
            modules = [f"fanout.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        yield from filter(None, map(package_of, modules))


def drawn(picture: str) -> tuple[dict[str, set[str]], set[str]]:
    """What each part above the line may import by the picture, and the words below it."""
    above, _, below = picture.partition("───")
    words = set(re.findall(r"(\w+)(?:\.py|/)", below))
    allowed: dict[str, set[str]] = {}
    for line in above.splitlines()[1:]:
        name, _what, *right = re.split(r" {2,}", line.lstrip(" 0123456789"))
        below_it = set(right[0].rstrip().split(", ")) if right else set()
        part = name.removesuffix("/").removesuffix(".py")
        allowed[part] = set() if below_it == {"nothing"} else below_it | words
    return allowed, words


def floors_drawn(picture: str) -> dict[str, int]:
    """The floor of each part above the line: its own number, or that of the line before it."""
    floors: dict[str, int] = {}
    floor = ""
    for line in picture.partition("───")[0].splitlines()[1:]:
        number, part = re.findall(r"^ +(\d*) +(\w+)", line)[0]
        floor = number or floor
        floors[part] = int(floor)
    return floors


def test_the_floors_in_the_picture_of_the_tree_are_those_of_its_arrows() -> None:
    """Each part stands one above the highest that it may import; what all may import is floor 0."""
    picture = next(b.text for b in blocks(section(read(ARCHITECTURE), "The tree")))
    allowed, words = drawn(picture)

    @cache
    def floor(part: str) -> int:
        return 1 + max(map(floor, allowed[part] - words), default=0)

    assert floors_drawn(picture) == {part: floor(part) for part in allowed}


def test_the_picture_of_the_tree_is_what_the_code_imports() -> None:
    picture = next(b.text for b in blocks(section(read(ARCHITECTURE), "The tree")))
    allowed, words = drawn(picture)
    found: dict[str, set[str]] = {}
    for path in SOURCES:
        if path.is_relative_to(ROOT / "fanout" / "workers"):
            continue  # the link to workers/
        parts = path.relative_to(ROOT).parts
        owner = "workers" if parts[0] == "workers" else Path(parts[1]).stem
        if not owner.startswith("_"):
            there = {part for part in imports(path) if not part.startswith("_")}
            found.setdefault(owner, set()).update(there - {owner})
    assert found.keys() - words == allowed.keys()
    for name, may in allowed.items():
        assert found[name] - may == set(), f"{name} imports what the picture does not show"
        assert may - words - found[name] == set(), f"{name} does not import what is drawn"


# ---------------------------------------------------------------------- words


def glossary() -> dict[str, list[str]]:
    """The names in the source that each term of the glossary gives."""
    lines = [cells(line) for line in read(GLOSSARY).splitlines() if line.startswith("| ")]
    return {line[0]: CODE.findall(line[2]) for line in lines if line[0] != "word"}


def test_names_in_the_glossary_are_in_the_source() -> None:
    code = "\n".join(read(path) for path in SOURCES)
    words = set(re.findall(r"\w+", code))
    missing = {term: set(names) - words for term, names in glossary().items()}
    assert {term: names for term, names in missing.items() if names} == {}


def test_the_glossary_has_the_words_that_only_we_use() -> None:
    terms = {term for line in glossary() for term in line.split(", ")}
    assert terms >= {
        *("cohort", "member", "spill", "chunk", "census", "slot", "checkpoint", "interest"),
        *("roster", "ledger", "front", "tail", "head", "pick", "card", "poison flag", "doorbell"),
        *("room", "nap", "storm", "half-open", "kernel queue", "flood", "span"),
    }


def test_reasons_are_in_the_reference() -> None:
    text = section(read(REFERENCE / "events.md"), "Causes")
    shown = [cells(line) for line in text.splitlines() if line.startswith("| `")]
    assert shown[1:] == [[f"`{each.label}`", each.text, each.fault.value] for each in Reason]


def test_events_are_logged_as_the_reference_says(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "fanout.levels")
    announcer = Announcer(None, logging.getLogger("fanout.levels"))
    for kind in EventKind:
        announcer.tell(Event(kind, f"this is {kind.name}"))
    announcer.close(1.0)
    wait_until(lambda: len(caplog.records) >= len(EventKind), "all are logged")
    logged = {record.getMessage(): record.levelname.lower() for record in caplog.records}
    table = rows(REFERENCE / "events.md")
    for kind in EventKind:
        (level,) = (name for text, name in logged.items() if f"this is {kind.name}'" in text)
        assert table[kind.name][2].partition(";")[0] == level, kind.name


def test_the_reference_says_of_which_events_a_summary_stands_for_many() -> None:
    lines = read(REFERENCE / "events.md").splitlines()
    (row,) = (cells(line) for line in lines if line.startswith("| `CLOCK_SET`, "))
    kinds, _, causes = row[0].partition(", and `SUBSCRIBER_EVICTED` for what the peer said")
    thinned = {kind for kind in EventKind if is_thinned(Event(kind))}
    assert set(CODE.findall(kinds)) == {kind.name for kind in thinned} - {"CHOICE_DECLINED"}
    by_word = {
        cause.label
        for cause in Reason
        if is_thinned(Event(EventKind.SUBSCRIBER_EVICTED, cause=cause))
    }
    assert set(CODE.findall(causes)) == by_word


def test_the_reference_says_what_is_awaited() -> None:
    text = read(REFERENCE / "publisher.md")
    (line,) = (line for line in text.splitlines() if line.startswith("| all that send, "))
    awaited, not_awaited = (set(CODE.findall(cell)) for cell in cells(line))
    names = {name for kind in Publisher.__mro__ for name in vars(kind) if hasattr(Publisher, name)}
    names -= {name for name in names if name[0] == "_" or "send" in name} | {"publish", "start"}
    found = {name for name in names if inspect.iscoroutinefunction(getattr(Publisher, name))}
    assert found == awaited
    assert names - found == not_awaited - {"async with", "async for"}
    assert f"have {REPLYING_S:g} s" in text, "for answers on their way"


def test_what_a_check_is_given_is_in_the_guide() -> None:
    text = section(read(ROOT / "docs" / "howto" / "security.md"), "A check of your own")
    listed = {name for line in text.splitlines()[:40] for name in CODE.findall(cells(line)[0])}
    assert {field.name for field in fields(auth.Request)} <= listed


def _require_named(rows: list[str], pattern: str) -> None:
    """Each row names a function, by its file, that is there."""
    for row in rows:
        named = re.findall(rf"`(tests/[\w/]+\.py)::({pattern}\w+)`", row)
        assert named, f"none: {row}"
        for path, name in named:
            assert f"def {name}(" in read(ROOT / path), f"{path} has no {name}"


def _rows(page: str, title: str) -> list[str]:
    return [line for line in section(page, title).splitlines() if line[:1] == "|"][2:]


def test_each_threat_has_a_test_that_is_there() -> None:
    rows = _rows(read(ROOT / "docs" / "explain" / "security.md"), "Which test holds what")
    assert len(rows) > 8
    _require_named(rows, "test_")


def test_what_the_prototype_was_broken_by_is_noticed_by_what_is_there() -> None:
    rows = _rows(read(INVARIANTS), "What the prototype was broken by")
    assert len(rows) == 10
    _require_named(rows, "")
