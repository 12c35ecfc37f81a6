"""A worker dies at any time, and its subscribers' streams go on with another one, to the byte.

Everything here is real but the deaths: workers, sockets, and the kernel's counts.
"""

from __future__ import annotations

import errno
import os
import random
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from fanout.control.rights import Permit
from fanout.reasons import Reason
from fanout.shm import layout as at
from fanout.shm.layout import PAGE, Layout
from fanout.workers.stream import restoring
from fanout.workers.tuning import Tuning
from fanout.zmtp import commands, frame_header
from tests.helpers.chance import Publishing
from tests.helpers.refusing import refusing
from tests.helpers.taking_over import Killed, TakingOver, messages_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.workers.stream.member import Member
    from fanout.workers.worker import Worker
    from tests.helpers.taking_over import Subscriber

LAYOUT = Layout(64 * PAGE, 1024, 16)
PIECE = 10_000
TUNING = Tuning(chunk_messages=16, span_bytes=10_000, census_messages=16)
TOPICS = (b"A", b"AB", b"B", b"BA", b"C", b"CD")


@pytest.fixture
def two() -> Iterator[TakingOver]:
    """Two workers over a log of 256 KiB."""
    taking = TakingOver(LAYOUT, TUNING)
    yield taking
    taking.close()


def expected(one: Subscriber, published: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """What it is to receive, by its changes and their sequences."""
    found = []
    wants: set[bytes] = set()
    changes = list(one.changes)
    for sequence, (topic, payload) in enumerate(published):
        while changes and changes[0].sequence <= sequence:
            change = changes.pop(0)
            wants.difference_update(change.cancelled)
            wants.update(change.added)
        if topic.startswith(tuple(wants)):
            found.append((topic, payload))
    return found


class Traffic(Publishing):
    """What is published by chance, and what of it everybody gets."""

    def __init__(self, taking: TakingOver, seed: int) -> None:
        super().__init__(taking, seed, TOPICS)

    def check(self, one: Subscriber) -> None:
        """It has got what it wanted, once and in order."""
        got, wanted = list(messages_in(bytes(one.received))), expected(one, self.published)
        assert [len(payload) for _, payload in got] == [len(payload) for _, payload in wanted]
        assert got == wanted


@pytest.mark.unmeasured
@pytest.mark.parametrize("topics", [[b""], [b"A"], [b"A", b"BA"], list(TOPICS)])
@pytest.mark.parametrize("seed", range(3))
def test_a_stream_goes_on_where_a_dead_worker_has_left_it(
    two: TakingOver, topics: list[bytes], seed: int
) -> None:
    traffic = Traffic(two, seed)
    dying, heir = two.workers
    one = two.connect(topics, dying)
    for _ in range(8):
        traffic.publish(20)
        two.turn(dying)
    assert one.received is not None
    orphans = two.kill(dying)
    traffic.publish(5)
    two.hand_over(orphans, heir)
    two.settle(heir)

    assert [outcome.ok for outcome in two.outcomes] == [True]
    traffic.publish(5)
    two.settle(heir)
    traffic.check(one)
    counted = heir.desk.peers[one.number].member
    heir.pump.settle(counted)
    assert counted.matched == counted.sent == len(expected(one, traffic.published))
    assert counted.matched_bytes == counted.sent_bytes


def test_nobody_goes_on_before_the_heir_has_come_as_far_as_the_dead_one(two: TakingOver) -> None:
    """A member ahead of the front would be sent nothing that lies between."""
    traffic = Traffic(two, 1)
    dying, heir = two.workers
    ones = [two.connect([b""], worker) for worker in (dying, heir)]
    traffic.publish(20, largest=50)
    two.turn(dying)
    two.hand_over(two.kill(dying), heir)

    resuming = heir.orders.resuming
    resuming.go_on(0)
    waits = [bool(resuming.waiting)]
    two.settle(heir)
    waits.append(bool(resuming.waiting))
    assert waits == [True, False], "it is behind"
    for one in ones:
        traffic.check(one)


@pytest.mark.parametrize("topic", [b"A", b"C"])
def test_the_log_is_kept_from_the_record_on_though_its_worker_needs_less(topic: bytes) -> None:
    """Else there would be other messages where its stream goes on: what it wants, or does not.

    The one is sent to it in the place of what it has missed. By the other it has got more than
    there was, so it is closed.
    """
    with closing(TakingOver(LAYOUT, TUNING, buffer=8 * PIECE)) as two:
        traffic = Traffic(two, 1)
        dying, heir = two.workers
        one = two.connect([b"A"], dying)
        record = two.record_of(one)
        for number in range(100):
            message = topic if number >= 3 else b"A", b"%02d" % number + bytes(PIECE)
            if not two.publish(*message):
                break
            traffic.published.append(message)
            if number < 3:  # it is handed to the kernel
                two.turn(dying)
        assert record == two.record_of(one)
        assert record.needed < two.around(dying).slot.tail == 3
        two.hand_over(two.kill(dying), heir)
        two.settle(heir)

        assert [outcome.reason for outcome in two.outcomes] == [""]
        traffic.check(one)


def test_who_has_said_something_that_is_lost_with_its_worker_does_not_go_on(
    two: TakingOver,
) -> None:
    dying, heir = two.workers
    ones = [two.connect([b"A"], dying) for _ in range(2)]
    ones[0].say(commands.ping(b"torn", 0)[:-1])
    ones[1].say(frame_header(60_000) + bytes(100))  # too large to wait in the kernel
    torn = dying.desk.peers[2]
    for _ in range(50):
        two.turn(dying)
        if torn.session.has_part:
            break
    assert torn.session.has_part
    two.hand_over(two.kill(dying), heir)
    two.turn(heir)

    assert [(outcome.subscriber, outcome.ok) for outcome in two.outcomes] == [(1, True), (2, False)]
    assert "not acted upon" in two.outcomes[1].reason
    assert not two.outcomes[1].again, "nobody can"
    assert two.closed == []
    assert list(heir.desk.peers) == [1]


def test_who_comes_without_a_descriptor_or_to_one_that_ends_may_go_on_with_another(
    two: TakingOver,
) -> None:
    dying, heir = two.workers
    ones = [two.connect([b"A"], dying) for _ in range(2)]
    two.kill(dying)
    two.hand_over(ones, heir)
    resuming = heir.orders.resuming
    resuming.take(resuming.waiting.popleft().message, [])
    resuming.give_up()
    two.around(heir).channel.flush()
    two.take_reports(heir)

    told = [(outcome.subscriber, outcome.ok, outcome.again) for outcome in two.outcomes]
    assert told == [(1, False, True), (2, False, True)]
    assert (list(heir.desk.peers), two.closed) == ([], [])


@pytest.mark.parametrize(
    "seed",
    [*range(3), *(pytest.param(seed, marks=pytest.mark.unmeasured) for seed in range(3, 12))],
)
@pytest.mark.parametrize("ipc", [False, True], ids=["tcp", "ipc"])
def test_streams_go_on_whatever_happened_before_their_worker_died(seed: int, ipc: bool) -> None:
    """Slow readers, PINGs, changes of wants, ticks and deaths in any order."""
    with closing(TakingOver(LAYOUT, TUNING, ipc=ipc)) as taking:
        deaths = live_and_die(taking, seed)
        assert len(taking.unknown) <= (deaths if ipc else 0)


def live_and_die(taking: TakingOver, seed: int) -> int:
    """Live some time; returns how many workers have died."""
    lives = Lives(taking, seed)
    for _ in range(300):
        lives.step()
    lives.end()

    assert {outcome.reason for outcome in taking.outcomes} <= {""}
    assert taking.closed == []
    for one, pings in lives.pings.items():
        lives.traffic.check(one)
        pongs = [commands.pong(b"%d" % number) for number in range(1, pings + 1)]
        places = [bytes(one.received).index(b"\x04" + pong[1:2] + pong[2:]) for pong in pongs]
        assert places == sorted(places)
    return lives.deaths


class Lives:
    """What happens by chance to two workers and three subscribers of each.

    Attributes:
        pings: how many each subscriber has sent.
        unsaid: the rest of what it says, which is cut anywhere.
        deaths: of workers.
    """

    def __init__(self, taking: TakingOver, seed: int) -> None:
        self.taking = taking
        self.rng = rng = random.Random(seed)
        self.traffic = Traffic(taking, seed)
        self.pings = {
            taking.connect(rng.choice(([b""], [b"A"], [b"A", b"BA"], [b"B", b"C"])), worker): 0
            for worker in taking.workers
            for _ in range(3)
        }
        self.unsaid = dict.fromkeys(self.pings, b"")
        self.orphans: list[Subscriber] = []
        self.deaths = 0

    def step(self) -> None:
        """One thing happens."""
        rng, taking = self.rng, self.taking
        one = rng.choice(list(self.pings))
        match rng.randrange(12):
            case 0 | 1 | 2:
                self.traffic.publish(rng.randrange(30))
            case 3 | 4:
                one.read(rng.choice((100, 5_000, 100_000)))
            case 5:
                self.pings[one] += 1
                said = self.unsaid[one] + commands.ping(b"%d" % self.pings[one], 0)
                cut = rng.randint(0, len(said))
                one.say(said[:cut])
                self.unsaid[one] = said[cut:]
            case 6:
                change = one.session.subscribe if rng.random() < 0.5 else one.session.cancel
                change(rng.choice(TOPICS))
                self.unsaid[one] += one.session.data_to_send()
            case 7 if rng.random() < 0.2 and len(taking.workers) > 1:
                dying = rng.choice(taking.workers)
                taking.around(dying).life.points = rng.choice((1, 2, 3, 5, 9, 20))
                with suppress(Killed):
                    taking.turn(dying)
                self.orphans += taking.kill(dying)
                self.deaths += 1
                for gone in taking.unknown:
                    self.pings.pop(gone, None)
                    self.unsaid.pop(gone, None)
                if rng.random() < 0.5:
                    self.hand_over()
                taking.start()
            case 8 if self.orphans:
                self.hand_over()
            case _:
                taking.turn(rng.choice(taking.workers), tick=rng.random() < 0.2)

    def hand_over(self) -> None:
        """Somebody goes on with those who have lost their worker."""
        self.taking.hand_over(self.orphans, self.rng.choice(self.taking.workers))
        self.orphans = []

    def end(self) -> None:
        """Everybody gets all that there is, and then some more."""
        if self.orphans:
            self.hand_over()
        for one, rest in self.unsaid.items():
            one.say(rest)
        for worker in self.taking.workers:
            self.taking.settle(worker)
        self.taking.hold = (1 << 64) - 1
        self.traffic.publish(10)
        for worker in self.taking.workers:
            self.taking.settle(worker)


def test_one_that_has_failed_sends_nothing_more_and_its_streams_go_on(two: TakingOver) -> None:
    """Other events of the same moment may still call it; what it knows may not be what it sent."""
    failed, other = two.workers
    one = two.connect([b"A"], failed)
    before = len(one.received)
    two.publish(b"A", b"1")
    failed.finished(failed=True)
    two.turn(failed)
    failed.sending_turn()
    one.read()
    assert len(one.received) == before

    two.hand_over(two.kill(failed), other)
    two.settle(other)
    assert list(messages_in(bytes(one.received))) == [(b"A", b"1")]


def test_what_was_promised_is_in_each_record_until_it_is_acted_upon(two: TakingOver) -> None:
    """Its record was renewed while its report had to wait; then its worker acts, and dies."""
    traffic = Traffic(two, 3)
    dying, heir = two.workers
    one = two.connect([], dying)
    around = two.around(dying)
    around.channel.stuck = True
    one.session.subscribe(b"")
    one.say()
    two.turn(dying)
    assert dying.reads._tail.promised, "it has acted already"
    traffic.publish(5)
    around.time += 10**9
    two.turn(dying, tick=True)
    around.channel.stuck = False
    two.turn(dying)

    two.hand_over(two.kill(dying), heir)
    two.settle(heir)

    assert [outcome.reason for outcome in two.outcomes] == [""]
    assert one.changes[0].sequence == 0
    traffic.check(one)


def test_who_ends_a_worker_that_is_about_to_go_on_with_it_is_named(two: TakingOver) -> None:
    dying, heir = two.workers
    ones = [two.connect([b"A"], dying) for _ in range(2)]
    two.hand_over(two.kill(dying), heir)
    named = two.around(heir).slot
    real, seen = heir.pump.restore, []

    def restore(member: Member, *arguments: Any, **more: Any) -> None:
        seen.append(named.resuming)
        if member.id == ones[1].number:
            raise RuntimeError("a bug")
        real(member, *arguments, **more)

    with mock.patch.object(heir.pump, "restore", restore), pytest.raises(RuntimeError):
        two.turn(heir)
    assert seen == [ones[0].number, ones[1].number]
    assert named.resuming == ones[1].number

    two.hand_over(two.kill(heir), two.start())
    two.settle(two.workers[0])
    assert two.around(two.workers[0]).slot.resuming == named.resuming == 0


def test_who_goes_on_leaves_a_whole_checkpoint_whatever_the_other_one_was_doing(
    two: TakingOver,
) -> None:
    dying, heir = two.workers
    one = two.connect([b"A"], dying)
    two.publish(b"A", b"1")
    two.turn(dying)
    slot = dying.desk.peers[one.number].slot
    slot.words[at.S_VERSION] |= 1  # it dies in the middle of a checkpoint
    slot.words[at.S_SENT] = 99
    torn = [slot.is_torn]
    two.hand_over(two.kill(dying), heir)
    two.turn(heir)
    torn.append(slot.is_torn)

    assert torn == [True, False]
    last = slot.read(one.number)
    assert (last.matched, last.sent, last.counted) == (1, 1, 1)


@pytest.mark.parametrize("is_given_up", [False, True])
def test_what_comes_after_the_end_of_one_was_not_sent_to_it(
    two: TakingOver, is_given_up: bool
) -> None:
    """Its worker may die before that end is heard of: then its slot tells all there is to know."""
    worker = two.workers[0]
    one = two.connect([b"A"], worker)
    two.publish(b"A", b"1")
    two.turn(worker)
    peer = worker.desk.peers[one.number]
    if is_given_up:
        worker.desk.let_go(peer)
    else:
        worker.desk.close(peer, Reason.LEFT)

    last = peer.slot.read(one.number)
    assert (last.matched, last.sent, last.counted) == (1, 1, 1)
    assert last.blocked_since, "what the tail passes would count as sent"


def test_what_was_published_before_rights_change_goes_by_the_rights_before(
    two: TakingOver,
) -> None:
    worker = two.workers[0]
    one = two.connect([b""], worker)
    resuming = worker.orders.resuming

    def publish(number: int) -> None:
        for topic in (b"A", b"B"):
            assert two.publish(topic, b"%d" % number)

    publish(0)
    resuming.permit(Permit(one.number, 1, False, [b"A"]))
    waits = [resuming.are_due]  # the worker is not past what was published before
    resuming.permit(Permit(one.number, 2, False, [b"A"]))  # in the place of the first
    two.settle(worker)
    publish(1)
    resuming.permit(Permit(one.number, 3, False, [b"B"]))
    two.settle(worker)
    publish(2)
    two.settle(worker)

    assert [*waits, resuming.are_due] == [True, False]
    assert list(messages_in(bytes(one.received))) == [
        *((b"A", b"0"), (b"B", b"0")),
        *((b"A", b"1"), (b"B", b"2")),
    ]


def test_an_adoption_costs_what_happened_since_the_record_and_not_the_lag() -> None:
    layout, after = Layout(256 * PAGE, 1024, 16), 20
    with closing(TakingOver(layout, TUNING, buffer=8 * PIECE)) as two:
        traffic = Traffic(two, 1)
        dying, heir = two.workers
        one = two.connect([b"A"], dying)
        member = dying.desk.peers[one.number].member
        for _ in range(600):
            message = b"A", b"%03d" % len(traffic.published) + bytes(1_500)
            assert two.publish(*message)
            traffic.published.append(message)
        for _ in range(100):
            two.turn(dying)
        two.around(dying).time = two.log.time = two.log.time + 10**9
        two.turn(dying, tick=True)
        assert two.record_of(one).counted == 600, "its record is as of now"
        before = member.sent_bytes
        traffic.publish(after, largest=50)
        for _ in range(100):
            one.read(5 * PIECE)
            two.turn(dying)
            if member.sent_bytes > before:
                break
        since = member.sent_bytes - before
        dying.pump.settle(member)
        lag = member.queued
        two.hand_over(two.kill(dying), heir)

        with (
            mock.patch.object(heir.pump.backlog, "count", wraps=heir.pump.backlog.count) as count,
            mock.patch.object(restoring, "Swallower", wraps=restoring.Swallower) as swallower,
        ):
            two.turn(heir)

        assert lag > 300, "it is not far behind"
        counted = sum(max(0, stop - first) for (_wants, first, stop), _ in count.call_args_list)
        assert counted == after
        assert [call.args for call in swallower.call_args_list] == [(since,)]
        assert 0 < since < member.queued_bytes / 4
        two.settle(heir)
        traffic.check(one)


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.ENOBUFS, errno.EMFILE])
def test_a_worker_that_has_no_memory_for_one_says_so_and_may_be_asked_again(
    two: TakingOver, number: int
) -> None:
    first, second = two.workers
    one = two.connect([b"A"], first)
    two.publish(b"A", b"before")
    two.settle(first)
    orphans = two.kill(first)

    def refuse(descriptor: int) -> None:
        os.close(descriptor)
        raise OSError(number, "none")

    with mock.patch.object(two.around(second), "prepare", refuse):
        two.hand_over(orphans, second)
        two.turn(second)
    (answer,) = two.outcomes
    assert (answer.subscriber, answer.ok) == (one.number, False)
    assert (answer.again, answer.short) == (True, True)

    two.hand_over(orphans, second)
    two.publish(b"A", b"after")
    two.settle(second)
    assert two.outcomes[-1].ok


