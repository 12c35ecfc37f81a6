"""Waiting for a thing, with a deadline: the only kind of waiting that tests do."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# Far above what anything takes, also on a machine that is slow and busy; only a failing test ever
# waits so long.
DEADLINE_S = 60.0
LOOK_EVERY_S = 0.005

_never = threading.Event()


def wait_until(look: Callable[[], T], what: str, deadline_s: float = DEADLINE_S) -> T:
    """Look again and again until the answer is true; returns it.

    Raises:
        AssertionError: it was not in time; the text says what was waited for, and the last answer.
    """
    deadline = time.monotonic() + deadline_s
    while not (answer := look()):
        assert time.monotonic() < deadline, f"{what}: not within {deadline_s} s, last: {answer!r}"
        _never.wait(LOOK_EVERY_S)
    return answer
