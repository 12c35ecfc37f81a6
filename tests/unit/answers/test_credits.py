"""Credits of one address, which many connections share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.answers import credits as module
from fanout.answers.asker import Asker
from fanout.answers.credits import AddressCredits, Credits
from fanout.sockets.peer import Peer
from fanout.terms.question_terms import (
    ADDRESS_QUESTIONS_BURST,
    ADDRESS_QUESTIONS_PER_S,
    QUESTIONS_BURST,
)
from fanout.zmtp.greeting import ROLES
from tests.unit.sockets.peers import LIMITS, written

if TYPE_CHECKING:
    import pytest


def askers(names: list[str], shared: AddressCredits, now: float) -> list[Asker]:
    found = []
    for name in names:
        peer = Peer(name, ROLES[b"ROUTER"], {}, LIMITS, now)
        written(peer)  # the greeting
        one = Asker(peer, now, shared.of(name, now))
        one.waiting.append((b"?",))
        found.append(one)
    return found


def spend(one: Asker, now: float) -> int:
    count = 0
    while one.is_due(now):
        one.answered(10, 0.0, "", now)
        count += 1
    return count


def test_connections_of_one_address_have_no_more_together() -> None:
    shared = AddressCredits()
    names = [f"203.0.113.7:{port}" for port in range(100)]
    assert sum(spend(one, 0.0) for one in askers(names, shared, 0.0)) == ADDRESS_QUESTIONS_BURST
    [another, waiting] = askers(["203.0.113.8:1", "203.0.113.7:1"], shared, 0.0)
    assert spend(another, 0.0) == QUESTIONS_BURST
    assert spend(waiting, 0.0) == 0, "to connect again is of no use"
    due = waiting.due_at()
    assert due is not None
    assert 0 < due <= 1 / ADDRESS_QUESTIONS_PER_S
    assert waiting.is_due(due)


def test_what_an_address_is() -> None:
    shared = AddressCredits()
    assert shared.of("[::1]:1", 0.0) is shared.of("[::1]:2", 0.0)
    assert shared.of("[::1]:1", 0.0) is not shared.of("[::2]:1", 0.0)
    assert shared.of("ipc:1", 0.0) is not shared.of("ipc:2", 0.0), "processes of one machine"


def test_addresses_are_forgotten_that_owe_nothing_and_then_the_oldest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ADDRESSES_MAX", 3)
    shared = AddressCredits()
    debtor = shared.of("a:1", 0.0)
    debtor.spend(ADDRESS_QUESTIONS_BURST, 0.0)
    for name in ("b:1", "c:1", "d:1"):
        shared.of(name, 0.0)
    assert (len(shared), shared.of("a:2", 0.0) is debtor) == (2, True)
    for name in ("e:1", "f:1", "g:1"):
        shared.of(name, 0.0).spend(1.0, 0.0)
    assert len(shared) == 3


def test_half_a_credit_is_enough() -> None:
    one = Credits(10.0, 2.0, 0.0)
    assert one.due_at() == 0.0
    one.spend(3.0, 0.0)
    assert (one.left(0.0), one.left(0.05), one.due_at()) == (-1.0, -0.5, 0.15)
    assert not one.is_full(0.29)
    assert one.is_full(0.31)
