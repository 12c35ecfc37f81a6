"""When sealed members are served, and for how long: after all others, and no longer than these."""

from __future__ import annotations

import pytest

from fanout.workers.connections.sealed import SealedSend
from fanout.workers.policy.block import Block
from fanout.workers.stream.member import Member
from fanout.workers.stream.sealed_turns import SealedTurns, is_sealed, plain_of
from fanout.workers.stream.turn_part import TurnPart
from tests.helpers.boxes import Kernel
from tests.helpers.log import Worker, always_late

LEAST_NS, MOST_NS = 2_000, 8_000
EACH_NS = 1_000  # that one takes
MANY = 20


def sealed_member(number: int) -> Member:
    member = Member(number, len, Block())
    member.sealed = SealedSend(len, Kernel().sealer)
    return member


class Turns:
    """Sealed members, each of whom takes some time, and a clock of that."""

    def __init__(self, sealed: int = MANY, plain: int = 3) -> None:
        self.now = 1_000_000
        self.sent, self.others_sent = 0, 1  # bytes; and between two turns
        self.served: list[Member] = []
        self.sealed = [sealed_member(number) for number in range(sealed)]
        self.plain = [Member(sealed + number, len, Block()) for number in range(plain)]
        self.runnable = dict.fromkeys([*self.sealed, *self.plain])
        self.steady: dict[Member, None] = {}
        self._turns = SealedTurns(TurnPart(lambda: self.now, part_ns=MOST_NS), LEAST_NS, MOST_NS)

    def turn(self, limit: int = 1_000) -> list[Member]:
        """Who is served in one, each of whom has more to do."""
        self.served = []
        self.sent += self.others_sent
        who = self.runnable, self.steady, limit, self._serve
        self._turns.serve(*who, lambda: self.sent)
        return self.served

    def _serve(self, member: Member) -> None:
        self.served.append(member)
        self.sent += 1
        self.now += EACH_NS
        self.runnable[member] = None


def test_who_is_plain_is_not_among_them() -> None:
    turns = Turns()
    assert [*plain_of(turns.runnable)] == turns.plain
    assert not set(turns.turn()) & set(turns.plain)
    assert all(map(is_sealed, turns.served))


@pytest.mark.parametrize(
    ("others_ns", "count"), [(0, 2), (1_000, 2), (5_000, 5), (8_000, 8), (50_000, 8)]
)
def test_they_have_as_long_as_the_others_had_within_bounds(others_ns: int, count: int) -> None:
    turns = Turns()
    turns.turn()
    turns.now += others_ns
    assert len(turns.turn()) == count


def test_while_there_are_no_others_they_have_a_whole_part() -> None:
    turns = Turns()
    turns.turn()
    turns.others_sent = 0
    assert len(turns.turn()) == MOST_NS // EACH_NS
    turns.others_sent = 1
    assert len(turns.turn()) == LEAST_NS // EACH_NS


def test_who_is_furthest_behind_goes_first_and_who_is_steady_before_that() -> None:
    turns = Turns()
    for place, member in enumerate(reversed(turns.sealed)):
        member.position = place
    turns.steady = dict.fromkeys(turns.sealed[:1])
    turns.now += MOST_NS
    first, second, third, *_ = turns.turn()
    assert [first, second, third] == [turns.sealed[0], turns.sealed[-1], turns.sealed[-2]]


def test_one_at_least_is_served_and_no_more_than_may_be() -> None:
    turns = Turns()
    turns.now += MOST_NS
    assert len(turns.turn(limit=1)) == 1
    assert Turns(sealed=0).turn() == []


def test_who_is_plain_and_behind_is_served_though_there_is_no_time_for_all_who_are_sealed() -> None:
    worker = Worker(part=always_late())
    sealed = [worker.member(b"") for _ in range(3)]
    for member, _ in sealed:
        worker.pump.throttles.put_under(member, lambda send: SealedSend(send, Kernel().sealer))
    plain, sink = worker.member(b"", room=0)
    worker.log.publish(b"topic", b"payload")
    worker.advance()
    sink.room = 1 << 40
    worker.pump.writable(plain)
    worker.pump.serve_runnable(0, 100)
    assert sink.taken
    assert sum(bool(one.taken) for _, one in sealed) == 1
