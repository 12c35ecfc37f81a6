"""Who goes on with a connection by a Unix socket knows how far it has come, but for one at most."""

from __future__ import annotations

import random
import select
import socket
from contextlib import closing, suppress
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

import pytest

from fanout.reasons import Reason
from fanout.shm.own_counts import handed
from fanout.shm.stream_record import StreamSlot
from fanout.transport import kernel
from fanout.transport.kernel import Counts
from fanout.transport.socket_queues import unread_in_kernel
from fanout.workers.connections import parts
from fanout.workers.connections.unix_inbox import own_counts
from fanout.zmtp import COMMAND, commands, frame_header
from tests.helpers.taking_over import Killed, TakingOver
from tests.unit.workers.connections.test_inbox import (
    CHUNKS,
    LAYOUT,
    TORN,
    Living,
    Unknown,
    live,
    pongs_in,
)
from tests.unit.workers.connections.test_resuming import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterator

WINDOW = 4  # points between the two stores: behind one, two around the send, and before the other


@pytest.fixture
def two() -> Iterator[TakingOver]:
    """Two workers."""
    with closing(TakingOver(LAYOUT, CHUNKS, ipc=True)) as taking:
        yield taking


def is_reported(reads: select.epoll) -> bool:
    """Whether it has something to say, which it still has then."""
    return bool(select.select([reads], [], [], 0)[0])


def stream_of(taking: TakingOver, number: int = 1) -> StreamSlot:
    return StreamSlot(taking.log.written.segment, number - 1)


@pytest.mark.unmeasured
def test_all_that_is_said_is_acted_upon_once_whenever_its_worker_dies() -> None:
    """But for a death within a send, nobody is lost: not while it looks, writes or takes."""
    unknown: list[bool] = []
    is_dead = True
    while is_dead:
        with closing(TakingOver(LAYOUT, CHUNKS, ipc=True)) as taking:
            try:
                is_dead = live(taking, len(unknown) + 1)
            except Unknown:
                unknown.append(True)
            else:
                unknown.append(False)
    sends = [len(list(points)) for is_so, points in groupby(unknown) if is_so]
    assert len(unknown) > 40
    assert len(sends) > 2
    assert set(sends) == {WINDOW}


@pytest.mark.unmeasured
def test_only_the_one_that_was_being_sent_to_is_unknown() -> None:
    """A round sends the same to many; whenever its worker dies, all others go on to the byte."""
    points = 0
    unknown: list[int] = []
    is_dead = True
    while is_dead:
        points += 1
        with closing(TakingOver(LAYOUT, CHUNKS, ipc=True)) as taking:
            traffic = Traffic(taking, 1)
            dying, heir = taking.workers
            ones = [taking.connect(topics, dying) for topics in ([b""], [b""], [b"A"], [b"B"])]
            traffic.publish(3, largest=50)
            taking.around(dying).life.points = points
            try:
                taking.turn(dying)
            except Killed:
                taking.hand_over(taking.kill(dying), heir)
            else:
                is_dead = False
            for worker in taking.workers:
                taking.settle(worker)
            assert {outcome.reason for outcome in taking.outcomes} <= {""}
            unknown.append(len(taking.unknown))
            for one in ones:
                if one not in taking.unknown:
                    traffic.check(one)
    assert set(unknown) == {0, 1}
    assert sum(unknown) == WINDOW * len(ones)


def test_who_was_lost_while_it_took_a_part_is_not_taken_for_one_that_took_nothing() -> None:
    """That is of a frame that is too large to be left in the kernel."""
    ping = b"\x04PING\0\0" + bytes(60_000)
    large = frame_header(len(ping), COMMAND) + ping
    outcomes: list[str] = []
    is_dead = True
    while is_dead:
        with closing(TakingOver(LAYOUT, CHUNKS, ipc=True)) as taking:
            living = Living(taking)
            living.say(large[:5_000])
            taking.around(living.worker).life.points = len(outcomes) + 1
            try:
                taking.turn(living.worker)
                is_dead = False
            except Killed:
                taking.hand_over(taking.kill(living.worker), living.heir)
                taking.turn(living.heir)
                outcomes.append(taking.outcomes[0].reason)
                if taking.outcomes[0].ok:
                    living.worker = living.heir
                    living.one.say(large[5_000:])
                    one = living.one
                    living.turn_until(partial(lambda one: pongs_in(one) == [bytes(16)], one))
    assert set(outcomes) == {"", "something that it said was not acted upon"}


def test_one_whose_socket_has_just_taken_nothing_is_known(two: TakingOver) -> None:
    living = Living(two)
    for _ in range(200):
        two.publish(b"A", bytes(1_000))
        living.turn()
        if living.worker.pump.blocked:
            break
    send = living.worker.desk.peers[1].member.send
    with pytest.raises(BlockingIOError):
        send(b"more")
    living.hand_over()
    assert two.unknown == []


