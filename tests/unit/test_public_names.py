"""`import fanout`: all names are there, and none is loaded before it is asked for."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import fanout
import fanout.asyncio
from tests.helpers.programs import ROOT

if TYPE_CHECKING:
    from types import ModuleType


def in_new_process(program: str) -> str:
    """What a program prints."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


def seen_by_type_checkers() -> dict[str, str]:
    """Name and module of what is imported under `if TYPE_CHECKING`."""
    tree = ast.parse(Path(fanout.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    found: dict[str, str] = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        found.update((alias.name, node.module or "") for alias in node.names)
    return found


def test_type_checkers_see_what_there_is() -> None:
    assert seen_by_type_checkers() == fanout._HOME
    assert sorted(fanout._HOME) == fanout.__all__


@pytest.mark.parametrize("name", fanout.__all__)
def test_a_name_is_what_its_module_defines(name: str) -> None:
    assert getattr(fanout, name) is getattr(importlib.import_module(fanout._HOME[name]), name)


@pytest.mark.parametrize("module", [fanout, fanout.asyncio], ids=lambda module: module.__name__)
def test_what_a_publisher_returns_can_be_named_in_annotations(module: ModuleType) -> None:
    members = inspect.getmembers_static(module.Publisher)
    functions = [
        member.fget if isinstance(member, property) else member
        for name, member in members
        if not name.startswith("_")
    ]
    returned = [
        inspect.get_annotations(function).get("return", "")
        for function in filter(inspect.isfunction, functions)
    ]
    named = {name for one in returned for name in re.findall(r"\b[A-Z]\w+", str(one))}
    public = {*fanout.__all__, *module.__all__}

    assert "PublisherStatistics" in named
    assert named - {"None", "NoReturn"} <= public
    assert all(hasattr(module, name) for name in module.__all__)


def test_all_names_are_listed() -> None:
    listed = in_new_process("import fanout; print(*dir(fanout))").split()
    assert {*fanout.__all__, "__version__", "options"} <= {*listed}


def test_the_reference_names_all_that_is_public() -> None:
    text = (ROOT / "docs" / "reference" / "publisher.md").read_text(encoding="utf-8")
    package, _, rest = text.partition("## Public names")[2].partition("`from fanout.asyncio import")

    def named(part: str) -> set[str]:
        return {*re.findall(r"`([A-Z]\w+)`", part)}

    assert named(package) == {*fanout.__all__}
    assert named(rest) == {*fanout.asyncio.__all__}


@pytest.mark.unmeasured
def test_names_can_be_imported_and_are_found_without_a_search_then() -> None:
    program = "from fanout import *\nimport fanout\nprint(vars(fanout)['Publisher'] is Publisher)"
    assert in_new_process(program) == "True\n"


def test_modules_are_found_as_attributes() -> None:
    program = "import fanout; print(fanout.options.Options is fanout.Options)"
    assert in_new_process(program) == "True\n"


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match=r"^module 'fanout' has no attribute 'Pubisher'$"):
        fanout.Pubisher  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError):
        from fanout import Pubisher  # type: ignore[attr-defined]  # noqa: F401
    assert not hasattr(fanout, "workers_")


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    program = "import sys, fanout; print(*(name for name in sys.modules if 'fanout.' in name))"
    assert in_new_process(program).split() == ["fanout.errors", "fanout._platform"]


@pytest.mark.unmeasured
def test_a_blocking_program_loads_nothing_that_only_others_need() -> None:
    """Each takes a tenth of a second, or a good part of that, of the start of every program."""
    program = """
import sys
before = {*sys.modules}  # coverage, where it is measured, loads some of them, too
import fanout
with fanout.Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20) as publisher:
    publisher.publish("t", b"")
print(*({"asyncio", "ssl", "psutil", "difflib", "platform"} & {*sys.modules} - before))
"""
    assert in_new_process(program) == "\n"


@pytest.mark.unmeasured
def test_a_closed_publisher_says_nothing_at_the_interpreters_exit() -> None:
    """The names of its module may be gone by then."""
    program = """
import fanout, psutil
publisher = fanout.Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20)
publisher.close()
"""
    assert in_new_process(program) == ""


def _module_of(method: object) -> str:
    """Also of one that is compiled, which has only its class."""
    return str(getattr(method, "__objclass__", method).__module__)


@pytest.mark.parametrize("module", [fanout, fanout.asyncio], ids=lambda module: module.__name__)
def test_errors_of_python_name_what_users_know(module: ModuleType) -> None:
    """A missing argument, say: it is of `Publisher.move()`, and not of a class that we inherit."""
    kinds = [getattr(module, name) for name in module.__all__]
    named = {
        method.__qualname__
        for kind in filter(inspect.isclass, kinds)
        for name, method in inspect.getmembers(kind, inspect.isroutine)
        if not name.startswith("_") and _module_of(method).startswith("fanout")
    }
    assert {"Publisher.move", "Publisher.publish", "Batch.send", "Subscriber.recv"} <= named
    assert {name.partition(".")[0] for name in named} <= {*module.__all__}
