"""What a failing assertion says of two long values: soon, and not all.

Where `CI` is set, pytest shows the whole difference of two lists or texts. Of a few hundred lines
that are like each other it takes minutes to find (each is compared with each, character by
character), and a test that fails looks like one that hangs. So long ones are told as they are
elsewhere: where they begin to differ, and how to see more.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

LONG = 4_000  # characters: some hundred lines, whose difference takes two seconds
SHOW_ALL = ("CI", "BUILD_NUMBER")  # variables; pytest looks at both


def _is_long(value: object) -> bool:
    try:
        return len(repr(value)) > LONG
    except Exception:  # it says nothing of itself: pytest tells that
        return False


@pytest.hookimpl(wrapper=True)
def pytest_assertrepr_compare(left: object, right: object) -> Generator[None, object, object]:
    """Have pytest do without the whole difference, if it would take long."""
    if not (_is_long(left) and _is_long(right)):
        return (yield)
    kept = {name: os.environ.pop(name) for name in SHOW_ALL if name in os.environ}
    try:
        return (yield)
    finally:
        os.environ.update(kept)
