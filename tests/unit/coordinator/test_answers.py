"""Snapshots: a request is done when the last worker has answered or is lost."""

from __future__ import annotations

from threading import Event

from fanout.coordinator.answers import Snapshots


def test_it_is_done_when_all_have_answered() -> None:
    snapshots, flag = Snapshots(), Event()
    token = snapshots.begin([0, 2], flag)

    snapshots.done(token, 0)
    snapshots.done(token, 0)
    assert not flag.is_set()
    snapshots.done(token, 2)

    assert flag.is_set()


def test_nobody_to_ask_is_done_at_once() -> None:
    flag = Event()

    Snapshots().begin([], flag)

    assert flag.is_set()


def test_a_lost_worker_owes_nothing() -> None:
    snapshots, first, second = Snapshots(), Event(), Event()
    token = snapshots.begin([0, 1], first)
    snapshots.begin([1], second)

    snapshots.forget(1)
    assert (first.is_set(), second.is_set()) == (False, True)
    snapshots.done(token, 0)

    assert first.is_set()


def test_requests_do_not_answer_each_other() -> None:
    snapshots, first, second = Snapshots(), Event(), Event()
    one, other = snapshots.begin([0], first), snapshots.begin([0], second)

    snapshots.done(other, 0)

    assert one != other
    assert (first.is_set(), second.is_set()) == (False, True)


def test_an_answer_to_what_nobody_asked_is_ignored() -> None:
    snapshots, flag = Snapshots(), Event()
    token = snapshots.begin([0], flag)

    snapshots.done(token + 1, 0)
    snapshots.done(token, 5)

    assert not flag.is_set()
