"""Mistakes that one seed in hundreds shows: each has a check of its own, whatever the seeds are.

A change of anything that is simulated makes other seeds of all, so a mistake that is seldom shown
would be looked for in hundreds of them, and perhaps not be found. Here nothing is left to chance.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from tests.simulation.takeovers.mistakes import MISTAKES
from tests.unit.workers.connections import test_resuming as resuming
from tests.unit.workers.connections import test_sealed as sealed

if TYPE_CHECKING:
    from collections.abc import Callable

_keep_log = resuming.test_the_log_is_kept_from_the_record_on_though_its_worker_needs_less

# What shows a mistake, beside the seeds; more than one if it shows in more than one way.
CHECKS: dict[str, list[Callable[[], None]]] = {
    "forget_the_nonces_of_what_waits": [sealed.test_what_waits_is_thrown_away_with_its_nonces],
    "keep_nothing_for_records": [partial(_keep_log, b"A"), partial(_keep_log, b"C")],
}


@pytest.mark.parametrize(
    ("name", "number"), [(name, one) for name, some in CHECKS.items() for one in range(len(some))]
)
def test_a_check_of_its_own_shows(name: str, number: int) -> None:
    check = CHECKS[name][number]
    check()  # what fails without the mistake shows nothing
    owner, attribute, broken = MISTAKES[name]

    with mock.patch.object(owner, attribute, broken), pytest.raises(AssertionError):
        check()
