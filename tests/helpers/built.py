"""Compiled parts in tests: one was built here or not, and much is tested with it and without."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from fanout.compiled import is_compiled
from fanout.send.path import SendPath

IS_BUILT = find_spec("fanout._speed") is not None
needs_compiled = pytest.mark.skipif(not IS_BUILT, reason="there was no C compiler to build it with")
ARE_BOXES_BUILT = find_spec("fanout._boxes") is not None
needs_boxes = pytest.mark.skipif(
    not ARE_BOXES_BUILT, reason="there was no C compiler to build it with"
)
# The verbs of classes are one or the other for a whole process; what a path does is asked of both.
needs_compiled_verbs = pytest.mark.skipif(
    not is_compiled(), reason="verbs are Python: no compiler, or FANOUT_PURE=1"
)
BOTH = [pytest.param("pure"), pytest.param("compiled", marks=needs_compiled)]


def path_type(name: str, *, numbered: bool = False, kept: bool = False) -> type[SendPath]:
    """The send path of this one of `BOTH`.

    Args:
        numbered, kept: what its publisher was made with.
    """
    from fanout.send import kept_path, numbered_path

    if name == "pure":
        if kept:
            return kept_path.NumberedKeptPath if numbered else kept_path.KeptPath
        return numbered_path.NumberedPath if numbered else SendPath
    from fanout.send import compiled_kept_path, compiled_path

    if kept:
        both = compiled_kept_path.CompiledKeptPath, compiled_kept_path.CompiledNumberedKeptPath
        return both[numbered]
    return (compiled_path.CompiledPath, compiled_path.CompiledNumberedPath)[numbered]
