"""A connection goes from one worker to another while both live, at any time, to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.control.takeover import Release
from fanout.shm.spill_area import SpillArea
from fanout.shm.worker_slot import NO_TAIL
from fanout.workers.stream.effects import Recovered
from fanout.zmtp import frame_header
from tests.helpers.raw import command
from tests.helpers.taking_over import TakingOver
from tests.unit.workers.connections.test_resuming import LAYOUT, TOPICS, TUNING, Traffic, expected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.helpers.taking_over import Subscriber


@pytest.fixture
def two() -> Iterator[TakingOver]:
    """Two workers over a log of 256 KiB."""
    taking = TakingOver(LAYOUT, TUNING)
    yield taking
    taking.close()


def totals(taking: TakingOver) -> tuple[int, ...]:
    """Of all workers together: matched, sent, discarded; messages, then bytes."""
    for worker in taking.workers:
        for peer in worker.desk.peers.values():
            worker.pump.settle(peer.member)
        worker.figures.publish()
    slots = [taking.around(worker).slot for worker in taking.workers]
    return (
        *(sum(one.matched for one in slots), sum(one.sent for one in slots)),
        sum(one.discarded for one in slots),
        *(sum(one.matched_bytes for one in slots), sum(one.sent_bytes for one in slots)),
        sum(one.discarded_bytes for one in slots),
    )


@pytest.mark.unmeasured
@pytest.mark.parametrize("topics", [[b""], [b"A", b"BA"], list(TOPICS)])
@pytest.mark.parametrize("seed", range(3))
def test_a_stream_goes_on_wherever_it_is_moved_and_the_figures_add_up(
    two: TakingOver, topics: list[bytes], seed: int
) -> None:
    """Behind or not, in the middle of a message or between two, with PINGs unanswered."""
    traffic = Traffic(two, seed)
    one = two.connect(topics, two.workers[seed % 2])
    pings = 0
    for number in range(12):
        traffic.publish(20)
        owner = two.served[one.number]
        if number % 3 == 1:
            pings += 1
            one.say(command(b"PING", b"\0\0%d" % pings))
        two.turn(owner)
        (other,) = [worker for worker in two.workers if worker is not owner]
        assert two.move(one, other) == ""
        assert one.number not in owner.desk.peers
        for _ in range(50):
            two.turn(other)
            if not other.orders.resuming.waiting:
                break
        two.hold = NO_TAIL
        if number % 2:
            one.read(5_000)
    two.settle(two.served[one.number])

    assert [outcome.ok for outcome in two.outcomes] == [True] * 12
    check_all(two, traffic, one, pings)


def check_all(two: TakingOver, traffic: Traffic, one: Subscriber, pings: int) -> None:
    """It was sent all that it wants, and one PONG for each PING; and the figures say so."""
    traffic.check(one)
    count = len(expected(one, traffic.published))
    matched, sent, discarded, matched_bytes, sent_bytes, discarded_bytes = totals(two)
    assert (matched, sent, discarded) == (count, count, 0)
    assert (matched_bytes, discarded_bytes) == (sent_bytes, 0)
    pongs = [bytes(one.received).find(b"\4PONG%d" % ping) for ping in range(1, pings + 1)]
    assert sorted(pongs) == pongs
    assert -1 not in pongs
    assert bytes(one.received).count(b"\4PONG") == pings


def test_the_owner_does_nothing_with_it_any_more(two: TakingOver) -> None:
    owner, other = two.workers
    one = two.connect([b""], owner)
    two.publish(b"A", b"before")
    assert two.move(one, other) == ""
    slot = two.around(owner).slot
    two.turn(owner)
    assert (owner.desk.peers, owner.desk.by_descriptor) == ({}, {})
    assert (slot.tail, slot.resume, slot.subscribers) == (NO_TAIL, NO_TAIL, 0)
    two.publish(b"A", b"after")
    two.settle(owner)
    two.settle(other)
    assert one.received.endswith(b"\5after")
    assert one.received.count(b"before") == 1


def test_who_cannot_be_given_up_is_served_on(two: TakingOver) -> None:
    owner, other = two.workers
    one = two.connect([b""], owner)
    peer = owner.desk.peers[one.number]
    found = []
    large = frame_header(60_000) + bytes(60_000)  # too large to wait in the kernel
    one.say(large[:10])
    two.turn(owner)
    found.append(two.move(one, other))
    for begin in range(10, len(large), 1_000):
        one.say(large[begin : begin + 1_000])
        two.turn(owner)

    owner.pump.effects.append(Recovered(peer.member))
    found.append(two.move(one, other))
    owner.pump.effects.clear()
    owner.tail.promised[peer] = owner.pump.front
    found.append(two.move(one, other))
    del owner.tail.promised[peer]
    peer.ready = False
    found.append(two.move(one, other))
    peer.ready = True
    peer.said = (b"\x00fanout.name=one",)
    records = owner.desk.records
    area, records._area = records._area, SpillArea(two.log.written.segment, 0)
    found.append(two.move(one, other))
    records._area, peer.said = area, ()
    owner.orders.carry_out(Release(99, 0), [])
    two.take_reports(owner)
    found.append(two.released[-1].reason)
    assert found == [
        "it is in the middle of something that it says",
        "something that has happened to it is being reported",
        "a change of what it wants is being reported",
        "it is in its handshake",
        "no memory for what its worker knew",
        "it is not served here",
    ]
    two.publish(b"A", b"served")
    two.settle(owner)
    assert one.received.endswith(b"\6served")
    assert two.move(one, other) == ""


def test_who_needs_what_the_log_is_not_held_for_is_not_given_up(two: TakingOver) -> None:
    """It was promised what it had missed, after the coordinator had looked where it stood."""
    owner, _other = two.workers
    one = two.connect([b""], owner)
    for _ in range(30):
        two.publish(b"A", bytes(5_000))
        two.turn(owner)
    owner.desk.records.write(owner.desk.peers[one.number])
    needed = two.record_of(one).needed
    for held in (needed + 1, needed):
        owner.orders.carry_out(Release(one.number, held), [])
    two.take_reports(owner)
    reasons = [answer.reason for answer in two.released]
    assert reasons == ["it has gone back since that was asked", ""]
    assert needed > 0


def test_what_the_kernel_has_counted_is_compared_with_what_was_sent(two: TakingOver) -> None:
    owner, other = two.workers
    one = two.connect([b""], owner)
    owner.desk.peers[one.number].member.spoken_bytes += 1
    assert two.move(one, other) == "the kernel has counted other bytes than its worker"
