"""Who is let in, and who is held before the end: a subscriber that is closed comes back at once."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING
from unittest import mock

from fanout.basics.records import changed
from fanout.coordinator import reception as receptions
from fanout.coordinator.addresses import HOLD_FIRST, REFUSAL_HOLD
from fanout.coordinator.listening import PAUSE
from fanout.events import EventKind
from fanout.reasons import Reason
from fanout.terms.addresses import REFUSED_HELD
from fanout.transport import accepting
from fanout.transport import held as holding
from tests.unit.coordinator.bench import Bench, closed

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    import pytest

from fanout.transport.reserve import KEPT_PART, first_kept


def is_open(sock: socket.socket) -> bool:
    """Whether its peer has not ended the connection."""
    sock.setblocking(False)
    try:
        return sock.recv(1) != b""
    except BlockingIOError:
        return True


def offend(bench: Bench) -> socket.socket:
    """A subscriber connects, and wants too much; its worker leaves the end to the coordinator."""
    sock, subscriber = bench.connect()
    bench.worker.say(closed(subscriber, Reason.LIMIT))
    bench.turn()
    assert subscriber not in bench.state.roster.connections
    return sock


def mistake(bench: Bench) -> socket.socket:
    """Somebody connects with keys that do not fit; its worker leaves the end to the coordinator."""
    connect = bench.listen()
    sock = connect()
    bench.turn()
    (subscriber,) = bench.state.roster.connections
    bench.worker.say(changed(closed(subscriber, Reason.KEY), evicted=False))
    bench.turn()
    return sock


def strangers(number: int) -> Iterator[str]:
    yield from (f"203.0.113.7:{port}" for port in range(number))


def test_who_wants_too_much_again_is_held_and_then_closed() -> None:
    with Bench() as bench:
        assert not is_open(offend(bench)), "a first time may be a mistake"
        second, third = offend(bench), offend(bench)

        assert is_open(second)
        bench.pass_time(HOLD_FIRST)
        assert (is_open(second), is_open(third)) == (False, True)
        bench.pass_time(HOLD_FIRST)
        assert not is_open(third)
        assert bench.state.ledger.evicted == 3


def test_who_has_keys_that_do_not_fit_is_held_and_takes_no_place() -> None:
    with Bench(options={"max_half_open": 1}) as bench:
        assert not is_open(mistake(bench)), "who has just been set up is told at once"
        second, third = mistake(bench), mistake(bench)

        assert not bench.state.roster.connections
        assert not bench.state.roster.half_open
        assert bench.state.ledger.failed_handshakes == 3
        bench.pass_time(REFUSAL_HOLD - 1.0)
        assert is_open(second)
        assert is_open(third)
        bench.pass_time(1.0)
        assert not is_open(second)
        assert not is_open(third)


def test_only_some_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "HELD_MAX", 2)
    with Bench() as bench:
        offend(bench)
        held = [offend(bench) for _ in range(3)]

        assert [is_open(one) for one in held] == [False, True, True]


def test_nobody_is_held_beyond_the_end() -> None:
    with Bench() as bench:
        offend(bench)
        held = offend(bench)
        bench.coordinator.reception.close()

        assert not is_open(held)


def is_there(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_a_forked_child_has_no_copy_of_a_connection() -> None:
    """Or who is connected would not hear of it when the parent is killed."""
    with Bench() as bench:
        offend(bench)
        held, (served, _) = offend(bench), bench.connect()
        copies = [*bench.state.duplicates.values()]
        copies += [descriptor for _, descriptor in bench.coordinator.reception._held._held]
        assert [is_there(one) for one in copies] == [True, True]
        child = os.fork()
        if not child:
            os._exit(sum(map(is_there, copies)))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert [is_there(one) for one in copies] == [True, True]
        assert (is_open(held), is_open(served)) == (True, True)


def test_who_is_held_leaves_when_descriptors_are_wanted() -> None:
    with Bench() as bench:
        offend(bench)
        held = offend(bench)
        connect = bench.listen()
        connect()
        full = OSError(errno.EMFILE, "Too many open files")
        with mock.patch.object(receptions, "duplicate", side_effect=full):
            bench.turn()

        assert not is_open(held)
        assert bench.of(EventKind.ACCEPT_PAUSED) == [], "there are descriptors now"
        connect()
        bench.turn()
        assert len(bench.state.roster.connections) == 1


def test_who_is_refused_for_its_address_is_held_a_moment() -> None:
    options = {"max_subscribers_per_address": 1, "max_half_open_per_address": 1}
    with (
        Bench(options=options) as bench,
        mock.patch.object(receptions, "peer_name", side_effect=strangers(2)),
    ):
        connect = bench.listen()
        admitted, refused = connect(), connect()
        bench.turn()

        (event,) = bench.of(EventKind.CONNECTION_REFUSED)
        assert event.cause is Reason.ADDRESS_FULL
        assert "203.0.113.7 has 1 connections" in event.reason
        assert bench.state.ledger.refused == 1
        assert (is_open(admitted), is_open(refused)) == (True, True)
        bench.pass_time(REFUSED_HELD)
        assert (is_open(admitted), is_open(refused)) == (True, False)


def test_who_is_over_a_limit_again_and_again_is_told_of_now_and_then() -> None:
    with Bench() as bench:
        for _ in range(50):
            offend(bench)
        bench.coordinator._tell(bench.coordinator._telling.due(float("inf")))

        told = bench.of(EventKind.SUBSCRIBER_EVICTED)
        assert [event.count for event in told] == [1, 49]


def crowd(bench: Bench, monkeypatch: pytest.MonkeyPatch, spare: int) -> tuple[int, int]:
    """Have 40 wait, where there are so many descriptors before the reserve.

    Returns:
        The first that is free, and the limit of open files.
    """
    connect = bench.listen()
    for _ in range(40):
        connect()
    lowest_free = os.dup(0)
    os.close(lowest_free)
    allowed = (lowest_free + spare) * 8 // 7
    monkeypatch.setattr(receptions, "allowed_descriptors", lambda: allowed)
    return lowest_free, allowed


def test_no_descriptor_of_ours_is_in_the_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is handed over leaves a low number, which the next one gets; the duplicates go up."""
    with Bench() as bench:
        _, allowed = crowd(bench, monkeypatch, spare=3)
        for _ in range(30):
            bench.turn()
            bench.worker.hear()
            bench.pass_time(PAUSE)

        duplicates = bench.state.duplicates.values()
        assert duplicates
        assert max(duplicates) < allowed - allowed // KEPT_PART
        assert bench.of(EventKind.CONNECTION_REFUSED) == [], "who waits goes on waiting"
        first, *summaries = bench.of(EventKind.ACCEPT_PAUSED)
        assert (
            f"of {allowed} open files the last {allowed // 8} are kept for the pr" in first.reason
        )
        assert "raise the limit of open files: ulimit -n" in first.reason
        assert len(summaries) <= 2, "the others each ten seconds"