def figures_of(worker: Worker) -> dict[str, int]:
    """What it has counted of all that it has ever served."""
    totals = worker.pump.totals
    return {name: getattr(totals, name) for name in totals.__slots__}


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.ENOSPC])
@pytest.mark.parametrize("name", ["to be written to", "to be read"])
def test_one_that_the_system_does_not_let_a_worker_watch_is_left_to_others(
    two: TakingOver, name: str, number: int
) -> None:
    first, heir = two.workers
    one = two.connect([b"A"], first)
    two.publish(b"A", b"before")
    two.settle(first)
    two.publish(b"A", b"meanwhile")
    orphans = two.kill(first)
    before = figures_of(heir)
    watches = heir._write_set if name == "to be written to" else heir.reads.set

    with mock.patch.object(watches, "register", side_effect=refusing(number)):
        two.hand_over(orphans, heir)
        two.turn(heir)
    (answer,) = two.outcomes
    assert (answer.subscriber, answer.ok) == (one.number, False)
    assert (answer.again, answer.short) == (True, True)
    assert ("max_user_watches" in answer.reason) == (number == errno.ENOSPC)
    assert (figures_of(heir), heir.desk.peers) == (before, {}), "nothing has changed here"

    two.hand_over(orphans, heir)
    two.publish(b"A", b"after")
    two.settle(heir)
    assert two.outcomes[-1].ok
    payloads = [payload for _topic, payload in messages_in(bytes(one.received))]
    assert payloads == [b"before", b"meanwhile", b"after"]
