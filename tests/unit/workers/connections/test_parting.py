"""What the coordinator is told of one that has ended: by which policy it was served."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.reasons import Reason
from fanout.shm.layout import PAGE, Layout
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.tuning import TUNING
from tests.helpers.taking_over import TakingOver

if TYPE_CHECKING:
    from collections.abc import Iterator

LAYOUT = Layout(64 * PAGE, 1024, 16)
STRICT = SlowPolicy("disconnect", limit_messages=3)


@pytest.fixture
def two() -> Iterator[TakingOver]:
    """Two workers over a log of 256 KiB."""
    taking = TakingOver(LAYOUT, TUNING)
    yield taking
    taking.close()


@pytest.mark.parametrize("how", ["stays", "is moved", "is handed on"])
def test_an_end_says_what_was_chosen_for_it(two: TakingOver, how: str) -> None:
    worker, heir = two.workers
    one = two.connect([b"A"], worker)
    two.set_policy(one, STRICT)
    if how == "is moved":
        assert two.move(one, heir) == ""
    elif how == "is handed on":
        two.hand_over(two.kill(worker), heir)
    serving = worker if how == "stays" else heir
    for _ in range(10):
        two.turn(serving)
    for number in range(10):
        two.publish(b"A", bytes(5_000) + b"%d" % number)
    while not two.closed:
        two.turn(serving)

    (closed,) = two.closed
    assert Reason.of(closed.cause) is Reason.TOO_SLOW
    assert (SlowPolicy(**closed.policy), closed.chosen_by) == (STRICT, "call")  # type: ignore[arg-type]


def test_an_end_says_that_nothing_was_chosen(two: TakingOver) -> None:
    worker, _ = two.workers
    one = two.connect([b"A"], worker)

    worker.desk.close(worker.desk.peers[one.number], Reason.LEFT)
    two.turn(worker)

    (closed,) = two.closed
    assert (closed.policy, closed.chosen_by) == ({}, "publisher")
