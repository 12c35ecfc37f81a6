"""Who says no more is judged by what its host answers to one PING, and by the clock."""

from __future__ import annotations

from fanout.workers.connections.question import ANSWER_NS, Question, Verdict

ASKED_AT = 5_000


def question() -> Question:
    """After 300 bytes, of which 250 had arrived, a PING of 9."""
    return Question(250, 300, 9, ASKED_AT)


def test_whose_host_acknowledges_more_is_served_on() -> None:
    late = ASKED_AT + 10 * ANSWER_NS
    assert question().verdict(251, ASKED_AT, blocked=False) is Verdict.READS
    assert question().verdict(309, late, blocked=False) is Verdict.READS, "it was we who came late"
    assert question().verdict(251, late, blocked=True) is Verdict.READS


def test_whose_host_answers_nothing_has_left_after_a_second() -> None:
    asked = question()
    assert asked.verdict(250, ASKED_AT + ANSWER_NS - 1, blocked=False) is Verdict.WAIT
    assert asked.verdict(250, ASKED_AT + ANSWER_NS, blocked=False) is Verdict.LEFT


def test_the_second_begins_when_it_is_not_blocked_any_more() -> None:
    asked = question()
    unblocked = ASKED_AT + 5 * ANSWER_NS
    assert asked.verdict(250, unblocked, blocked=True) is Verdict.WAIT
    assert asked.verdict(250, unblocked + ANSWER_NS - 1, blocked=False) is Verdict.WAIT
    assert asked.verdict(250, unblocked + ANSWER_NS, blocked=False) is Verdict.LEFT


def test_what_was_not_acknowledged_of_the_ping_is_nothing_that_was_missed() -> None:
    assert [question().unanswered(acked) for acked in (250, 300, 304, 309, 400)] == [9, 9, 5, 0, 0]
