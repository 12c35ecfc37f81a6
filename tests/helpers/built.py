"""The compiled part in tests: it was built here or not, and much is tested with it and without."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from fanout.send.path import SendPath

IS_BUILT = find_spec("fanout._speed") is not None
needs_compiled = pytest.mark.skipif(not IS_BUILT, reason="there was no C compiler to build it with")
BOTH = [pytest.param("pure"), pytest.param("compiled", marks=needs_compiled)]


def path_type(name: str) -> type[SendPath]:
    """The send path of this one of `BOTH`."""
    if name == "pure":
        return SendPath
    from fanout.send.compiled_path import CompiledPath

    return CompiledPath
