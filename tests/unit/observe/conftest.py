"""For the tests of who looks at the memory of a publisher."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.fake_segment import FakeSegment

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def fake() -> Iterator[FakeSegment]:
    fake = FakeSegment()
    yield fake
    fake.close()