def test_who_is_held_for_its_address_leaves_the_program_the_last_descriptors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are descriptors of ours, too: of one address there could be a thousand."""
    options = {"max_subscribers_per_address": 1, "max_half_open_per_address": 1}
    names = mock.patch.object(receptions, "peer_name", return_value="203.0.113.7:5")
    monkeypatch.setattr(receptions, "ACCEPTS_PER_TURN", 4)
    monkeypatch.setattr(accepting, "ACCEPTS_PER_TURN", 4)
    with Bench(options=options) as bench, names:
        lowest_free, allowed = crowd(bench, monkeypatch, spare=20)
        held, highest = bench.coordinator.reception._held, 0
        for _ in range(20):
            bench.turn()
            highest = max([highest, *(descriptor for _, descriptor in held._held)])

        assert bench.state.ledger.refused == 39, "each has had its turn"
        assert lowest_free < highest < first_kept(allowed)


def test_a_full_accept_queue_is_told_and_counted() -> None:
    with Bench(options={"backlog": 1}) as bench:
        connect = bench.listen()
        connect()
        bench.turn()
        assert bench.state.ledger.accept_queue_full == 0
        for _ in range(2):  # while nobody accepts
            connect()
        bench.turn()

        (event,) = bench.of(EventKind.ACCEPT_QUEUE_FULL)
        assert event.reason.startswith("2 connections wait to be accepted at tcp://127.0.0.1:")
        assert bench.state.ledger.accept_queue_full == 1
        assert bench.state.ledger.accepted == 3


def test_nobody_is_accepted_for_a_while_where_a_worker_can_watch_no_more_sockets() -> None:
    """Who was accepted would be closed, would come back, and be closed again."""
    with Bench() as bench:
        subscribers = [bench.connect()[1] for _ in range(2)]
        connect = bench.listen()
        for subscriber in subscribers:
            bench.worker.say(changed(closed(subscriber, Reason.UNWATCHED), reason="no more"))
        bench.turn()

        (told,) = bench.of(EventKind.ACCEPT_PAUSED)
        assert told.reason == f"no more; again in {PAUSE} s"
        assert bench.state.ledger.accept_pauses == 1, "one pause, whoever else was refused"
        connect()
        bench.turn()
        assert not bench.state.roster.connections, "it waits"
        bench.pass_time(PAUSE)
        bench.turn()
        assert len(bench.state.roster.connections) == 1
