"""Who reads in small pieces is never taken for silent; `small_reads.py` does it for longer."""

from __future__ import annotations

from random import Random

import pytest

from tests.faults.small_reads import one_round


@pytest.mark.parametrize("seed", range(2))
def test_who_reads_in_random_small_pieces_is_not_evicted(seed: int) -> None:
    one_round(Random(seed), send_timeout=5.0)
