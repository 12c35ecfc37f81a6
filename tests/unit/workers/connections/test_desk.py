"""Adoption: what becomes of a connection that does not arrive."""

from __future__ import annotations

from fanout.control.messages import Adopt, Closed
from fanout.options import Options
from fanout.reasons import Reason
from fanout.workers.worker import Worker
from tests.helpers.around import Around
from tests.helpers.log import SMALL


def adopt(descriptors: list[int]) -> Closed:
    """What is reported of a connection that cannot be served."""
    around = Around(SMALL)
    worker = Worker(Options(), around)

    worker.desk.adopt(Adopt(7, 3, "zmtp", 5), descriptors)

    (closed,) = around.channel.sent
    assert isinstance(closed, Closed)
    assert (closed.subscriber, worker.desk.peers) == (7, {})
    assert closed.debt == 5, "what its address owed is not forgotten"
    around.close()
    return closed


def test_a_connection_whose_descriptor_was_lost_on_the_way_is_given_back() -> None:
    """A process at its limit of open files gets the message without the descriptor."""
    closed = adopt([])

    assert (closed.evicted, closed.cause) == (True, Reason.NO_DESCRIPTOR.number)
    assert "open files" in closed.reason


def test_a_connection_that_broke_on_the_way_is_given_back() -> None:
    closed = adopt([99])

    assert (closed.evicted, closed.cause) == (False, Reason.GONE_EARLY.number)
    assert closed.reason.endswith("Transport endpoint is not connected")
