"""The tail: the log keeps what was promised, and the publisher is woken when it may go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.shm import fence as fences
from fanout.shm.credit import FREE, USED_UP
from fanout.shm.layout import H_FLOOR
from fanout.shm.worker_slot import NO_TAIL
from fanout.workers.policy.block import Block
from fanout.workers.policy.limits import Limits
from fanout.workers.stream.member import Member
from fanout.workers.stream.pump import Pump
from fanout.workers.tail import Tail
from fanout.zmtp.frames import encode_message
from tests.helpers.around import Around
from tests.helpers.log import SMALL, Sink, Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.shm.credit import Credit


class Kept:
    """The tail of a worker with a log."""

    def __init__(self) -> None:
        self.around = Around(SMALL)
        self.pump = Pump(self.around.log)
        self.fences: list[int] = []  # the tail at each
        self.allowed: list[tuple[int, Credit, bool]] = []  # of the publisher
        self.skipped = 0  # how often nobody is to be charged for what was done
        self.tail: Tail[str] = Tail(self.around, self.pump, self.fence, self.allow, self.skip)
        self.publish()

    def fence(self) -> None:
        self.fences.append(self.around.slot.tail)

    def allow(self, subscriber: int, credit: Credit, is_final: bool) -> None:
        self.allowed.append((subscriber, credit, is_final))

    def skip(self) -> None:
        self.skipped += 1

    def publish(self) -> int:
        return self.around.written.publish(b"A", b"one")

    def subscribe(self, room: int = 1 << 40) -> Member:
        member = Member(1, Sink(room), Worker().policy)
        self.pump.subscribe(member, [b""])
        return member


@pytest.fixture
def kept() -> Iterator[Kept]:
    kept = Kept()
    yield kept
    kept.around.close()


def test_what_is_promised_is_protected_before_the_front_is_there(kept: Kept) -> None:
    front = kept.tail.promise("first")

    assert (front, kept.pump.front, kept.fences) == (1, 1, [1])


def test_of_whom_is_promised_anything_the_publisher_knows_how_far_it_may_go(kept: Kept) -> None:
    """Its worker has nobody else, and follows nothing as long as that is so."""
    member = Member(1, Sink(0), Block(limits=Limits(messages=10)))
    kept.pump.begin(member, 0)
    kept.tail.announce()
    assert kept.allowed.pop() == (0, FREE, True), "it may be anywhere"
    for _ in range(7):
        kept.publish()

    assert kept.tail.promise("it") == 8

    before, (_nobody, credit, _is_final) = kept.allowed
    assert before == (0, USED_UP, True), "nothing comes between that front and what is said"
    assert credit.allows(8 + 9, 1 << 30)
    assert not credit.allows(8 + 10, 1 << 30)


def test_who_comes_with_a_limit_begins_where_the_publisher_stops(kept: Kept) -> None:
    """Its worker has slept since the others got their last message, and nobody wanted these."""
    kept.subscribe()
    member = Member(2, Sink(0), Block(limits=Limits(messages=10)))
    kept.pump.begin(member, 0)
    kept.tail.announce()
    for _ in range(7):
        kept.publish()
    looks: list[tuple[int, Credit, bool]] = []

    def catch_up() -> bool:
        looks.append(kept.allowed[-1])
        return not kept.pump.advance(kept.around.log.head(), 0)

    kept.tail.catch_up = catch_up
    kept.allowed.clear()
    assert kept.tail.promise("it") == kept.pump.front == 8
    assert looks == [(0, USED_UP, True)], "nothing comes meanwhile"
    assert kept.allowed[-1][1].allows(8 + 9, 1 << 30)

    kept.publish()
    assert kept.tail.promise("another one") == 8, "what the first was promised stays where it is"
    kept.tail.publish()
    assert kept.tail.promise("who comes in the next turn") == 9


def test_where_nobody_has_limits_who_comes_is_promised_what_follows_at_once(kept: Kept) -> None:
    kept.subscribe()
    front = kept.pump.front
    kept.publish()

    assert kept.tail.promise("it") == front
    assert kept.skipped == 0, "what was looked at is nothing"


def test_what_nobody_wants_is_not_promised_to_who_comes(kept: Kept) -> None:
    """Its worker has slept meanwhile: nobody rang for that."""
    sink = Sink()
    member = Member(1, sink, Worker().policy)
    kept.tail.protect_front()
    kept.pump.subscribe(member, [b"B"])
    for _ in range(7):
        kept.publish()
    wanted = kept.around.written.publish(b"B", b"")
    kept.publish()

    assert kept.tail.promise("it") == kept.pump.front == wanted
    assert (sink.taken, kept.skipped) == (b"", 1)
    kept.tail.publish()
    assert kept.tail.promise("who comes in the next turn") == wanted
    kept.tail.publish()
    kept.pump.advance(kept.around.log.head(), 0)
    assert sink.taken == encode_message([b"B", b""])
    kept.publish()
    assert kept.tail.promise("another one") == wanted + 3
    kept.publish()
    assert kept.tail.promise("one in that turn") == wanted + 3, "as the other was promised"


def test_who_goes_back_gets_what_is_not_overwritten_yet(kept: Kept) -> None:
    for _ in range(9):
        kept.publish()
    kept.tail.promise("first")
    kept.around.header.words[H_FLOOR] = 4

    assert kept.tail.go_back("first", 6) == 6
    assert kept.fences[-1] == 6, "the tail is there before the floor is looked at"
    assert kept.tail.go_back("first", 2) == 4
    assert kept.fences[-1] == 2
    kept.tail.publish()
    assert kept.around.slot.tail == 4, "until it needs that by itself"


def test_what_was_promised_is_not_handed_on_yet(kept: Kept) -> None:
    """A worker that is out of breath between its report and its turn: drain() must wait for it.

    The subscriber is known to the publisher then, and once in a hundred times, on a busy machine,
    drain() returned () when nothing of what had been published since had been sent.
    """
    kept.tail.promise("first")
    kept.publish()

    assert kept.around.slot.flushed == 1
    assert kept.around.log.head() == 2


def test_what_was_read_is_read_before_the_tail_moves(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine that reorders; on others loads stay before later stores."""
    monkeypatch.setattr(fences, "STORES_STAY_IN_ORDER", True)
    kept.fences.clear()
    kept.subscribe()
    kept.tail.publish()
    in_order = list(kept.fences)
    before = kept.around.slot.tail
    kept.publish()
    kept.pump.advance(kept.around.log.head(), 0)
    monkeypatch.setattr(fences, "STORES_STAY_IN_ORDER", False)
    kept.tail.publish()

    assert (in_order, kept.fences) == ([], [before])
    assert kept.around.slot.tail > before


