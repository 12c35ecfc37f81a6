"""Credits and stalls of who asks, by a clock that is told."""

from __future__ import annotations

from fanout.answers.asker import Asker
from fanout.answers.credits import Credits
from fanout.sockets.peer import Outgoing, Peer
from fanout.terms.question_terms import CREDIT_S, QUESTIONS_BURST, QUESTIONS_PER_S, UNREAD_S
from fanout.zmtp.greeting import ROLES
from tests.unit.sockets.peers import LIMITS, written


def asker(*questions: bytes) -> tuple[Asker, Peer]:
    peer = Peer("peer", ROLES[b"ROUTER"], {}, LIMITS, 0.0)
    written(peer)  # the greeting
    one = Asker(peer, 0.0, Credits(1e9, 1e9, 0.0))
    one.waiting.extend((question,) for question in questions)
    return one, peer


def spend(one: Asker, now: float, took: float = 0.0) -> int:
    """Has it ask as often as it may; returns how often that was."""
    count = 0
    while one.is_due(now):
        one.answered(10, took, "", now)
        count += 1
    return count


def test_who_asks_nothing_is_not_due() -> None:
    one, _ = asker()
    assert not one.is_due(0.0)
    assert one.due_at() is None


def test_so_many_at_once_and_so_many_a_second() -> None:
    one, _ = asker(b"?")
    assert spend(one, 0.0) == QUESTIONS_BURST
    due = one.due_at()
    assert due is not None
    assert 0 < due <= 1 / QUESTIONS_PER_S
    assert one.is_due(due)
    assert spend(one, 1.0) == QUESTIONS_PER_S
    assert spend(one, 1_000.0) == QUESTIONS_BURST, "no more are saved up"
    assert (one.questions, one.bytes) == (
        2 * QUESTIONS_BURST + QUESTIONS_PER_S,
        10 * (2 * QUESTIONS_BURST + QUESTIONS_PER_S),
    )


def test_who_asks_for_what_takes_long_may_ask_less() -> None:
    one, _ = asker(b"?")
    assert spend(one, 0.0, 10 * CREDIT_S) == QUESTIONS_BURST / 10
    assert spend(one, 1.0, 10 * CREDIT_S) == QUESTIONS_PER_S / 10


def test_who_has_not_taken_its_answer_waits_and_is_given_up_at_last() -> None:
    one, peer = asker(b"?")
    one.answered(10, 0.0, "gone", 5.0)
    assert one.errors == 1
    peer.give(Outgoing(b"0123456789"))
    assert not one.is_due(5.0)
    assert not one.is_stuck(5.0)
    assert one.due_at() == 5.0 + UNREAD_S
    peer.next_piece()
    peer.wrote(3)
    assert not one.is_stuck(4.0 + UNREAD_S)
    assert not one.is_stuck(4.0 + 2 * UNREAD_S - 0.1)
    assert one.is_stuck(4.0 + 2 * UNREAD_S)
    peer.wrote(7)
    assert not one.is_stuck(10 * UNREAD_S)
    assert one.is_due(10 * UNREAD_S)
