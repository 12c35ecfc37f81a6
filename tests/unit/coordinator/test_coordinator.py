"""The coordinator's thread: nothing that is asked of it holds it up, and nothing is left behind."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from fanout.coordinator import reception as receptions
from fanout.coordinator.calls import Calls
from fanout.coordinator.listening import PAUSE
from fanout.events import EventKind
from fanout.publisher import Publisher
from fanout.reasons import Reason
from fanout.transport.opening import open_listener
from tests.unit.coordinator.bench import Bench

if TYPE_CHECKING:
    from fanout.transport.listener import Listener


def test_calls_that_make_calls_let_it_go_on() -> None:
    calls = Calls()
    made: list[None] = []

    def again() -> None:
        made.append(None)
        assert len(made) < 3, "it never gets to anything else"
        calls.post(again)

    calls.post(again)
    calls.take()
    calls.take()
    calls.close()

    assert len(made) == 2


def test_who_is_refused_for_want_of_descriptors_is_named() -> None:
    with Bench() as bench:
        connect = bench.listen()
        host, port = connect().getsockname()
        connect()  # it waits in the listen queue
        with mock.patch.object(receptions, "duplicate", side_effect=OSError(24, "Too many")):
            bench.turn()

        refused, paused = bench.events[-2:]
        assert (refused.kind, paused.kind) == (
            EventKind.CONNECTION_REFUSED,
            EventKind.ACCEPT_PAUSED,
        )
        assert (refused.peer, refused.cause) == (f"{host}:{port}", Reason.NO_RESOURCES)
        assert len(bench.of(EventKind.CONNECTION_REFUSED)) == 1
        assert len(bench.of(EventKind.ACCEPT_PAUSED)) == 1
        assert bench.state.ledger.accept_pauses == 1
        assert bench.state.ledger.refused == 1
        assert (bench.state.roster.connections, bench.state.roster.half_open) == ({}, 0)
        bench.turn()
        assert bench.state.ledger.accepted == 1, "it accepts before its pause is over"
        bench.pass_time(PAUSE)
        bench.turn()
        assert bench.state.ledger.accepted == 2


def test_an_end_closes_the_duplicates_and_answers_who_still_asks() -> None:
    """Also where the coordinator fails, and no worker has said what became of its subscribers."""
    late: list[bool] = []
    with Bench() as bench:
        bench.listen()()
        bench.turn()
        (duplicate,) = bench.state.duplicates.values()
        # It was asked for before the end, but not looked at any more.
        bench.coordinator._calls.post(lambda: late.append(bench.coordinator._calls.ended))

    assert bench.state.duplicates == {}
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(duplicate)
    assert late == [True]


def test_an_address_is_looked_up_by_who_binds_it() -> None:
    """A resolver may take half a minute; the coordinator accepts and supervises meanwhile."""
    seen = []
    look = open_listener

    def spy(*arguments: Any, **keywords: Any) -> Listener:
        seen.append(threading.current_thread())
        return look(*arguments, **keywords)

    with Publisher(workers=1) as publisher, mock.patch.object(receptions, "open_listener", spy):
        publisher.bind("tcp://127.0.0.1:*")

    assert seen == [threading.current_thread()]


def test_a_bind_that_is_interrupted_is_undone() -> None:
    with Bench() as bench:
        reception = bench.coordinator.reception
        add = reception._add
        opened: list[Listener] = []

        def interrupted(listener: Listener) -> str:
            opened.append(listener)
            add(listener)
            raise KeyboardInterrupt

        with mock.patch.object(reception, "_add", interrupted), pytest.raises(KeyboardInterrupt):
            reception.bind("tcp://127.0.0.1:*")
        bound = reception.endpoints
        bench.turn()

        assert (len(bound), reception.endpoints) == (1, ())
        assert opened[0].socket.fileno() == -1, "it is closed, whoever still has it"


def test_a_thread_that_begins_after_the_end_does_nothing() -> None:
    """A start that is interrupted is undone while its thread may be about to run."""
    ended: list[None] = []
    bench = Bench()
    bench.coordinator._on_ended = lambda: ended.append(None)
    bench.coordinator.close(0.0)
    bench.coordinator._run()
    bench.coordinator.close(0.0)

    assert (len(ended), bench.processes) == (1, [])
    bench.close()


def test_a_thread_of_the_same_number_is_not_the_coordinators() -> None:
    calls = Calls()
    calls.serve_here()
    calls.end()
    calls.close()

    assert not calls.is_here


def test_a_long_list_of_who_is_gone_is_taken_out_a_piece_a_turn() -> None:
    with Bench() as bench:
        interest = bench.state.interest
        names = [b"%d" % index for index in range(10_000, 12_500)]
        interest.update(1, 0, names, [])
        interest.forget(1)
        pieces = 0
        while interest.has_leaving:
            bench.turn()
            pieces += 1
        assert pieces == 2
        assert interest.kept_bytes == 0


def test_who_reports_goes_before_what_is_left_of_who_is_gone() -> None:
    with Bench() as bench:
        interest, pool = bench.state.interest, bench.coordinator._pool
        interest.update(1, 0, [b"%d" % index for index in range(10_000, 15_500)], [])
        interest.forget(1)
        left = []
        for _turn in range(16):
            pool._has_reports = True
            pool.clear()
            left.append(interest.leaving_bytes)
        pool.clear()
        assert [left.index(size) for size in sorted(set(left), reverse=True)] == [0, 7, 15]
        assert interest.leaving_bytes < left[-1], "nobody reports any more"
