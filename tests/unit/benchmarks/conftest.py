"""What the tests of the benchmarks share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.loaded_children import loaded_children

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="package", autouse=True)
def children() -> Iterator[None]:
    """Those of a session have nothing to load when they start."""
    with loaded_children():
        yield
