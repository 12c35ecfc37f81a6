"""Listeners that the system does not let the coordinator watch: told of, and tried again."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from fanout.coordinator import reception as receptions
from fanout.coordinator.listening import PAUSE, Listening
from fanout.events import EventKind
from fanout.reasons import Reason
from tests.helpers.refusing import refusing
from tests.unit.coordinator.bench import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBERS = pytest.mark.parametrize("number", [errno.ENOMEM, errno.ENOSPC])


@contextmanager
def full(bench: Bench, number: int) -> Iterator[None]:
    """The system watches nothing more for the coordinator."""
    selector = bench.coordinator._selector
    with mock.patch.object(selector, "register", side_effect=refusing(number)):
        yield


@NUMBERS
def test_accepting_goes_on_when_listeners_can_be_watched_again(number: int) -> None:
    with Bench() as bench:
        connect, others = bench.listen(), bench.listen()
        connect()
        with mock.patch.object(receptions, "duplicate", side_effect=refusing(errno.EMFILE)):
            bench.turn()
        with full(bench, number):
            bench.pass_time(PAUSE)
            bench.pass_time(PAUSE)
        assert bench.state.ledger.accept_pauses == 3

        connect(), others()
        bench.pass_time(PAUSE)
        bench.turn()
        assert len(bench.state.roster.connections) == 2


@NUMBERS
def test_one_that_is_bound_while_it_cannot_be_watched_is_accepted_from_later(number: int) -> None:
    with Bench() as bench:
        with full(bench, number):
            connect = bench.listen()
            connect()
            bench.pass_time(PAUSE)
        (told,) = bench.of(EventKind.ACCEPT_PAUSED)
        assert told.cause is Reason.NO_RESOURCES
        assert "listeners cannot be watched: " in told.reason
        assert ("max_user_watches" in told.reason) == (number == errno.ENOSPC)
        bench.pass_time(PAUSE)
        bench.turn()
        assert len(bench.state.roster.connections) == 1


def test_what_fails_for_another_reason_is_not_taken_for_a_want_of_memory() -> None:
    selector = mock.Mock(register=refusing(errno.EPERM))
    listening = Listening({}, selector, mock.Mock(), lambda: 0.0)
    with pytest.raises(OSError, match="none"):
        listening.begin(mock.Mock(), lambda _listener: [])
    assert not listening.is_paused
