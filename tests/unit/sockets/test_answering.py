"""REP: envelopes, whose turn it is, and what is owed."""

from __future__ import annotations

from typing import cast

import pytest

from fanout.sockets.answering import ENVELOPE_FRAMES_MAX, Rep
from fanout.sockets.errors import NotNowError, StateError
from fanout.sockets.problems import ProblemKind
from fanout.zmtp import encode_message
from tests.unit.sockets.peers import dispatched, made, peer_of


def rep() -> Rep:
    return cast("Rep", made(Rep))


def owes(role: Rep) -> bool:
    return role.owes_reply


def test_a_reply_goes_to_who_has_asked_with_the_whole_envelope() -> None:
    role = rep()
    a, b = peer_of(role), peer_of(role)
    role.received(a, [(b"1", b"2", b"", b"question", b"", b"more")])
    role.received(b, [(b"", b"other")])
    assert role.try_recv() == (b"question", b"", b"more")
    assert owes(role)
    role.try_send([b"answer", b""])
    assert not owes(role)
    assert dispatched(role, [a, b]) == [encode_message([b"1", b"2", b"", b"answer", b""]), b""]
    assert role.try_recv() == (b"other",)
    role.try_send([b"answer"])
    assert dispatched(role, [a, b]) == [b"", encode_message([b"", b"answer"])]


def test_out_of_turn() -> None:
    role = rep()
    with pytest.raises(StateError, match="recv"):
        role.try_send([b"answer"])
    with pytest.raises(NotNowError):
        role.try_recv()


def test_receiving_while_it_owes_gives_the_reply_up() -> None:
    role = rep()
    peer = peer_of(role)
    role.received(peer, [(b"", b"first")])
    assert role.try_recv() == (b"first",)
    with pytest.raises(NotNowError):
        role.try_recv()
    assert (owes(role), role.dropped_count) == (True, 0)
    role.received(peer, [(b"", b"second")])
    assert role.try_recv() == (b"second",)
    assert role.dropped_count == 1
    role.try_send([b"answer"])
    assert dispatched(role, [peer]) == [encode_message([b"", b"answer"])]
    with pytest.raises(StateError):
        role.try_send([b"answer"])
    assert role.dropped_count == 1


def test_who_has_asked_and_is_gone_gets_nothing_and_that_is_counted() -> None:
    role = rep()
    peer = peer_of(role)
    role.received(peer, [(b"", b"question")])
    assert role.try_recv() == (b"question",)
    peer.is_gone = True
    role.left(peer, [])
    role.try_send([b"answer"])
    role.dispatch()
    assert role.dropped_count == 1
    assert [one.kind for one in role.problems.take()] == [ProblemKind.UNDELIVERED]


def test_a_peer_that_does_not_read_has_room_for_some_replies_only() -> None:
    role = rep()
    peer = peer_of(role)
    for _ in range(4):
        role.received(peer, [(b"", b"question")])
        role.try_recv()
        role.try_send([b"answer"])
        role.dispatch()
    role.received(peer, [(b"", b"question")])
    role.try_recv()
    with pytest.raises(NotNowError):
        role.try_send([b"answer"])
    assert owes(role)


@pytest.mark.parametrize(
    "frames",
    [(b"no", b"delimiter"), (b"no body", b""), (b"",), (*[b"x"] * ENVELOPE_FRAMES_MAX, b"y", b"")],
)
def test_what_is_no_request(frames: tuple[bytes, ...]) -> None:
    role = rep()
    role.received(peer_of(role), [frames])
    with pytest.raises(NotNowError):
        role.try_recv()
    assert role.discarded == 1
    assert [one.kind for one in role.problems.take()] == [ProblemKind.MALFORMED]
