"""Whose question is answered when, who is left unread, and what is told of whom."""

from __future__ import annotations

import errno
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from fanout.answers.replies import Answer
from fanout.answers.role import AnsweringRole
from fanout.events import Event, EventKind
from fanout.reasons import Reason
from fanout.sockets.core import Core
from fanout.sockets.limits import Limits
from fanout.sockets.peer import NO_HANDSHAKE
from fanout.sockets.problems import Problems
from fanout.sockets.wiring import CLOSED, CLOSED_BY_PEER
from fanout.subscriber.backoff import BackOff
from fanout.terms.question_terms import QUESTION_S, QUESTIONS_BURST, QUESTIONS_PER_S, UNREAD_S
from fanout.zmtp import encode_message
from tests.helpers.asked import FakeClock
from tests.unit.sockets.peers import LIMITS, dispatched, peer_of, written

if TYPE_CHECKING:
    from fanout.sockets.peer import Peer


class Desk:
    """A role that answers with what it was asked, in capitals."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.events: list[Event] = []
        self.takes = 0.0
        self.role = AnsweringRole(
            LIMITS, Problems(), self.answer, self.clock, self.events.append, "ipc://x"
        )

    def answer(self, question: bytes) -> tuple[Answer, float]:
        self.clock.now += self.takes
        return Answer(question.upper(), "no" if question == b"no" else ""), self.takes

    def peer(self) -> Peer:
        return peer_of(self.role)

    def turns(self, *peers: Peer) -> list[bytes]:
        """What each is sent in one turn."""
        found = dispatched(self.role, peers)
        self.role.take_turned()
        return found


def may_dispatch(desk: Desk) -> bool:
    return desk.role.may_dispatch


def test_an_answer_has_the_envelope_of_its_question() -> None:
    desk = Desk()
    a, b, c = desk.peer(), desk.peer(), desk.peer()
    desk.role.received(a, [(b"", b"one")])
    desk.role.received(b, [(b"7", b"", b"two")])
    desk.role.received(c, [(b"no",)])
    assert may_dispatch(desk)
    assert desk.turns(a, b, c) == [
        encode_message([b"", b"ONE"]),
        encode_message([b"7", b"", b"TWO"]),
        encode_message([b"NO"]),
    ]
    assert not may_dispatch(desk)
    assert (desk.role.questions, desk.role.errors, desk.role.bytes) == (3, 1, 8)


def test_askers_have_their_turns() -> None:
    desk = Desk()
    flood, other = desk.peer(), desk.peer()
    desk.role.received(flood, [(b"%d" % n,) for n in range(100)])
    desk.role.received(other, [(b"x",), (b"y",)])
    assert desk.turns(flood, other) == [encode_message([b"0"]), encode_message([b"X"])]
    assert desk.turns(flood, other) == [encode_message([b"1"]), encode_message([b"Y"])]
    assert desk.turns(flood, other) == [encode_message([b"2"]), b""]


def test_a_turn_does_not_take_long_and_the_next_one_goes_on() -> None:
    desk = Desk()
    desk.takes = QUESTION_S * 1.5
    peers = [desk.peer() for _ in range(3)]
    for peer in peers:
        desk.role.received(peer, [(b"x",)])
    answered = [desk.turns(*peers) for _ in peers]
    one = encode_message([b"X"])
    assert answered == [[one, b"", b""], [b"", one, b""], [b"", b"", one]]


def test_who_has_questions_waiting_is_not_read() -> None:
    desk = Desk()
    peer = desk.peer()
    assert not desk.role.is_left_unread(peer)
    desk.role.received(peer, [(b"x",), (b"y",)])
    assert desk.role.is_left_unread(peer)
    assert list(desk.role.take_turned()) == [peer]
    desk.role.dispatch()
    written(peer)
    assert desk.role.is_left_unread(peer)
    desk.role.dispatch()
    assert set(desk.role.take_turned()) == {peer}
    assert desk.role.is_left_unread(peer), "it has not taken its answer"
    written(peer)
    assert not desk.role.is_left_unread(peer)


def test_who_has_all_its_answers_is_read_again_at_once() -> None:
    desk = Desk()
    peer = desk.peer()
    desk.role.received(peer, [(b"x",)])
    desk.role.take_turned()
    desk.role.dispatch()
    assert list(desk.role.take_turned()) == [peer]


def test_who_takes_no_answer_gets_no_more_and_is_closed_at_last() -> None:
    desk = Desk()
    peer, other = desk.peer(), desk.peer()
    desk.role.received(peer, [(b"x",), (b"y",)])
    assert desk.role.dispatch() == [peer]
    assert desk.role.dispatch() == []
    assert not may_dispatch(desk)
    assert desk.role.next_at() == desk.clock.now + UNREAD_S
    desk.clock.now += UNREAD_S - 1
    desk.role.received(other, [(b"z",)])
    assert desk.turns(other) == [encode_message([b"Z"])]
    assert desk.role.condemned == []
    desk.clock.now += 1
    desk.role.dispatch()
    assert desk.role.condemned == [(peer, Reason.UNREAD_ANSWERS.text)]
    desk.role.dispatch()
    assert len(desk.role.condemned) == 1


def test_who_takes_it_late_is_read_again() -> None:
    desk = Desk()
    peer = desk.peer()
    desk.role.received(peer, [(b"x",)])
    desk.role.dispatch()
    desk.role.take_turned()
    desk.role.dispatch()
    assert list(desk.role.take_turned()) == []
    written(peer)
    desk.role.dispatch()
    assert list(desk.role.take_turned()) == [peer]


def test_who_asks_too_often_waits() -> None:
    desk = Desk()
    peer = desk.peer()
    desk.role.received(peer, [(b"x",)] * (QUESTIONS_BURST + 2))
    for _ in range(QUESTIONS_BURST):
        assert desk.turns(peer) != [b""]
    assert desk.turns(peer) == [b""]
    assert not may_dispatch(desk)
    due = desk.role.next_at()
    assert due is not None
    assert 0 < due - desk.clock.now <= 1 / QUESTIONS_PER_S
    desk.clock.now = due
    assert may_dispatch(desk)
    assert desk.turns(peer) != [b""]


def test_ends_are_told_and_counted() -> None:
    desk = Desk()
    role = desk.role
    texts = [
        (CLOSED_BY_PEER, False, EventKind.ASKER_DISCONNECTED, Reason.LEFT),
        ("reset", False, EventKind.ASKER_DISCONNECTED, Reason.BROKEN),
        ("bad", True, EventKind.ASKER_EVICTED, Reason.VIOLATION),
        (Reason.UNREAD_ANSWERS.text, False, EventKind.ASKER_EVICTED, Reason.UNREAD_ANSWERS),
        (CLOSED, False, EventKind.ASKER_DISCONNECTED, Reason.PUBLISHER_CLOSED),
    ]
    for text, refused, kind, cause in texts:
        peer = desk.peer()
        assert desk.events[-1].kind is EventKind.ASKER_CONNECTED
        role.received(peer, [(b"x",), (b"y",)])
        role.dispatch()
        peer.is_gone = True
        role.ended(peer, text, refused=refused)
        assert (desk.events[-1].kind, desk.events[-1].cause) == (kind, cause)
        assert role.dispatch() == []
        assert (role.condemned, role.next_at()) == ([], None)
    assert (role.accepted, role.evicted, role.askers) == (5, 2, {})
    role.ended(peer, NO_HANDSHAKE, refused=False)
    assert (desk.events[-1].kind, desk.events[-1].cause) == (
        EventKind.HANDSHAKE_FAILED,
        Reason.HANDSHAKE_TIMEOUT,
    )


def test_who_is_one_too_many_is_told_in_words_of_who_has_set_the_limit() -> None:
    desk = Desk()
    limits = Limits(max_peers=2, max_connections_per_address=1)
    core = Core(desk.role, limits, desk.role.problems, lambda: BackOff(lambda: 0.5))
    for name in ("203.0.113.7:5", "203.0.113.7:6", "ipc:1", "ipc:2"):
        core.accepted(name, 0.0)
    assert [(one.kind, one.cause, one.peer, one.reason) for one in desk.events] == [
        (EventKind.CONNECTION_REFUSED, cause, peer, reason)
        for cause, peer, reason in (
            (
                Reason.ADDRESS_FULL,
                "203.0.113.7:6",
                "203.0.113.7 has 1 connections (max_connections_per_address)",
            ),
            (Reason.FULL, "ipc:2", "2 askers are connected (max_askers)"),
        )
    ]
    assert desk.role.refused == 2


def test_who_cannot_be_accepted_is_told_of_and_counted() -> None:
    desk = Desk()
    desk.role.cannot_accept("Too many open files")
    desk.role.crowded("2 wait")
    paused, full = desk.events
    assert (paused.kind, paused.cause) == (EventKind.ACCEPT_PAUSED, Reason.NO_RESOURCES)
    assert (full.kind, full.cause) == (EventKind.ACCEPT_QUEUE_FULL, None)
    assert [one.reason for one in desk.events] == ["askers: Too many open files", "askers: 2 wait"]
    assert (desk.role.accept_pauses, desk.role.accept_queue_full, desk.role.refused) == (1, 1, 0)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (CLOSED, Reason.PUBLISHER_CLOSED),
        (CLOSED_BY_PEER, Reason.MECHANISM),
        (os.strerror(errno.ECONNRESET), Reason.MECHANISM),
        ("its socket cannot be watched", Reason.BROKEN),
    ],
)
def test_only_who_ends_it_by_himself_has_hung_up(text: str, cause: Reason) -> None:
    """Having read nothing of us but the greeting, which says what mechanism we have."""
    desk = Desk()
    peer: Any = SimpleNamespace(
        name="x",
        refusal=None,
        feed=SimpleNamespace(knows_our_mechanism_only=True, our_mechanism="NULL"),
    )
    desk.role.farewell = Reason.PUBLISHER_CLOSED
    desk.role.ended(peer, text, refused=False)
    assert [event.cause for event in desk.events] == [cause]


def test_who_leaves_in_the_middle_of_a_greeting_is_told_as_that() -> None:
    desk = Desk()
    half = SimpleNamespace(knows_our_mechanism_only=False, cut_short="after 33 bytes")
    peer: Any = SimpleNamespace(name="x", refusal=None, feed=half)
    desk.role.ended(peer, CLOSED_BY_PEER, refused=False)
    desk.role.ended(peer, "Connection reset by peer", refused=False)
    assert [(event.cause, event.reason) for event in desk.events] == [
        (Reason.LEFT, "after 33 bytes"),
        (Reason.BROKEN, "Connection reset by peer"),
    ]
