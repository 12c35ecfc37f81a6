"""Answers: a question is done with when the last worker has answered it or is lost."""

from __future__ import annotations

from threading import Event

from fanout.coordinator.answers import Answers


def test_it_is_done_when_all_have_answered() -> None:
    answers, flag = Answers(), Event()
    token = answers.expect([0, 2], flag)
    assert token is not None

    assert answers.came(token, 0) is None
    assert answers.came(token, 0) is None
    assert answers.came(token, 2) is flag
    assert answers.came(token, 2) is None, "it was done before"


def test_with_nobody_to_ask_there_is_nothing_to_wait_for() -> None:
    assert Answers().expect([], Event()) is None


def test_a_lost_worker_owes_nothing() -> None:
    answers, first, second = Answers(), Event(), Event()
    token = answers.expect([0, 1], first)
    answers.expect([1], second)
    assert token is not None

    assert answers.forget(1) == [second]
    assert answers.came(token, 0) is first


def test_questions_do_not_answer_each_other() -> None:
    answers, first, second = Answers(), Event(), Event()
    one, other = answers.expect([0], first), answers.expect([0], second)
    assert one is not None
    assert other is not None

    assert one != other
    assert answers.came(other, 0) is second
    assert answers.came(one, 0) is first


def test_an_answer_to_what_nobody_asked_is_ignored() -> None:
    answers, flag = Answers(), Event()
    token = answers.expect([0], flag)
    assert token is not None

    assert answers.came(token + 1, 0) is None
    assert answers.came(token, 5) is None


def test_questions_to_one_that_is_lost_can_be_taken_back_whoever_else_owes_an_answer() -> None:
    answers, first, second = Answers(), Event(), Event()
    token = answers.expect([0, 1], first)
    answers.expect([0], second)
    assert token is not None

    assert answers.take_back(1) == [first]
    assert answers.came(token, 0) is None
    assert answers.forget(0) == [second]
