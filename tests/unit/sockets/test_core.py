"""A socket without I/O: who is let in, how often it connects, and what peers may have begun."""

from __future__ import annotations

import pytest

from fanout.answers.replies import Answer
from fanout.answers.role import AnsweringRole
from fanout.events import Event, EventKind
from fanout.reasons import Reason
from fanout.sockets.core import Core
from fanout.sockets.dealing import Dealer
from fanout.sockets.limits import Limits
from fanout.sockets.peer import Peer
from fanout.sockets.pipeline import Pull
from fanout.sockets.problems import ProblemKind, Problems
from fanout.subscriber.backoff import BackOff
from fanout.transport.endpoints import parse_endpoint
from fanout.zmtp import commands, encode_message
from fanout.zmtp.metadata import ready
from tests.helpers.asked import FakeClock
from tests.unit.zmtp.wire import GREETING

HELLO = GREETING + ready(b"PUSH")
NO_FRAME = b"\xff" * 12


def core_of(limits: Limits, kind: type[Pull | Dealer] = Pull) -> tuple[Core, Problems]:
    problems = Problems()
    return Core(kind(limits, problems), limits, problems, lambda: BackOff(lambda: 0.5)), problems


def let_in(core: Core, name: str) -> Peer:
    """Somebody connects, and is not refused."""
    peer = core.accepted(name, 0.0)
    assert isinstance(peer, Peer)
    return peer


def kinds(problems: Problems) -> list[ProblemKind]:
    return [problem.kind for problem in problems.take()]


def test_one_too_many_is_refused_until_another_has_left() -> None:
    core, problems = core_of(Limits(max_peers=1))
    peer = let_in(core, "a")
    assert core.accepted("b", 0.0) is Reason.FULL
    assert kinds(problems) == [ProblemKind.REFUSED]
    core.lost(peer, "left", 0.0)
    core.lost(peer, "left", 0.0)
    let_in(core, "c")
    assert core.accepted("d", 0.0) is Reason.FULL


def test_what_is_connected_to_counts_for_nobody_who_is_accepted() -> None:
    core, _ = core_of(Limits(max_peers=1))
    core.connect(parse_endpoint("ipc://x"))
    (dial,) = core.due(0.0)
    core.connected(dial, 0.0)
    let_in(core, "a")


def test_one_address_has_its_part_and_its_handshakes_are_counted() -> None:
    core, problems = core_of(Limits(max_peers=8, max_half_open_per_address=2))
    here, there = "203.0.113.7:5", "198.51.100.2:5"
    first, _ = let_in(core, here), let_in(core, here)
    assert core.accepted(here, 0.0) is Reason.ADDRESS_HALF_OPEN
    assert core.received(first, HELLO, 0.0) is None
    let_in(core, here)
    let_in(core, there)
    assert core.accepted(here, 0.0) is Reason.ADDRESS_HALF_OPEN
    core.lost(first, "left", 0.0)
    assert core.accepted(here, 0.0) is Reason.ADDRESS_HALF_OPEN, "it was in no handshake"
    text = "203.0.113.7 has 2 in their handshake (max_half_open_per_address)"
    assert [one.text for one in problems.take() if one.text != "left"] == [text] * 3


def test_who_violates_zmtp_in_one_read_with_its_handshake_is_in_none_any_more() -> None:
    """Or its address had fewer and fewer handshakes, until there were none for its neighbours."""
    core, _ = core_of(Limits(max_peers=8))
    for _ in range(8):
        peer = let_in(core, "203.0.113.7:5")
        problem = core.received(peer, HELLO + NO_FRAME, 0.0)
        assert problem is not None
        core.lost(peer, str(problem), 0.0, refused=True)
    assert (core.joined, core.ready) == (8, 0)


