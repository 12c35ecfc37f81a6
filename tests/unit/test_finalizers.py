"""Finalizers: of what was interrupted while it was made, they say and do nothing."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SOURCES = {"fanout": ROOT / "fanout", "fanout.workers": ROOT / "workers"}


def finalized() -> Iterator[tuple[str, str]]:
    """Module and name of each class that has one."""
    for package, folder in SOURCES.items():
        for path in sorted(folder.rglob("*.py")):
            text = path.read_text()
            if "def __del__" not in text:
                continue  # to parse all of them takes a second
            names = (package, *path.relative_to(folder).with_suffix("").parts)
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ClassDef):
                    methods = [one.name for one in node.body if isinstance(one, ast.FunctionDef)]
                    if "__del__" in methods:
                        yield ".".join(names), node.name


FINALIZED = [*finalized()]


def test_the_known_ones_are_found() -> None:
    assert ("fanout.asyncio", "Publisher") in FINALIZED
    assert ("fanout.shm.spill_area", "Stored") in FINALIZED


@pytest.mark.parametrize(("module", "name"), FINALIZED)
def test_what_was_never_made_is_dropped_in_silence(module: str, name: str) -> None:
    """As if its `__init__` had been interrupted before its first line."""
    kind: Any = getattr(importlib.import_module(module), name)
    with mock.patch.object(sys, "unraisablehook") as hook:
        kind.__new__(kind)
    assert not hook.called, hook.call_args
