"""A connection with CURVE goes from one worker to another while both live, to the byte.

Whatever is under way: boxes that are half out, or wait; half of one of the subscriber's; PONGs.
"""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from fanout.shm.spill_area import SpillArea
from fanout.shm.stream_record import Kind
from fanout.shm.worker_slot import NO_TAIL
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.connections import resuming
from fanout.workers.connections import sealed as sealed_sending
from fanout.workers.connections.handed import HandedOver, unpacked
from fanout.workers.connections.sealed import KeptBoxes, SealedSend
from fanout.workers.stream.throttling import Throttle
from fanout.zmtp import encode_message
from fanout.zmtp.errors import LocalProtocolError
from tests.helpers.raw import command
from tests.helpers.taking_over_sealed import HANDSHAKE, Nonces, SealedSubscriber, SealedTakingOver
from tests.unit.workers.connections.test_releasing import check_all
from tests.unit.workers.connections.test_resuming import LAYOUT, TUNING, Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fanout.workers.connections.handed import Read
    from fanout.workers.worker import Worker
    from tests.helpers.taking_over import Subscriber


@pytest.fixture(params=[False, True], ids=["tcp", "ipc"])
def two(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SealedTakingOver]:
    """Two workers over a log of 256 KiB, and a look at each nonce."""
    monkeypatch.setattr(resource, "setrlimit", lambda *_both: None)
    monkeypatch.setattr("fanout.security.sodium.Sodium", Nonces)
    monkeypatch.setattr(sealed_sending, "TURN_BYTES", 20_000)
    Nonces.begin()
    taking = SealedTakingOver(LAYOUT, TUNING, ipc=request.param)
    yield taking
    taking.close()
    assert Nonces.used, "nobody looks at nonces"


def moved(two: SealedTakingOver, one: Subscriber) -> Worker:
    """Have it go to the other one; returns that."""
    (other,) = [worker for worker in two.workers if worker is not two.served[one.number]]
    assert two.move(one, other) == ""
    for _ in range(50):
        two.turn(other)
        if not other.orders.resuming.waiting:
            break
    two.hold = NO_TAIL
    assert two.outcomes[-1].ok, two.outcomes[-1].reason
    return other


def send_of(one: Subscriber, worker: Worker) -> SealedSend:
    sealed = worker.desk.peers[one.number].member.sealed
    assert isinstance(sealed, SealedSend)
    return sealed


@pytest.mark.parametrize("topics", [[b""], [b"A", b"BA"]])
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.unmeasured) for seed in range(1, 4))]
)
def test_a_stream_goes_on_wherever_it_is_moved_and_the_figures_add_up(
    two: SealedTakingOver, topics: list[bytes], seed: int
) -> None:
    traffic = Traffic(two, seed)
    one = two.connect(topics, two.workers[seed % 2])
    pings, half = 0, 0
    for number in range(16):
        traffic.publish(20, largest=20_000)
        owner = two.served[one.number]
        if number % 3 == 1:
            pings += 1
            one.say(command(b"PING", b"\0\0%d" % pings))
        for _ in range(seed + 1):
            two.turn(owner)
        half += bool(send_of(one, owner).remainder.pending)
        moved(two, one)
        if number % 2:
            one.read(5_000)
    two.settle(two.served[one.number])

    assert half > 2, "boxes were half out"
    check_all(two, traffic, one, pings)


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    "policy",
    [
        SlowPolicy("drop_oldest", limit_bytes=30_000),
        SlowPolicy("drop_newest", limit_messages=3),
        SlowPolicy("conflate"),
    ],
    ids=lambda policy: policy.action,
)
def test_whole_messages_though_some_are_lost(two: SealedTakingOver, policy: SlowPolicy) -> None:
    """What it was sent of one that the log has no more goes with it."""
    one = two.connect([b""], two.workers[0])
    two.set_policy(one, policy)
    published = []
    for number in range(120):
        published.append((b"A", b"%d:" % number + bytes((number,)) * 9_000))
        if not two.publish(*published[-1]):
            published.pop()
        two.turn(two.served[one.number], tick=number % 5 == 0)
        if number % 3 == 0:
            moved(two, one)
        if number % 10 == 0:
            one.read(3_000)
    two.settle(two.served[one.number])
    got = [encode_message(message) for message in published]
    at = 0
    stream = bytes(one.received).removeprefix(HANDSHAKE)
    for wire in got:
        if stream.startswith(wire, at):
            at += len(wire)
    assert at == len(stream), "whole messages in their order"
    peer = two.served[one.number].desk.peers[one.number]
    two.served[one.number].pump.settle(peer.member)
    member = peer.member
    assert member.dropped + member.conflated > 0
    assert member.sent + member.dropped + member.conflated == member.matched == len(published)


def test_half_a_box_of_the_subscriber_goes_along(two: SealedTakingOver) -> None:
    one = two.connect([b"A"], two.workers[0])
    assert isinstance(one, SealedSubscriber)
    one.session.subscribe(b"B")
    boxes = one.boxed(command(b"PING", b"\0\0first") + one.session.data_to_send())
    for begin in range(0, len(boxes), 7):
        one.socket.send(boxes[begin : begin + 7])
        for _ in range(3):
            two.turn(two.served[one.number])
        moved(two, one)
    two.turn(two.served[one.number])
    two.publish(b"B1", b"for B")
    two.settle(two.served[one.number])
    assert bytes(one.received).count(b"\4PONGfirst") == 1
    assert bytes(one.received).endswith(encode_message([b"B1", b"for B"]))


