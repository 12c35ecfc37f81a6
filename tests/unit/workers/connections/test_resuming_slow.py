"""A worker dies, and subscribers that lose messages, or get the newest only, go on to the byte.

Everything here is real but the deaths: workers, sockets, and the kernel's counts.
"""

from __future__ import annotations

import errno
import random
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import msgpack
import pytest

from fanout.basics.units import NS
from fanout.reasons import Reason
from fanout.shm import fence
from fanout.shm.layout import PAGE, Layout
from fanout.shm.spill_area import SpillArea
from fanout.shm.stream_record import SPEECH_BYTES, Kind
from fanout.terms.peer_budget import PEER_BURST_NS
from fanout.terms.reserved import GAP_TOPIC
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.stream import lags, newest
from fanout.workers.stream.turn_part import TurnPart
from fanout.workers.tuning import Tuning
from fanout.zmtp import commands
from fanout.zmtp.frames import encode_message
from tests.helpers.chance import Publishing
from tests.helpers.taking_over import TakingOver, messages_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.workers.stream.member import Member
    from fanout.workers.worker import Worker
    from tests.helpers.taking_over import Subscriber

LAYOUT = Layout(64 * PAGE, 1024, 16)
TUNING = Tuning(chunk_messages=16, span_bytes=10_000, census_messages=16)
TOPICS = (b"A", b"AB", b"B", b"BA", b"C", b"CD")
POLICIES = {
    "drop_oldest by the log": SlowPolicy("drop_oldest"),
    "drop_oldest": SlowPolicy("drop_oldest", 20_000),
    "drop_newest": SlowPolicy("drop_newest", 20_000),
    "drop_newest by messages": SlowPolicy("drop_newest", limit_messages=5),
    "conflate": SlowPolicy("conflate"),
    "conflate at a limit": SlowPolicy("conflate", 20_000),
    "conflate at times": SlowPolicy("conflate", min_interval=0.02),
}
TELL = b"\x00fanout.gap=all"
NAMED = b"\x00fanout.name=one"


class Told(NamedTuple):
    """A marker that has come, after so many messages."""

    after: int
    first: int
    last: int
    messages: int
    reason: str


class Traffic(Publishing):
    """What is published by chance, and how it is checked what somebody has got of it."""

    def __init__(self, taking: TakingOver, seed: int) -> None:
        super().__init__(taking, seed, TOPICS)

    def got(self, one: Subscriber) -> tuple[list[int], list[Told]]:
        """The numbers of the messages that it has got, whole, and what it was told."""
        numbers: list[int] = []
        told = []
        for topic, payload in messages_in(bytes(one.received)):
            if topic == GAP_TOPIC:
                gap = msgpack.unpackb(payload)
                fields = (gap[name] for name in ("first", "last", "count", "reason"))
                told.append(Told(len(numbers), *fields))
                continue
            number = int(payload.partition(b":")[0])
            assert self.published[number] == (topic, payload)
            numbers.append(number)
        assert numbers == sorted(set(numbers)), "each once and in order"
        return numbers, told

    def wanted(self, one: Subscriber) -> list[int]:
        """The numbers of all that it has ever wanted; wants do not change here."""
        (change,) = one.changes
        wants = tuple(change.added)
        return [
            number
            for number, (topic, _) in enumerate(self.published)
            if number >= change.sequence and topic.startswith(wants)
        ]

    def check(self, one: Subscriber, member: Member) -> None:
        """What it has got, what it was counted and what it was told is the same."""
        numbers, told = self.got(one)
        wanted = self.wanted(one)
        assert set(numbers) <= set(wanted)
        assert member.matched == len(wanted)
        assert member.sent == len(numbers)
        assert member.queued == member.queued_bytes == 0
        assert member.sent + member.dropped + member.conflated == member.matched
        missing = sorted(set(wanted) - set(numbers))
        if member.gaps is None:
            return
        assert sum(gap.messages for gap in told if gap.reason == "conflated") == member.conflated
        assert sum(gap.messages for gap in told if gap.reason != "conflated") == member.dropped
        for number in missing:
            gaps = [gap for gap in told if gap.first <= number <= gap.last]
            assert gaps, f"it was not told of {number}"
        for gap in told:
            behind = [number for number in numbers[: gap.after] if number > gap.last]
            assert gap.reason == "conflated" or not behind, "it is told before what comes after"


