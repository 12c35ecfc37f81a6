"""Conduct: what a worker reports of what subscribers do names one that can be, and nothing else."""

from __future__ import annotations

from typing import get_args

import pytest

from fanout.control.conduct import OfConduct
from fanout.control.messages import INT_MAX, ControlError, decode, descriptors_with, encode, pack


@pytest.mark.parametrize("kind", get_args(OfConduct))
def test_it_names_a_subscriber(kind: type[OfConduct]) -> None:
    (back,) = decode(pack([encode(kind(INT_MAX))]))
    assert (back, descriptors_with(back)) == (kind(INT_MAX), 0)
    with pytest.raises(ControlError, match="subscriber"):
        decode(pack([encode(kind(INT_MAX + 1))]))
