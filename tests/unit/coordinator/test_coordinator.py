"""The coordinator's thread: nothing that is asked of it holds it up."""

from __future__ import annotations

import os
import selectors
import socket
import threading
from collections import deque
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from fanout.coordinator import reception as receptions
from fanout.coordinator.coordinator import Coordinator
from fanout.coordinator.ledger import Ledger
from fanout.coordinator.reception import Reception
from fanout.coordinator.roster import FAILURES_MAX, Roster
from fanout.events import Event, EventKind
from fanout.options import Options
from fanout.publisher import Publisher
from fanout.transport.opening import open_listener

if TYPE_CHECKING:
    from fanout.transport.listener import Listener


def test_calls_that_make_calls_let_it_go_on() -> None:
    calls: deque[Any] = deque()
    made: list[None] = []

    def again() -> None:
        made.append(None)
        assert len(made) < 3, "it never gets to anything else"
        calls.append(again)

    again()
    Coordinator._take_calls(SimpleNamespace(_wake=mock.Mock(), _calls=calls))  # type: ignore[arg-type]

    assert len(made) == 2


def test_a_worker_that_is_given_up_is_reported_as_such() -> None:
    events: list[Event] = []
    coordinator: Any = mock.Mock(roster=Roster(1, 10, 10), ledger=Ledger(), report=events.append)
    coordinator._finishing_until = None

    for _ in range(FAILURES_MAX + 1):
        Coordinator._worker_ended(coordinator, mock.Mock(index=0), "exit status 3")

    assert [event.kind for event in events] == [EventKind.WORKER_LOST] * (FAILURES_MAX + 1)
    assert ["given up" in event.reason for event in events] == [False] * FAILURES_MAX + [True]


def test_who_is_refused_for_want_of_descriptors_is_named() -> None:
    events: list[Event] = []
    coordinator = mock.Mock(roster=Roster(1, 10, 10), ledger=Ledger(), report=events.append)
    coordinator.links = [mock.Mock()]
    coordinator.loads.return_value = [0]
    coordinator.roster.worker_ready(0, 0.0)
    reception = Reception(coordinator, mock.Mock())
    ours, theirs = socket.socketpair()

    with theirs, mock.patch.object(os, "dup", side_effect=OSError(24, "Too many open files")):
        reception._welcome(ours, mock.Mock(endpoint="ipc://x", protocol="zmtp"))

    assert [event.kind for event in events] == [
        EventKind.CONNECTION_REFUSED,
        EventKind.ACCEPT_PAUSED,
    ]
    assert events[0].peer == f"ipc:{os.getpid()}"
    assert coordinator.ledger.refused == 1


def test_an_address_is_looked_up_by_who_binds_it() -> None:
    """A resolver may take half a minute; the coordinator accepts and supervises meanwhile."""
    seen = []
    look = open_listener

    def spy(endpoint: str, backlog: int) -> Listener:
        seen.append(threading.current_thread())
        return look(endpoint, backlog)

    with Publisher(workers=1) as publisher, mock.patch.object(receptions, "open_listener", spy):
        publisher.bind("tcp://127.0.0.1:*")

    assert seen == [threading.current_thread()]


def test_a_bind_that_is_interrupted_is_undone() -> None:
    listener = mock.Mock(endpoint="tcp://host:1")
    coordinator: Any = mock.Mock(options=Options(), ended=False)
    posted: list[Any] = []
    coordinator.post = posted.append
    reception = Reception(coordinator, mock.Mock(spec=selectors.BaseSelector))

    def interrupted(function: Any) -> None:
        function()
        raise KeyboardInterrupt

    coordinator.call = interrupted
    with (
        mock.patch.object(receptions, "open_listener", return_value=listener),
        pytest.raises(KeyboardInterrupt),
    ):
        reception.bind("tcp://host:1")
    for function in posted:
        function()

    assert reception.endpoints == ()
    listener.close.assert_called()
