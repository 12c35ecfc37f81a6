"""Those who subscribe and never read."""

from __future__ import annotations

from soaking.crowds.sleepers import Lengths


def test_together_they_have_every_length_once() -> None:
    lengths = [length for index in range(Lengths.STRIDE) for length in Lengths.lengths(index)]
    assert sorted(lengths) == list(range(1, Lengths.LONGEST + 1))