def test_what_is_asked_before_a_violation_in_one_read_is_of_who_has_joined() -> None:
    """A role is given messages of nobody else: that would end its thread, and so its endpoint."""
    events: list[Event] = []
    answer, clock, problems = (Answer(b"", ""), 0.0), FakeClock(), Problems()
    role = AnsweringRole(Limits(), problems, lambda _: answer, clock, events.append, "ipc://x")
    core = Core(role, Limits(), problems, lambda: BackOff(lambda: 0.5))
    peer = let_in(core, "203.0.113.7:5")
    hello = GREETING + ready(b"REQ")
    problem = core.received(peer, hello + encode_message([b"", b"x"]) + NO_FRAME, 0.0)
    assert problem is not None
    core.lost(peer, str(problem), 0.0, refused=True)
    assert role.dispatch() == []
    told = [event.kind for event in events]
    assert told == [EventKind.ASKER_CONNECTED, EventKind.ASKER_EVICTED]
    assert (role.accepted, role.evicted) == (1, 1)


def test_a_lost_connection_is_made_again_after_its_back_off() -> None:
    core, problems = core_of(Limits())
    core.connect(parse_endpoint("ipc://x"))
    (dial,) = core.due(0.0)
    assert core.due(0.0) == []
    core.failed(dial, "refused", 0.0)
    assert core.due(0.04) == []
    assert core.due(0.05) == [dial]
    peer = core.connected(dial, 0.1)
    assert core.received(peer, HELLO, 0.1) is None
    assert (core.ready, core.joined) == (1, 1)
    core.lost(peer, "gone", 1.0)
    assert (core.ready, core.joined) == (0, 1)
    assert core.due(1.05) == [dial]
    assert kinds(problems) == [ProblemKind.FAILED, ProblemKind.LOST]


def test_messages_in_one_read_with_the_handshake() -> None:
    core, _ = core_of(Limits())
    peer = let_in(core, "a")
    assert peer is not None
    wire = encode_message([b"x"])
    problem = core.received(peer, HELLO + wire + wire + b"\x00\x05ab", 0.0)
    assert problem is None
    assert core.role.received_count == 2


@pytest.mark.parametrize("shares", [(900, 50), (50, 900)])
def test_what_is_begun_is_bounded_for_all_together(shares: tuple[int, int]) -> None:
    """Who has more than its share is cut off, once all of them have too much."""
    core, _ = core_of(Limits(inbox_bytes=1000))
    peers = [let_in(core, str(number)) for number in range(2)]
    for peer, size in zip(peers, shares, strict=True):
        assert peer is not None
        core.received(peer, HELLO, 0.0)
        assert core.received(peer, encode_message([bytes(5000)])[:size], 0.0) is None
    first, second = peers
    assert first is not None
    assert second is not None
    large, small = (first, second) if shares[0] > shares[1] else (second, first)
    assert core.received(small, bytes(100), 0.0) is None
    problem = core.received(large, bytes(1), 0.0)
    assert problem is not None
    assert "inbox_bytes" in str(problem)
    core.lost(large, str(problem), 0.0)
    assert core.received(small, bytes(500), 0.0) is None


def test_heartbeats_are_no_part_of_a_message() -> None:
    """They come for days, and nothing else."""
    core, _ = core_of(Limits(inbox_bytes=1000))
    peer = let_in(core, "peer")
    assert peer is not None
    core.received(peer, HELLO, 0.0)
    ping = commands.ping(b"x" * 16, 0)
    for _ in range(200):
        assert core.received(peer, ping, 0.0) is None
        peer.wrote(len(peer.next_piece()))
    assert peer.begun == 0


def test_at_the_end_it_connects_only_for_what_waits() -> None:
    core, _ = core_of(Limits(), Dealer)
    core.connect(parse_endpoint("ipc://x"))
    core.is_closing = True
    assert core.due(0.0) == []
    assert core.next_at() is None
    role = core.role
    assert isinstance(role, Dealer)
    role.try_send(b"wire")
    assert len(core.due(0.0)) == 1
    assert not core.is_through