@pytest.mark.parametrize("seed", range(3))
def test_the_kernel_counts_what_was_looked_at_and_not_taken(seed: int) -> None:
    """Whatever is sent, looked at and taken: so what was taken follows from the two numbers."""
    rng = random.Random(seed)
    ours, far = socket.socketpair()
    waits = bytearray()
    looked = 0
    with ours, far:
        ours.setblocking(False)
        far.setblocking(False)
        assert kernel.looked_at(ours) is None, "nobody has asked for it"
        assert kernel.look_from_start(ours)
        for _ in range(3_000):
            size = rng.choice((1, 10, 100, 5_000))
            data = b""
            with suppress(BlockingIOError):
                match rng.randrange(4):
                    case 0:
                        data = rng.randbytes(rng.choice((1, 3, 20, 200)))
                        waits += data[: far.send(data)]
                    case 1:
                        assert kernel.look_from_start(ours)
                        looked = 0
                    case 2:
                        data = ours.recv(size, socket.MSG_PEEK)
                        assert data == waits[looked : looked + size]
                        looked += len(data)
                    case _:
                        data = ours.recv(size)
                        assert data == waits[:size]
                        del waits[:size]
                        looked = max(0, looked - len(data))
            assert kernel.looked_at(ours) == looked
            assert unread_in_kernel(ours) == len(waits)


def test_what_was_taken_is_known_where_the_kernel_does_not_count_what_was_looked_at(
    two: TakingOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a sandbox: only who is lost in the middle of taking is not known."""
    monkeypatch.setattr(kernel, "look_from_start", lambda _sock: False)
    living = Living(two)
    living.say(commands.ping(b"1", 0))
    living.turn_until(lambda: pongs_in(living.one) == [b"1"])
    stream = stream_of(two)
    inbox = living.inbox
    assert own_counts(living.one.ours, stream) == Counts(handed(stream) or 0, inbox.taken)
    stream.taking = inbox.taken + 1
    assert own_counts(living.one.ours, stream) is None
    two.hand_over(two.kill(living.worker), living.heir)
    two.turn(living.heir)
    (outcome,) = two.outcomes
    assert "its bytes are not counted" in outcome.reason


def test_one_whose_end_has_begun_does_not_go_on(two: TakingOver) -> None:
    living = Living(two)
    peer = living.worker.desk.peers[1]
    peer.finish_sending()
    assert handed(stream_of(two)) is None
    two.hand_over(two.kill(living.worker), living.heir)
    two.turn(living.heir)
    (outcome,) = two.outcomes
    assert "ending" in outcome.reason


def test_a_part_of_a_frame_is_left_and_is_reported_when_it_grows(two: TakingOver) -> None:
    living = Living(two)
    reads = living.worker.reads.set
    for count in range(1, len(TORN)):
        living.say(TORN[count - 1 : count])
        assert is_reported(reads)
        living.turn()
        living.turn()  # it is reported once more when it is left
        assert (is_reported(reads), living.inbox.left) == (False, count)
        assert not living.inbox.has_news, "its silence counts"
    two.hand_over(two.kill(living.worker), living.heir)
    living.worker = living.heir
    two.settle(living.heir)
    assert living.inbox.left == len(TORN) - 1
    living.say(TORN[-1:] + commands.ping(b"2", 0)[:-1])
    living.turn()
    assert living.inbox.left == len(commands.ping(b"2", 0)) - 1
    living.say(commands.ping(b"2", 0)[-1:])
    living.turn()
    living.say(commands.ping(b"", 0))
    assert is_reported(living.worker.reads.set)
    living.turn_until(lambda: pongs_in(living.one) == [b"torn", b"2", b""])


def test_a_frame_that_is_larger_than_a_look_is_looked_at_again(two: TakingOver) -> None:
    """All of it is there when its length is seen, and nothing more comes."""
    living = Living(two)
    living.worker.desk.peers[1].budget.read_bytes = 1_024
    ping = b"\x04PING\0\0"
    living.say(frame_header(9_000, 4)[:1])
    living.turn()
    living.say(frame_header(9_000, 4)[1:] + ping + bytes(9_000 - len(ping)))
    living.turn_until(lambda: pongs_in(living.one) == [bytes(16)])
    assert living.inbox.taken == living.inbox.acted


def test_a_part_for_whose_rest_the_sender_has_no_room_is_taken(
    two: TakingOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte takes hundreds of bytes of its buffer, until that is full."""
    monkeypatch.setattr(parts, "PART_NS", 10_000_000)
    living = Living(two)
    sock = living.one.socket
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 0)
    rest = commands.ping(b"sixteen bytes...", 0) + commands.ping(b"then", 0)
    stuck = 0
    for _ in range(200):
        try:
            while rest:
                sock.send(rest[:1])
                rest = rest[1:]
        except BlockingIOError:
            stuck += 1
        living.turn(tick=True)
        if not rest:
            break
    living.turn_until(lambda: pongs_in(living.one) == [b"sixteen bytes...", b"then"])
    assert stuck > 12
    assert living.inbox.taken == living.inbox.acted


def test_who_closes_in_the_middle_of_a_frame_has_left(two: TakingOver) -> None:
    living = Living(two)
    living.say(TORN[:-1])
    living.turn()
    living.turn()
    living.one.socket.shutdown(socket.SHUT_WR)
    for _ in range(3):
        living.turn()
        two.around(living.worker).loop.soon.clear()
    (closed,) = two.closed
    assert closed.cause == Reason.LEFT.number
