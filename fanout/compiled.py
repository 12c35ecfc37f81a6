"""Which compiled parts are in use, in the place of the Python code that is their reference.

They are made on installation where there is a C compiler, and left out where there is none. With
FANOUT_PURE=1 in the environment none is used, though it is there; nor is one that was made of other
sources, as a checkout that was changed since may have: these two would not agree.
"""

from __future__ import annotations

import os
import warnings
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

# What each is made of: the beginning of a hash, since two numbers might be counted up to the same.
# `setup.py` builds it in, and a test says what it is after a change.
SOURCES = "74d5ce2ea3bbe1d1"  # of `_speed`, which appends
BOXES_SOURCES = "88d4acea3b46a0a3"  # of `_boxes`, which seals

_OTHER = (
    "a compiled part of fanout ({path}) is left unused, since it was built from other sources "
    "than this fanout has: {cost}. Build it again, by the command that installed it: `pip install "
    "--editable .` in a checkout, else `pip install --force-reinstall fanout-zmq`; or set "
    "FANOUT_PURE=1 to do without it"
)


@cache
def is_compiled() -> bool:
    """Whether publishers of this process use the compiled part; it is looked for once."""
    if _is_pure():
        return False
    try:
        from fanout import _speed
    except ImportError:  # it was not built here, or for another Python
        return False
    return _is_of(_speed, SOURCES, "publishing costs its caller ten times as much")


@cache
def are_boxes_compiled() -> bool:
    """Whether boxes of CURVE are sealed many at once by a compiled part; it is looked for once."""
    if _is_pure():
        return False
    try:
        from fanout import _boxes
    except ImportError:
        return False
    return _is_of(_boxes, BOXES_SOURCES, "CURVE takes up to twice as much of workers")


def _is_pure() -> bool:
    """Whether nobody wants compiled parts."""
    return os.environ.get("FANOUT_PURE", "") not in ("", "0")


def _is_of(part: ModuleType, sources: str, cost: str) -> bool:
    """Whether it was built from these sources; else that is said."""
    if getattr(part, "sources", None) == sources:  # the first ones had no such name
        return True
    warnings.warn(_OTHER.format(path=part.__file__, cost=cost), RuntimeWarning, stacklevel=3)
    return False
