"""Adoption: what becomes of a connection that does not arrive."""

from __future__ import annotations

from typing import Any
from unittest import mock

from fanout.control.messages import Adopt, Closed
from fanout.workers.worker import Worker


def test_a_connection_whose_descriptor_was_lost_on_the_way_is_given_back() -> None:
    """A process at its limit of open files gets the message without the descriptor."""
    worker: Any = mock.Mock()

    Worker._handle(worker, Adopt(7, 3, "zmtp"), [])

    (closed,) = worker.channel.send.call_args.args
    assert isinstance(closed, Closed)
    assert (closed.subscriber, closed.evicted) == (7, True)
    assert "open files" in closed.reason
