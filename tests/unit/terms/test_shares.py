"""What one address may have of the places there are."""

from __future__ import annotations

import pytest

from fanout.terms.shares import FEW, share_of


@pytest.mark.parametrize("places", range(1, FEW + 1))
def test_of_few_places_it_may_have_all(places: int) -> None:
    assert share_of(places) == places


def test_of_more_it_has_half_and_never_fewer_than_of_few() -> None:
    assert [share_of(places) for places in (5, 7, 8, 9, 10, 1_000)] == [4, 4, 4, 4, 5, 500]