@pytest.mark.unmeasured
@pytest.mark.parametrize("what", POLICIES)
@pytest.mark.parametrize("told", [False, True], ids=["not told", "told"])
@pytest.mark.parametrize("seed", range(2))
def test_slow_ones_go_on_whatever_happened_before_their_worker_died(
    what: str, told: bool, seed: int
) -> None:
    with closing(TakingOver(LAYOUT, TUNING)) as taking:
        live_and_die(taking, POLICIES[what], told=told, seed=seed)


@pytest.mark.unmeasured
@pytest.mark.parametrize("what", POLICIES)
def test_they_do_while_what_waits_for_them_is_looked_through_a_piece_at_a_time(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found of a part of it is in no record, and nothing was done by it."""
    monkeypatch.setattr(newest, "PIECE", 2)
    monkeypatch.setattr(TurnPart, "is_over", lambda _self: True)
    tuning = replace(TUNING, census_messages=2)
    with closing(TakingOver(LAYOUT, tuning)) as taking:
        live_and_die(taking, POLICIES[what], told=True, seed=5)


def connect_some(
    taking: TakingOver, policy: SlowPolicy, rng: random.Random, *, told: bool
) -> list[Subscriber]:
    everybody = []
    for worker in taking.workers:
        for _ in range(3):
            wants = rng.choice(([b""], [b"A"], [b"A", b"BA"], [b"B", b"C"]))
            one = taking.connect([*wants, *([TELL, TELL[:-4]] if told else [])], worker)
            everybody.append(one)
            taking.set_policy(one, policy)
    return everybody


def live_and_die(taking: TakingOver, policy: SlowPolicy, *, told: bool, seed: int) -> None:
    rng = random.Random(seed)
    traffic = Traffic(taking, seed)
    everybody = connect_some(taking, policy, rng, told=told)
    orphans: list[Subscriber] = []
    deaths = 0
    for _ in range(300):
        one = rng.choice(everybody)
        match rng.randrange(10):
            case 0 | 1 | 2:
                traffic.publish(rng.randrange(30))
            case 3 | 4:
                one.read(rng.choice((100, 5_000, 100_000)))
            case 5 if rng.random() < 0.3 and len(taking.workers) > 1:
                dying = rng.choice(taking.workers)
                orphans += taking.kill(dying)
                deaths += 1
                if rng.random() < 0.5:
                    taking.hand_over(orphans, rng.choice(taking.workers))
                    orphans = []
                taking.start()
            case 6 if one not in orphans:
                other = rng.choice(taking.workers)
                if other is not taking.served[one.number]:
                    taking.move(one, other)
            case 7 if orphans:
                taking.hand_over(orphans, rng.choice(taking.workers))
                orphans = []
            case _:
                taking.turn(rng.choice(taking.workers), tick=rng.random() < 0.2)
    if orphans:
        taking.hand_over(orphans, taking.workers[0])
    for worker in taking.workers:
        taking.settle(worker)
    taking.hold = (1 << 64) - 1
    traffic.publish(10)
    for worker in taking.workers:
        taking.settle(worker)

    assert deaths
    assert {outcome.reason for outcome in taking.outcomes} == {""}
    assert taking.closed == []
    for one in everybody:
        worker = taking.served[one.number]
        member = worker.desk.peers[one.number].member
        worker.pump.settle(member)
        traffic.check(one, member)


@pytest.fixture
def two() -> Iterator[TakingOver]:
    """Two workers over a log of 256 KiB."""
    taking = TakingOver(LAYOUT, TUNING)
    yield taking
    taking.close()


def turns(taking: TakingOver, worker: Worker, count: int, *, tick: bool = False) -> None:
    for _ in range(count):
        taking.turn(worker, tick=tick)
        for one in taking.subscribers.values():
            one.read()


def test_who_has_jumped_goes_on_from_there(two: TakingOver) -> None:
    """What it was sent since does not follow from what it was sent before."""
    dying, heir = two.workers
    one = two.connect([b"A"], dying)
    two.set_policy(one, SlowPolicy("drop_oldest", limit_messages=3))
    payloads = [bytes(60_000), *(b"%d" % number * number for number in range(1, 20))]
    for payload in payloads:
        two.publish(b"A", payload)
        two.turn(dying)
    turns(two, dying, 20)
    two.hand_over(two.kill(dying), heir)
    two.publish(b"A", b"last")
    turns(two, heir, 20)

    expected = (payloads[0], payloads[-1], b"last")
    is_whole = one.received.endswith(b"".join(encode_message([b"A", each]) for each in expected))
    assert is_whole, "it got something else, or only a part of it"


def test_who_is_sent_something_at_times_only_rests_on(two: TakingOver) -> None:
    dying, heir = two.workers
    one = two.connect([b""], dying)
    two.set_policy(one, SlowPolicy("conflate", min_interval=10.0))
    two.publish(b"A", b"first")
    turns(two, dying, 20)
    two.log.time += 5 * NS
    turns(two, dying, 2, tick=True)  # its record is renewed
    two.hand_over(two.kill(dying), heir)
    two.publish(b"A", b"second")
    turns(two, heir, 20)
    assert [payload for _, payload in messages_in(bytes(one.received))] == [b"first"]
    two.log.time += 5 * NS
    turns(two, heir, 20)

    assert [payload for _, payload in messages_in(bytes(one.received))] == [b"first", b"second"]


def test_who_has_just_got_its_pass_rests_though_no_record_says_so(two: TakingOver) -> None:
    dying, heir = two.workers
    one = two.connect([b""], dying)
    two.set_policy(one, SlowPolicy("conflate", min_interval=10.0))
    turns(two, dying, 20, tick=True)
    two.log.time += 20 * NS
    two.publish(b"A", b"first")
    turns(two, dying, 2)
    two.hand_over(two.kill(dying), heir)
    two.publish(b"A", b"second")
    two.log.time += 9 * NS
    turns(two, heir, 20)
    assert [payload for _, payload in messages_in(bytes(one.received))] == [b"first"]
    two.log.time += 10 * NS
    turns(two, heir, 20)

    assert [payload for _, payload in messages_in(bytes(one.received))] == [b"first", b"second"]


def test_who_is_in_the_last_message_of_its_pass_and_is_told_something_rests_then(
    two: TakingOver,
) -> None:
    dying, heir = two.workers
    one = two.connect([b""], dying)
    two.set_policy(one, SlowPolicy("conflate", min_interval=10.0))
    turns(two, dying, 20, tick=True)
    two.log.time += 20 * NS
    two.publish(b"A", bytes(60_000))
    two.turn(dying)
    dying.desk.tell(dying.desk.peers[one.number], commands.pong(b"some"), 0)
    assert dying.desk.peers[one.number].member.spill
    two.publish(b"A", b"second")
    two.hand_over(two.kill(dying), heir)
    while bytes(60_000) not in one.received:
        turns(two, heir, 1)
    turns(two, heir, 20)
    assert [payload for _, payload in messages_in(bytes(one.received))] == [bytes(60_000)]
    two.log.time += 10 * NS
    turns(two, heir, 20)

    payloads = [payload for _, payload in messages_in(bytes(one.received))]
    assert payloads == [bytes(60_000), b"second"]


def test_who_loses_what_comes_gets_all_of_the_only_message_that_waited(two: TakingOver) -> None:
    """It waited up to where the losses began, and that was where the front was."""
    owner, heir = two.workers
    one = two.connect([b"A"], owner)
    two.set_policy(one, SlowPolicy("drop_newest", limit_bytes=100))
    two.publish(b"A", bytes(60_000))
    for _ in range(5):
        two.turn(owner)
    assert owner.desk.peers[one.number].member.finishing is not None
    assert two.move(one, heir) == ""
    two.settle(heir)
    two.publish(b"A", b"next")
    two.settle(heir)

    messages = [payload for _, payload in messages_in(bytes(one.received))]
    assert messages == [bytes(60_000), b"next"]


@pytest.mark.parametrize("is_its_own", [True, False], ids=["it", "the program"])
def test_who_changes_its_policy_with_much_waiting_pays_for_it(
    two: TakingOver, monkeypatch: pytest.MonkeyPatch, is_its_own: bool
) -> None:
    """What is looked through for that takes a worker as what it says does; what we say, we pay."""
    monkeypatch.setattr(lags, "LOOK_NS", PEER_BURST_NS // 10)
    worker = two.workers[0]
    one = two.connect([b"A"], worker)
    for number in range(40):
        two.publish(b"AB"[number % 2 :][:1], bytes(3_000))
    two.turn(worker)
    peer = worker.desk.peers[one.number]
    assert peer.member.blocked

    for limit in (5, 4):
        policy = SlowPolicy("drop_newest", limit_messages=limit)
        two.set_policy(one, policy, is_its_own=is_its_own)

    one.session.subscribe(b"C")
    one.say()
    two.turn(worker)
    assert b"C" in peer.wants
    one.session.subscribe(b"D")
    one.say()
    two.turn(worker)
    assert (b"D" in peer.wants) is not is_its_own, "it is left unread for a while"


def test_what_one_has_said_of_itself_counts_on_and_is_taken_back(two: TakingOver) -> None:
    """Nobody knows whether the report of it was lost: so there is another one."""
    dying, heir = two.workers
    one = two.connect([b"A", NAMED, b"\x00fanout.policy=conflate"], dying)
    two.hand_over(two.kill(dying), heir)
    turns(two, heir, 5)
    one.session.cancel(NAMED)
    one.say()
    turns(two, heir, 5)

    assert [outcome.ok for outcome in two.outcomes] == [True]
    said = [(chose.name, chose.settings) for chose in two.chosen[-2:]]
    assert said == [("one", {"action": "conflate"}), ("", {"action": "conflate"})]
    two.hand_over(two.kill(heir), two.start())
    turns(two, two.workers[0], 5)
    assert two.workers[0].desk.peers[one.number].said == (b"\x00fanout.policy=conflate",)


@pytest.mark.parametrize("how", ["moved", "killed"])
def test_one_that_was_reported_as_slow_is_reported_when_it_has_caught_up_with_another_worker(
    two: TakingOver, how: str
) -> None:
    """And not as slow for the second time before that."""
    owner, heir = two.workers
    one = two.connect([b"A"], owner)
    two.set_policy(one, SlowPolicy("drop_oldest", limit_bytes=100_000))
    for _ in range(30):
        two.publish(b"A", bytes(3_000))
        two.turn(owner)
    assert [(one.slow, one.stalled, len(one.reports))] == [(True, False, 1)]
    if how == "moved":
        assert two.move(one, heir) == ""
    else:
        two.hand_over(two.kill(owner), heir)
    for _ in range(5):
        two.turn(heir)
    assert [outcome.ok for outcome in two.outcomes] == [True]
    assert len(one.reports) == 1
    two.settle(heir)
    assert [report.recovered for report in one.reports] == [False, True]


def test_many_answers_that_wait_do_not_keep_it_from_going_on(two: TakingOver) -> None:
    """As to PINGs that came together with the end of its handshake; others wait in the kernel."""
    dying, heir = two.workers
    one = two.connect([b""], dying)
    for _ in range(60):
        two.publish(b"A", bytes(3_000))
    two.turn(dying)
    pongs = [commands.pong(b"%08d" % number) for number in range(40)]
    dying.desk.tell(dying.desk.peers[one.number], b"".join(pongs), 0)
    assert len(dying.desk.peers[one.number].member.control) > SPEECH_BYTES
    two.hand_over(two.kill(dying), heir)
    two.settle(heir)

    places = [bytes(one.received).find(pong) for pong in pongs]
    assert -1 not in places
    assert places == sorted(places)
    assert len(list(messages_in(bytes(one.received)))) == 60


@pytest.mark.parametrize("what", ["what it has said", "the rest of a message"])
def test_a_worker_that_dies_while_it_writes_a_record_leaves_what_the_last_one_points_to(
    two: TakingOver, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As between the store of all words, and the one by which they count."""
    owner, _ = two.workers
    one = two.connect([b"A", *([NAMED] if what == "what it has said" else [])], owner)
    peer, pump = owner.desk.peers[one.number], owner.pump
    if what == "the rest of a message":
        two.set_policy(one, SlowPolicy("drop_oldest"))
        for _ in range(10):
            two.publish(b"A", bytes(20_000))
        two.turn(owner)
        pump.backlog.jump(peer.member, pump.front, pump.front, Reason.LAG)
        owner.desk.records.write(peer)
    area = SpillArea(two.log.written.segment, 0)

    def found() -> tuple[object, bytes]:
        record = two.record_of(one)
        where, size = (record.copy or record.more), (record.copy_bytes or record.more_bytes)
        return record, area.read(where, size)

    before, stored = found()
    assert stored.strip(b"\0") != b""
    peer.said, peer.member.spill = (b"\x00fanout.name=two",)[: len(peer.said)], b""
    during = []
    monkeypatch.setattr(fence, "BARRIER", lambda: during.append(found()))
    owner.desk.records.write(peer)
    monkeypatch.undo()

    assert during[0] == (before, stored)
    assert two.record_of(one) != before


def test_one_for_which_there_is_no_memory_is_counted_and_served_on(
    two: TakingOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system refuses to write, as when it has no memory left."""

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    owner, heir = two.workers
    one, other = (two.connect([b"A", NAMED], owner) for _ in range(2))
    slot = two.around(owner).slot
    with monkeypatch.context() as patch:
        patch.setattr("fanout.shm.spill_area.os.pwrite", refuse)
        owner.desk.peers[one.number].said = (b"\0fanout.name=two",)
        for number in range(3):
            two.publish(b"A", b"%d" % number)
            two.turn(owner)
            owner.desk.records.write(owner.desk.peers[one.number])
        assert slot.unrecorded == 1, "once for each time that it came to that"
        assert two.record_of(one).kind == Kind.NO_ROOM
        assert "no memory" in two.move(one, heir)
        assert two.move(other, heir) == ""
        two.settle(owner)
        assert len(list(messages_in(bytes(one.received)))) == 3
    assert two.move(one, heir) == ""
    two.settle(heir)
    assert slot.unrecorded == 1


def test_what_a_record_points_to_stays_with_who_gave_it_up_until_there_is_another(
    two: TakingOver,
) -> None:
    owner, heir = two.workers
    one = two.connect([b"A", NAMED], owner)
    left, area = owner.desk.records, SpillArea(two.log.written.segment, 0)
    assert two.move(one, heir) == ""
    record = two.record_of(one)
    left.note_all()
    assert NAMED in area.read(record.more, record.more_bytes)
    (behind,) = left._left_behind
    turns(two, heir, 5)
    left.note_all()

    assert (left._left_behind, behind[0].id) == ([], one.number)
    assert heir.desk.peers[one.number].said == (NAMED,)
