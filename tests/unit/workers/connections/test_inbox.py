"""What a peer says is acted upon once, and by somebody, whenever its worker dies."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from fanout.reasons import Reason
from fanout.shm.layout import PAGE, SPEECH_BYTES, Layout
from fanout.shm.stream_record import Kind
from fanout.transport.socket_queues import unread_in_kernel
from fanout.workers.connections import reading
from fanout.workers.connections.budgets import READ_BYTES_MAX
from fanout.workers.connections.inbox import ROOM_BYTES
from fanout.workers.tuning import Tuning
from fanout.zmtp import COMMAND, commands, frame_header
from tests.helpers.taking_over import Killed, Subscriber, TakingOver, messages_in
from tests.helpers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fanout.workers.connections.inbox import Inbox
    from fanout.workers.worker import Worker

LAYOUT = Layout(16 * PAGE, 256, 8)
CHUNKS = Tuning(chunk_messages=16, span_bytes=10_000, census_messages=16)
TORN = commands.ping(b"torn", 0)
CONTEXT = b"sixteen bytes..."
PONG_BYTES = len(commands.pong(CONTEXT))


@pytest.fixture
def two() -> Iterator[TakingOver]:
    """Two workers."""
    with closing(TakingOver(LAYOUT, CHUNKS)) as taking:
        yield taking


def inbox_of(worker: Worker, one: Subscriber) -> Inbox:
    return worker.desk.peers[one.number].inbox


def pongs_in(one: Subscriber) -> list[bytes]:
    """The contexts of the answers that it has got."""
    found, rest = [], bytes(one.received)
    while (at := rest.find(b"\x04PONG")) >= 0:
        end = at + rest[at - 1]
        found.append(rest[at + 5 : end])
        rest = rest[end:]
    return found


def arrive(worker: Worker, one: Subscriber, count: int) -> None:
    """Wait until so many bytes of what it said are there, and were not taken."""
    sock = worker.desk.peers[one.number].socket
    wait_until(lambda: unread_in_kernel(sock) >= count, "what it has said")


class Unknown(Exception):
    """A worker is dead, and nobody knows how much the subscriber was sent by it."""


class Living:
    """One subscriber, and who serves it: the second worker once the first is dead."""

    def __init__(self, taking: TakingOver) -> None:
        self.taking = taking
        self.worker, self.heir = taking.workers
        self.one = taking.connect([b"A"], self.worker)

    @property
    def inbox(self) -> Inbox:
        return inbox_of(self.worker, self.one)

    def die_after(self, points: int) -> None:
        """The worker dies at this point of what it does from here on."""
        self.taking.around(self.worker).life.points = points

    def turn(self, *, tick: bool = False) -> None:
        """Have a turn, perhaps the last one of this worker."""
        try:
            self.taking.turn(self.worker, tick=tick)
        except Killed:
            self.hand_over()

    def hand_over(self) -> None:
        orphans = self.taking.kill(self.worker)
        if self.one in self.taking.unknown:
            raise Unknown
        self.taking.hand_over(orphans, self.heir)
        self.worker = self.heir
        self.taking.settle(self.worker)

    def turn_until(self, is_so: Callable[[], bool]) -> None:
        for _ in range(50):
            self.turn()
            self.one.read()
            if is_so():
                return
        raise AssertionError("it does not come to that")

    def say(self, data: bytes) -> None:
        """Say this, and have it arrive."""
        before = unread_in_kernel(self.worker.desk.peers[self.one.number].socket)
        self.one.say(data)
        arrive(self.worker, self.one, before + len(data))

    @property
    def wants(self) -> set[bytes]:
        return self.worker.desk.peers[self.one.number].session.subscriptions


def live(taking: TakingOver, points: int) -> bool:
    """One says all kinds of things; its worker dies after so many points. Whether it does."""
    living = Living(taking)
    one = living.one
    taking.publish(b"A", b"before")
    living.turn()
    said = commands.ping(b"1", 0) + commands.subscription(b"B", as_command=True)
    said += commands.ping(b"2", 0) + commands.cancellation(b"A", as_command=True)
    living.die_after(points)
    living.say(said + TORN[:-1])
    living.turn_until(lambda: living.wants == {b"B"})
    taking.publish(b"B", b"1")
    living.say(TORN[-1:] + commands.ping(b"4", 0))
    living.turn_until(lambda: len(pongs_in(one)) == 4)
    living.turn(tick=True)
    is_dead = living.worker is living.heir
    if not is_dead:
        living.hand_over()
    living.say(commands.ping(b"last", 0) + commands.subscription(b"C", as_command=True))
    living.turn_until(lambda: living.wants == {b"B", b"C"})
    taking.publish(b"C", b"2")
    taking.publish(b"A", b"unwanted")
    taking.settle(living.worker)

    assert [outcome.reason for outcome in taking.outcomes] == [""]
    assert pongs_in(one) == [b"1", b"2", b"torn", b"4", b"last"]
    assert [message[1] for message in messages_in(bytes(one.received))] == [b"before", b"1", b"2"]
    assert living.inbox.acted == living.inbox.taken
    return is_dead


@pytest.mark.unmeasured
def test_all_that_is_said_is_acted_upon_once_whenever_its_worker_dies() -> None:
    points = 0
    is_dead = True
    while is_dead:
        points += 1
        with closing(TakingOver(LAYOUT, CHUNKS)) as taking:
            is_dead = live(taking, points)
    assert points > 20


def exchange(taking: TakingOver, points: int) -> bool:
    """One that wants as much as it may wants something else; its worker dies after so many points.

    Returns:
        Whether it does.
    """
    living = Living(taking)
    living.say(commands.subscription(b"B", as_command=True))
    living.turn_until(lambda: living.wants == {b"A", b"B"})
    said = commands.cancellation(b"A", as_command=True)
    said += commands.subscription(b"C", as_command=True)
    said += commands.cancellation(b"C", as_command=True)
    said += commands.subscription(b"D", as_command=True)
    living.die_after(points)
    living.say(said)
    living.turn_until(lambda: living.wants == {b"B", b"D"})
    living.turn(tick=True)
    is_dead = living.worker is living.heir
    assert taking.closed == []
    living.one.say(commands.subscription(b"E", as_command=True))
    living.turn_until(lambda: bool(taking.closed))
    assert [closed.cause for closed in taking.closed] == [Reason.LIMIT.number]
    return is_dead


def test_who_wants_as_much_as_it_may_is_not_closed_for_what_is_read_twice() -> None:
    """What it wants in the end is counted, and not what it wants while that is read again."""
    points = 0
    is_dead = True
    while is_dead:
        points += 1
        with closing(TakingOver(LAYOUT, CHUNKS, max_subscriptions=2)) as taking:
            is_dead = exchange(taking, points)
    assert points > 5


def test_a_part_of_a_frame_is_left_and_nobody_hears_of_it_until_it_is_whole(
    two: TakingOver,
) -> None:
    living = Living(two)
    reads = living.worker.reads.set
    for count in range(1, len(TORN)):
        living.say(TORN[count - 1 : count])
        assert living.inbox.has_news
        assert bool(reads.poll(0)) == (count <= 2), "then it is known how long the frame is"
        living.turn()
        assert (reads.poll(0), living.inbox.left) == ([], min(count, 2))
        assert living.inbox.has_news == (count > 2), "if not, its silence counts"
    living.say(TORN[-1:] + commands.ping(b"2", 0)[:-1])
    living.turn()
    assert living.inbox.left == len(commands.ping(b"2", 0)) - 1
    living.say(commands.ping(b"2", 0)[-1:])
    living.turn()
    living.say(commands.ping(b"", 0))
    assert reads.poll(0), "it is heard of each byte again"
    living.turn_until(lambda: pongs_in(living.one) == [b"torn", b"2", b""])


@pytest.mark.parametrize("how", ["moved", "killed"])
def test_a_byte_that_is_said_to_be_urgent_is_one_of_what_is_said(two: TakingOver, how: str) -> None:
    """It was in no input, and counted as if it had been: so nobody went on with its sender."""
    living = Living(two)
    ping = commands.ping(b"1", 0)
    living.say(ping[:3])
    living.one.socket.send(ping[3:4], socket.MSG_OOB)
    arrive(living.worker, living.one, 4)
    for _ in range(3):
        living.turn()
    living.say(ping[4:] + commands.ping(b"2", 0))
    living.turn_until(lambda: pongs_in(living.one) == [b"1", b"2"])
    living.one.socket.send(ping[:1], socket.MSG_OOB)
    arrive(living.worker, living.one, 1)
    if how == "moved":
        living.turn()
        assert two.move(living.one, living.heir) == ""
        living.worker = living.heir
        two.settle(living.worker)
    else:
        living.hand_over()
    assert [outcome.reason for outcome in two.outcomes] == [""]
    living.one.say(ping[1:])
    living.turn_until(lambda: pongs_in(living.one) == [b"1", b"2", b"1"])


def test_who_goes_on_hears_of_less_than_the_one_before_has_waited_for(two: TakingOver) -> None:
    living = Living(two)
    living.say(commands.ping(b"x" * 16, 0)[:10])
    living.turn()
    living.hand_over()
    living.turn()
    assert living.worker.desk.peers[1].socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) > 2
    living.say(commands.ping(b"x" * 16, 0)[10:])
    living.turn_until(lambda: pongs_in(living.one) == [b"x" * 16])

    third = two.start()
    living.say(commands.ping(b"y" * 16, 0)[:12])
    living.turn()
    living.heir = third
    one = living.one
    one.say(commands.ping(b"y" * 16, 0)[12:])
    two.hand_over(two.kill(living.worker), third)
    living.worker = third
    living.turn_until(lambda: pongs_in(one)[1:] == [b"y" * 16])
    one.say(commands.ping(b"", 0))
    living.turn_until(lambda: pongs_in(one)[2:] == [b""])


def test_a_frame_for_which_there_is_no_room_is_taken_and_its_end_is_found(two: TakingOver) -> None:
    """Both sides would wait for ever. Whose worker is lost meanwhile is closed."""
    large = frame_header(40_000, COMMAND) + b"\x04PING\0\0" + bytes(40_000 - 7)
    living = Living(two)
    living.worker.desk.peers[1].socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 60_000)
    living.worker.desk.peers[1].budget.read_bytes = READ_BYTES_MAX
    for part in (large[:5_000], large[5_000:39_000]):
        living.say(part)
        living.turn()
    assert (living.inbox.left, living.inbox.taken - living.inbox.acted) == (0, 39_000)
    living.one.say(large[39_000:] + commands.ping(b"next", 0))
    living.turn_until(lambda: pongs_in(living.one) == [bytes(16), b"next"])
    assert living.inbox.taken == living.inbox.acted

    living.say(large[:5_000])
    living.turn()
    two.hand_over(two.kill(living.worker), living.heir)
    two.turn(living.heir)
    (outcome,) = two.outcomes
    assert "not acted upon" in outcome.reason


def test_a_part_that_is_reported_though_it_did_not_grow_is_taken(two: TakingOver) -> None:
    """As when there is no room for more, or the peer has said that no more will come."""
    living = Living(two)
    living.say(TORN[:-1])
    living.turn()
    assert living.inbox.left
    living.one.socket.shutdown(socket.SHUT_WR)
    wait_until(lambda: bool(living.worker.reads.set.poll(0)), "the end of what it says")
    living.turn()
    living.turn()
    (closed,) = two.closed
    assert closed.cause == Reason.LEFT.number


def test_a_frame_that_is_skipped_stays_so_with_who_goes_on(two: TakingOver) -> None:
    """It is a message of a user, and larger than anything that we want."""
    large = frame_header(200_000) + bytes([7]) + bytes(100_000)
    living = Living(two)
    for begin in range(0, len(large), 20_000):
        living.say(large[begin : begin + 20_000])
        living.turn()
    living.hand_over()
    for _ in range(9):
        living.say(bytes(11_111 - 1))
        living.turn()
    living.say(bytes(100_000 - 1 - 9 * 11_110) + commands.ping(b"behind", 0))
    living.turn_until(lambda: pongs_in(living.one) == [b"behind"])


def test_answers_fit_into_the_record_and_the_rest_waits_in_the_kernel(two: TakingOver) -> None:
    """It takes nothing, and asks for more signs of life than there is room for."""
    living = Living(two)
    one, worker = living.one, living.worker
    asked = [b"%016d" % number for number in range(400)]
    for _ in range(200):
        two.publish(b"A", bytes(1_000))
        two.turn(worker)
        if worker.pump.blocked:
            break
    living.say(b"".join(commands.ping(context, 0) for context in asked))
    for number in range(9):
        living.turn(tick=number % 2 == 0)
    assert 0 < len(worker.desk.peers[1].member.control) <= SPEECH_BYTES
    assert two.record_of(one).kind == Kind.GOES_ON
    assert worker.reads.spares, "nobody looks again and again"
    assert living.inbox.has_news
    living.hand_over()
    for _ in range(300):
        one.read()
        living.turn(tick=True)
        if len(pongs_in(one)) == len(asked):
            break
    assert pongs_in(one) == asked


def test_many_are_answered_in_a_turn_if_they_are_taken(
    two: TakingOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "ANSWERS_PER_READ", 3)
    living = Living(two)
    asked = [b"%016d" % number for number in range(3 * (SPEECH_BYTES // PONG_BYTES) + 1)]
    living.say(b"".join(commands.ping(context, 0) for context in asked))
    living.turn()
    living.one.read()
    assert pongs_in(living.one) == asked[:-1]
    living.turn_until(lambda: pongs_in(living.one) == asked)


def test_only_who_says_much_at_once_gets_room_for_more(two: TakingOver) -> None:
    """Without it a part of a frame that is left shuts the window, and the peer asks after 0.2 s."""
    living = Living(two)
    sock = living.worker.desk.peers[1].socket
    before = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    topics = [b"%08d" % number for number in range(2_000)]
    said = b"".join(commands.subscription(topic, as_command=True) for topic in topics)
    living.say(said[:15_000])
    living.turn_until(lambda: len(living.wants) > 700)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == before < ROOM_BYTES
    living.say(said[15_000:] + TORN[:5])
    living.turn_until(lambda: len(living.wants) > len(topics))
    living.turn()
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= ROOM_BYTES
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == len(TORN)
