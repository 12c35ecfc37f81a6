"""Which append is in use: the compiled one, or the Python code that is its reference.

The compiled part is made on installation where there is a C compiler, and left out where there is
none. With FANOUT_PURE=1 in the environment it is not used, though it is there; nor is one that was
made of other sources, as a checkout that was changed since may have: these two would not agree.
"""

from __future__ import annotations

import os
import warnings
from functools import cache

# What the compiled part is made of: the beginning of a hash, since two numbers might be counted up
# to the same. `setup.py` builds it in, and a test says what it is after a change.
SOURCES = "6199da99b859f122"

_OTHER = (
    "the compiled part of fanout ({path}) is left unused, since it was built from other sources "
    "than this fanout has: publishing costs its caller ten times as much. Build it again, by the "
    "command that installed it: `pip install --editable .` in a checkout, else `pip install "
    "--force-reinstall fanout-zmq`; or set FANOUT_PURE=1 to do without it"
)


@cache
def is_compiled() -> bool:
    """Whether publishers of this process use the compiled part; it is looked for once."""
    if os.environ.get("FANOUT_PURE", "") not in ("", "0"):
        return False
    try:
        from fanout import _speed
    except ImportError:  # it was not built here, or for another Python
        return False
    if getattr(_speed, "sources", None) == SOURCES:  # the first ones had no such name
        return True
    warnings.warn(_OTHER.format(path=_speed.__file__), RuntimeWarning, stacklevel=2)
    return False
