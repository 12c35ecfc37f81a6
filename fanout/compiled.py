"""Which append is in use: the compiled one, or the Python code that is its reference.

The compiled part is made on installation where there is a C compiler, and left out where there is
none. With FANOUT_PURE=1 in the environment it is not used, though it is there.
"""

from __future__ import annotations

import os
from functools import cache


@cache
def is_compiled() -> bool:
    """Whether publishers of this process use the compiled part; it is looked for once."""
    if os.environ.get("FANOUT_PURE", "") not in ("", "0"):
        return False
    try:
        import fanout._speed  # noqa: F401
    except ImportError:  # it was not built here, or for another Python
        return False
    return True
