"""What the tests of this folder share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.interrupting import untraced

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def not_measured() -> Iterator[None]:
    """Thousands of inputs would take twice as long if their coverage was measured.

    What must be covered is covered by unit and integration tests.
    """
    with untraced():
        yield
