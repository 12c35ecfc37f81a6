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

LEAST_NS, MOST_NS, PART_NS = 2_000, 8_000, 12_000
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
        self.are_ready = False
        self.news_at = 0  # when something new comes for others
        self.served: list[Member] = []
        self.sealed = [sealed_member(number) for number in range(sealed)]
        self.plain = [Member(sealed + number, len, Block()) for number in range(plain)]
        self.runnable = dict.fromkeys([*self.sealed, *self.plain])
        self.steady: dict[Member, None] = {}
        part = TurnPart(lambda: self.now, part_ns=PART_NS)
        self.turns = SealedTurns(part, LEAST_NS, MOST_NS, lambda: self.now >= self.news_at)

    def turn(self, limit: int = 1_000, others_ns: int = 0) -> list[Member]:
        """Who is served in one, each of whom has more to do, after others had so much time."""
        self.now += others_ns
        self.served = []
        self.sent += self.others_sent
        who = self.runnable, self.steady, limit, self._serve
        self.turns.serve(*who, lambda: self.sent, are_ready=self.are_ready)
        return self.served

    def calm(self) -> None:
        """Nothing new comes any more."""
        self.news_at = 1 << 62

    def _serve(self, member: Member) -> None:
        assert not self.turns.is_over() or not self.served
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
    ("others_ns", "count"), [(0, 1), (1_000, 1), (5_000, 5), (8_000, 8), (50_000, 8)]
)
def test_while_there_is_news_they_have_as_long_as_the_others_had(
    others_ns: int, count: int
) -> None:
    turns = Turns()
    turns.turn()
    assert len(turns.turn(others_ns=others_ns)) == count


def test_without_news_they_go_on_for_a_little_and_that_is_taken_from_what_they_are_owed() -> None:
    turns = Turns()
    turns.turn()
    turns.calm()
    assert len(turns.turn()) == LEAST_NS // EACH_NS
    assert len(turns.turn(others_ns=EACH_NS)) == LEAST_NS // EACH_NS
    turns.news_at = 0
    turns.others_sent = 1
    served = [len(turns.turn(others_ns=2 * EACH_NS)) for _ in range(4)]
    assert served == [1, 1, 1, 2]


def test_what_they_had_too_much_is_forgotten_above_some_time() -> None:
    turns = Turns()
    turns.calm()
    for _ in range(50):
        turns.turn()
    turns.news_at = 0
    assert len(turns.turn(others_ns=MOST_NS + 3 * EACH_NS)) == 3


def test_they_stop_once_there_is_news_if_they_are_owed_nothing() -> None:
    turns = Turns()
    turns.turn()
    turns.turns._least_ns = 10 * EACH_NS
    turns.news_at = turns.now + 3 * EACH_NS
    assert len(turns.turn()) == 3


@pytest.mark.parametrize("are_ready", [False, True])
def test_while_there_are_no_others_they_have_a_whole_part(*, are_ready: bool) -> None:
    turns = Turns()
    turns.turn()
    turns.others_sent, turns.are_ready = 0, are_ready
    assert len(turns.turn()) == (1 if are_ready else PART_NS // EACH_NS)
    turns.others_sent = 1
    assert len(turns.turn()) == 1


def test_what_counts_for_nobody_they_are_not_owed() -> None:
    turns = Turns()
    turns.turn()
    began = turns.now
    turns.now += 5 * EACH_NS
    turns.turns.leave_out(began)
    assert len(turns.turn(others_ns=2 * EACH_NS)) == 2


def test_between_two_turns_nobody_is_told_to_stop() -> None:
    turns = Turns()
    turns.turn()
    turns.now += 10 * PART_NS
    assert not turns.turns.is_over()


def test_who_is_furthest_behind_goes_first_and_who_is_steady_before_that() -> None:
    turns = Turns()
    for place, member in enumerate(reversed(turns.sealed)):
        member.position = place
    turns.steady = dict.fromkeys(turns.sealed[:1])
    first, second, third, *_ = turns.turn(others_ns=MOST_NS)
    assert [first, second, third] == [turns.sealed[0], turns.sealed[-1], turns.sealed[-2]]


def test_one_at_least_is_served_and_no_more_than_may_be() -> None:
    turns = Turns()
    assert len(turns.turn(limit=1, others_ns=MOST_NS)) == 1
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