def written_to(memory: int) -> bytes:
    """All that was ever written to a memory; it is large, and most of it nobody has touched."""
    found, end = bytearray(), 0
    with suppress(OSError):  # nothing follows
        while True:
            begin = os.lseek(memory, end, os.SEEK_DATA)
            end = os.lseek(memory, begin, os.SEEK_HOLE)
            found += os.pread(memory, end - begin, begin)
    return bytes(found)


def test_the_owner_keeps_no_key_and_its_record_no_promise(two: SealedTakingOver) -> None:
    owner, other = two.workers
    one = two.connect([b""], owner)
    peer = owner.desk.peers[one.number]
    opener, sealer, send = peer.session.opener, peer.session.sealer, send_of(one, owner)
    assert opener is not None
    assert sealer is not None
    key = sealer._key
    owner.desk.records.write(peer)
    assert two.record_of(one).kind == Kind.SEALED
    assert two.move(one, other) == ""
    boxes = two.released[-1].boxes
    assert key in boxes
    assert (opener._key, sealer._key) == (b"", b"")
    send.let()
    with pytest.raises(LocalProtocolError, match="all nonces"):
        send(b"\0\0")
    for _ in range(5):
        two.turn(other)
    assert two.record_of(one).kind == Kind.SEALED
    two.publish(b"A", b"in the log")
    memory = written_to(two.log.written.segment.fd)
    assert b"in the log" in memory
    assert key not in memory
    assert boxes[1] not in memory


def test_a_rate_counts_what_is_sealed_and_goes_along(two: SealedTakingOver) -> None:
    one = two.connect([b""], two.workers[0])
    two.set_policy(one, SlowPolicy("block", max_rate=1_000_000))
    other = moved(two, one)
    member = other.desk.peers[one.number].member
    assert isinstance(member.send, Throttle)
    assert member.send.send is member.sealed
    two.publish(b"A", b"x" * 1_000)
    two.settle(other)
    assert bytes(one.received).endswith(encode_message([b"A", b"x" * 1_000]))


def test_a_box_that_comes_twice_ends_the_connection_wherever_it_is(two: SealedTakingOver) -> None:
    one = two.connect([b"A"], two.workers[0])
    assert isinstance(one, SealedSubscriber)
    box = one.boxed(command(b"PING", b"\0\0once"))
    one.socket.send(box)
    for _ in range(5):
        two.turn(two.workers[0])
    other = moved(two, one)
    one.socket.send(box)
    for _ in range(5):
        two.turn(other)
    (closed,) = two.closed
    assert "the counter in MESSAGE does not rise" in closed.reason


def test_who_cannot_be_given_up_is_served_on(two: SealedTakingOver) -> None:
    owner, other = two.workers
    one = two.connect([b""], owner)
    for number in range(30):
        two.publish(b"A", b"%d:" % number + bytes(5_000))
        two.turn(owner)
    assert send_of(one, owner).remainder.pending
    records = owner.desk.records
    area, records._area = records._area, SpillArea(two.log.written.segment, 0)
    assert two.move(one, other) == "no memory for what its worker knew"
    records._area = area
    send = send_of(one, owner)
    send.wire_bytes += 1
    assert two.move(one, other) == "the kernel has counted other bytes than its worker"
    send.wire_bytes -= 1
    two.settle(owner)
    assert bytes(one.received).count(b":" + bytes(5_000)) == 30
    moved(two, one)


def test_nobody_goes_on_without_what_is_handed_over(two: SealedTakingOver) -> None:
    """Though its record was written so that one could: its worker is lost just then."""
    owner, other = two.workers
    one = two.connect([b""], owner)
    owner.desk.records.write(owner.desk.peers[one.number], is_leaving=True)
    assert Kind(two.record_of(one).kind).goes_on
    two.hand_over(two.kill(owner), other)
    for _ in range(5):
        two.turn(other)
    (outcome,) = two.outcomes
    assert (outcome.ok, outcome.reason) == (False, "encrypted: its worker had the key")


def wherever_it_is_moved(two: SealedTakingOver) -> None:
    test_a_stream_goes_on_wherever_it_is_moved_and_the_figures_add_up(two, [b""], 1)


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    ("mistake", "what_notices"),
    [
        ("used", wherever_it_is_moved),
        ("heard", test_a_box_that_comes_twice_ends_the_connection_wherever_it_is),
        ("part", test_half_a_box_of_the_subscriber_goes_along),
        ("pending", wherever_it_is_moved),
        ("owed", wherever_it_is_moved),
        ("wire_bytes", wherever_it_is_moved),
    ],
)
def test_what_is_forgotten_is_noticed(
    two: SealedTakingOver, mistake: str, what_notices: Callable[[SealedTakingOver], None]
) -> None:
    """Each thing that is handed over is needed."""
    forgotten = []

    def forgetting(boxes: list[bytes], read: Read) -> HandedOver | None:
        over = unpacked(boxes, read)
        assert over is not None
        of: HandedOver | KeptBoxes = over if mistake in over._fields else over.remainder
        was = getattr(of, mistake)
        less: Any = of._replace(**{mistake: type(was)()})
        forgotten.append(bool(was))
        return less if of is over else over._replace(remainder=less)

    with (
        mock.patch.object(resuming, "unpacked", forgetting),
        pytest.raises((AssertionError, ValueError)),
    ):
        what_notices(two)
    assert any(forgotten)