def test_a_front_that_was_promised_is_not_moved_for_the_next(kept: Kept) -> None:
    """The report of the first says from which message on it is; nobody else needs the log yet."""
    first = kept.tail.promise("first")
    kept.publish()
    second = kept.tail.promise("second")
    kept.tail.protect_front()

    assert (first, second, kept.around.slot.tail) == (1, 1, 1)
    assert kept.tail.promised == {"first": 1, "second": 1}


def test_a_front_that_a_member_needs_is_not_moved(kept: Kept) -> None:
    kept.tail.protect_front()
    kept.subscribe()
    kept.publish()

    assert (kept.tail.promise("second"), kept.fences) == (1, [1])


def test_nobodys_front_follows_the_head(kept: Kept) -> None:
    kept.tail.protect_front()
    kept.publish()

    assert kept.tail.promise("first") == 2


def test_without_members_nothing_is_held_back(kept: Kept) -> None:
    kept.tail.protect_front()
    kept.tail.publish()

    assert (kept.around.slot.tail, kept.around.slot.flushed) == (NO_TAIL, NO_TAIL)


def test_the_tail_follows_who_is_furthest_behind(kept: Kept) -> None:
    kept.tail.protect_front()
    kept.subscribe(room=0)
    kept.publish()
    kept.pump.advance(kept.around.log.head(), 0)
    kept.tail.publish()

    assert (kept.around.slot.tail, kept.pump.front) == (1, 2)


def test_a_publisher_that_waits_is_woken_once_when_the_tail_is_where_it_wants_it(
    kept: Kept,
) -> None:
    kept.tail.protect_front()
    kept.subscribe()
    kept.publish()
    kept.around.header.wanted = 2
    kept.tail.publish()
    early = kept.around.rings
    kept.pump.advance(kept.around.log.head(), 0)
    kept.tail.publish()
    kept.tail.publish()

    assert (early, kept.around.rings) == (0, 1)


def test_who_waits_for_long_to_be_sent_the_past_does_not_make_the_publisher_wait(
    kept: Kept,
) -> None:
    """Its report waits for the coordinator: of what it was promised it gets the newest."""
    for _ in range(9):
        kept.publish()
    kept.tail.promise("first")
    assert kept.tail.go_back("first", 2) == 2
    kept.tail.publish()
    assert kept.around.slot.tail == kept.tail.replays["first"] == 2
    while kept.around.log.head() < kept.around.log.entries:
        kept.publish()
    kept.pump.advance(kept.around.log.head(), 0)
    kept.tail.publish()

    assert kept.around.slot.tail == kept.tail.replays["first"]
    assert kept.tail.replays["first"] == kept.around.log.entries * 3 // 8
