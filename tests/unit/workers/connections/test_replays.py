"""Subscribers ask for what they have missed, and get it; whoever serves them, and dies meanwhile.

Workers, sockets and the kernel's counts are real; only the deaths are not.
"""

from __future__ import annotations

import os
import random
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgpack
import pytest

from fanout.basics.units import NS
from fanout.reasons import Reason
from fanout.shm.clock import Clock, Note
from fanout.shm.layout import PAGE, Layout
from fanout.shm.value_layout import ValueTable
from fanout.terms.reserved import GAP_TOPIC, SINCE_TOPIC
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.connections import replays
from fanout.workers.tuning import ShowTuning, Tuning
from tests.helpers.chance import Publishing
from tests.helpers.taking_over import TakingOver, messages_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.helpers.taking_over import Subscriber

LAYOUT = Layout(64 * PAGE, 1024, 64)
VALUED = Layout(64 * PAGE, 1024, 64, table=ValueTable(10, 16 * PAGE))  # with last values
TUNING = Tuning(chunk_messages=16, span_bytes=10_000, census_messages=16)
TOPICS = (b"A", b"AB", b"B", b"BA", b"C", b"CD")
GAP, ALL = b"\x00fanout.gap", b"\x00fanout.gap=all"
SEEDS = range(int(os.environ.get("FANOUT_REPLAY_SEEDS", "2")))
POLICIES = {
    "block": SlowPolicy("block"),
    "drop_oldest": SlowPolicy("drop_oldest", 20_000),
    "drop_newest": SlowPolicy("drop_newest", limit_messages=5),
    "conflate": SlowPolicy("conflate"),
    "an age": SlowPolicy("drop_oldest", limit_age=0.01),
}


def since(taking: TakingOver, sequence: int, epoch: int | None = None) -> bytes:
    epoch = taking.log.log.epoch if epoch is None else epoch
    return b"\x00fanout.since=%016x:%d" % (epoch, sequence)


def got(one: Subscriber) -> tuple[list[int], list[dict[str, Any]]]:
    """The numbers of the messages that it has got, and what it was told."""
    numbers: list[int] = []
    told: list[dict[str, Any]] = []
    for topic, payload in messages_in(bytes(one.received)):
        if topic == GAP_TOPIC:
            told.append({**msgpack.unpackb(payload), "after": len(numbers)})
        elif topic != SINCE_TOPIC:
            numbers.append(int(payload.partition(b":")[0]))
    return numbers, told


def marks(one: Subscriber) -> list[dict[str, Any]]:
    """What it was told of where that ends which it had missed."""
    found: list[dict[str, Any]] = []
    after = 0
    for topic, payload in messages_in(bytes(one.received)):
        if topic == SINCE_TOPIC:
            found.append({**msgpack.unpackb(payload), "after": after})
        else:
            after += topic != GAP_TOPIC
    return found


@pytest.fixture(params=[False, True], ids=["tcp", "ipc"])
def two(request: pytest.FixtureRequest) -> Iterator[TakingOver]:
    """Two workers over a log of 256 KiB."""
    taking = TakingOver(LAYOUT, TUNING, ipc=request.param, log_bytes=LAYOUT.data_bytes)
    yield taking
    taking.close()


def publish(taking: TakingOver, count: int, size: int = 0) -> None:
    """Messages on A and B in turn; nobody is there who wants them."""
    head = taking.log.log.head()
    for number in range(head, head + count):
        assert taking.publish(b"AB"[number % 2 :][:1], b"%d:" % number + bytes(size))


def asks(taking: TakingOver, *topics: bytes) -> tuple[list[int], list[dict[str, Any]]]:
    """What somebody gets who comes with these subscriptions, with three messages after it."""
    worker = taking.workers[0]
    one = taking.connect([*topics], worker)
    publish(taking, 3)
    taking.settle(worker)
    return got(one)


def test_what_is_cancelled_at_once_covers_nothing_of_what_was_missed(two: TakingOver) -> None:
    publish(two, 20)
    worker = two.workers[0]
    one = two.connect([], worker)
    for topic in (since(two, 14), b"", b"A"):
        one.session.subscribe(topic)
    one.session.cancel(b"A")
    one.say()
    two.turn(worker)
    two.settle(worker)
    assert got(one) == ([15, 16, 17, 18, 19], [])


def test_the_last_that_it_has_is_not_sent_again(two: TakingOver) -> None:
    publish(two, 20)

    assert asks(two, b"", since(two, 14)) == ([15, 16, 17, 18, 19, 20, 21, 22], [])
    assert asks(two, b"A", GAP, since(two, 14)) == ([16, 18, 20, 22, 24], [])
    assert asks(two, b"", GAP, since(two, 25)) == ([26, 27, 28], []), "it has all there is"
    assert asks(two, b"B", since(two, 1_000)) == ([29, 31], []), "or says so"


def test_the_newest_so_many_are_those_that_it_wants(two: TakingOver) -> None:
    publish(two, 100)

    assert asks(two, b"", b"\x00fanout.since=-4")[0] == [96, 97, 98, 99, 100, 101, 102]
    assert asks(two, b"B", b"\x00fanout.since=-40")[0] == [*range(23, 106, 2)]
    assert asks(two, b"B", GAP, b"\x00fanout.since=-400") == ([*range(1, 109, 2)], [])
    assert asks(two, b"A", b"\x00fanout.since=-0")[0] == [110]


def test_the_newest_so_many_are_looked_for_in_so_many(
    two: TakingOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is served meanwhile. Where there are none, it does not go back to look once more."""
    monkeypatch.setattr(replays, "COUNTED_MAX", 64)
    monkeypatch.setattr(replays, "PIECE", 16)
    publish(two, 100)

    assert asks(two, b"B", b"\x00fanout.since=-40")[0] == [*range(37, 102, 2)]
    two.connect([b"C", b"\x00fanout.since=-40"], two.workers[0])
    peers = two.workers[0].desk.peers.values()
    assert [peer.member.replay for peer in peers] == [None, None]


def test_who_is_sent_much_that_it_has_missed_is_not_heard_until_it_has_got_most(
    two: TakingOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left would be counted at once, and the worker serves nobody meanwhile."""
    monkeypatch.setattr(replays, "COUNTED_MAX", 20)
    publish(two, 100, 1_000)
    worker = two.workers[0]
    one = two.connect([since(two, 2), b"A"], worker)
    (peer,) = worker.desk.peers.values()
    one.session.subscribe(b"B")
    left, turns = 0, 0
    while b"B" not in peer.session.subscriptions and turns < 1_000:
        replay = peer.member.replay
        left = replay.stop - replay.counted if replay is not None else 0
        one.say()
        two.turn(worker, tick=True)
        two.turn(worker)
        one.read()
        turns += 1
    two.settle(worker)

    assert left <= 50, "of 97"
    numbers, _told = got(one)
    assert [number for number in numbers if number % 2 == 0] == [*range(4, 100, 2)]
    assert [number for number in numbers if number % 2] == [*range(3, 100, 2)]


def test_who_is_far_behind_and_asks_for_more_gets_the_newest_of_it_and_is_told(
    two: TakingOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that waits for it would be looked through at once, and the worker serves nobody then."""
    monkeypatch.setattr(replays, "COUNTED_MAX", 20)
    worker = two.workers[0]
    one = two.connect([b"A", GAP], worker)
    publish(two, 100, 1_000)
    two.turn(worker)
    one.session.subscribe(since(two, 2))
    one.session.subscribe(b"B")
    one.say()
    two.turn(worker)
    two.settle(worker)
    numbers, (gap,) = got(one)

    assert (gap["reason"], gap["first"], gap["last"], gap["count"]) == ("expired", 3, 79, 0)
    assert [number for number in numbers if number % 2 == 0] == [*range(0, 100, 2)]
    assert [number for number in numbers if number % 2] == [*range(81, 100, 2)]


def test_who_asks_for_more_while_keyframes_are_found_for_it_gets_all_of_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It stands far back meanwhile, so that the log keeps these, and is not behind by itself."""
    monkeypatch.setattr(replays, "COUNTED_MAX", 20)
    few = replace(TUNING, show=ShowTuning(messages_per_look=4))
    with closing(TakingOver(VALUED, few, workers=1, log_bytes=VALUED.data_bytes)) as taking:
        (worker,) = taking.workers
        assert taking.publish(b"k", b"0:", is_keyframe=True)
        publish(taking, 100)
        one = taking.connect([b"k", GAP], worker)
        (peer,) = worker.desk.peers.values()
        assert peer.member.older[0] == (101, None), "it is held"
        one.session.subscribe(since(taking, 0))
        one.session.subscribe(b"B")
        one.say()
        turns = 0
        while b"B" not in peer.session.subscriptions:
            taking.turn(worker, tick=True)
            one.read()
            turns += 1
            assert turns < 1_000
        taking.settle(worker)
        numbers, told = got(one)

        assert told == []
        assert numbers == [0, *range(1, 101, 2)]


def test_the_clock_says_what_was_published_in_which_time(two: TakingOver) -> None:
    clock = Clock(two.log.written.segment)
    for second in range(20):
        clock.add(Note(two.log.time + second * NS, two.log.log.head(), 0))
        publish(two, 4)
    two.log.time += 20 * NS

    assert asks(two, b"", b"\x00fanout.since=-2.5s")[0] == [*range(68, 83)]
    assert asks(two, b"", b"\x00fanout.since=-90s")[0] == [*range(86)]


def test_what_is_gone_is_told_first(two: TakingOver) -> None:
    """Half of the log can be had, and what was before that is missing."""
    publish(two, 200, 2_000)
    numbers, told = asks(two, b"", GAP, since(two, 9))
    (gap,) = told

    assert numbers == [*range(numbers[0], 203)]
    assert 60 < 200 - numbers[0] < 66
    assert (gap["reason"], gap["first"], gap["last"]) == ("expired", 10, numbers[0] - 1)
    assert (gap["count"], gap["after"]) == (numbers[0] - 10, 0)
    (gap,) = asks(two, b"A", GAP, since(two, 9))[1]
    assert gap["count"] == 0, "nobody knows which of those it wanted"


def test_of_another_run_all_that_there_is_was_missed(two: TakingOver) -> None:
    publish(two, 5)
    numbers, (gap,) = asks(two, b"", GAP, since(two, 3, epoch=7))

    assert numbers == [*range(8)]
    assert (gap["reason"], gap["first"], gap["last"], gap["count"]) == ("epoch", 0, 0, 0)
    assert gap["epoch"] == two.log.log.epoch


def test_one_that_has_missed_nothing_is_told_of_another_run(two: TakingOver) -> None:
    numbers, (gap,) = asks(two, b"", GAP, since(two, 3, epoch=7))

    assert (numbers, gap["reason"]) == ([0, 1, 2], "epoch")


def test_what_it_wanted_before_is_not_sent_again(two: TakingOver) -> None:
    """Who says from where on it misses something says it before what that is for, or with it."""
    worker = two.workers[0]
    one = two.connect([b"A"], worker)
    publish(two, 6)
    two.settle(worker)
    one.session.subscribe(since(two, 1))
    one.say()
    two.settle(worker)
    assert got(one)[0] == [0, 2, 4], "it holds for what comes"
    one.session.subscribe(b"")
    one.say()
    two.settle(worker)

    assert got(one)[0] == [0, 2, 4, 3, 5]


def test_nobody_is_sent_anything_where_it_is_switched_off() -> None:
    with closing(TakingOver(LAYOUT, TUNING, replay_bytes=0)) as taking:
        publish(taking, 9)
        assert asks(taking, b"", since(taking, 2))[0] == [9, 10, 11]


def test_who_asks_for_it_is_told_where_that_ends_which_it_had_missed(two: TakingOver) -> None:
    publish(two, 20)
    worker, epoch = two.workers[0], two.log.log.epoch
    one = two.connect([b"A", since(two, 14), SINCE_TOPIC], worker)
    other = two.connect([b"A", since(two, 14)], worker)
    publish(two, 3)
    two.settle(worker)

    assert marks(one) == [{"epoch": epoch, "at": 20, "after": 2}]
    assert got(one)[0] == got(other)[0] == [16, 18, 20, 22]
    assert marks(other) == []


@pytest.mark.parametrize("wanted", [b"B", b"AB"], ids=["new", "covered"])
def test_one_that_has_missed_nothing_is_told_so_at_once(two: TakingOver, wanted: bytes) -> None:
    """Also if other subscriptions cover what it asks for, so that nothing of it is new."""
    worker = two.workers[0]
    one = two.connect([b"A", SINCE_TOPIC, since(two, 1_000)], worker)
    publish(two, 6)
    two.settle(worker)
    one.session.subscribe(wanted)
    one.say()
    two.settle(worker)
    publish(two, 2)
    two.settle(worker)

    assert [(mark["at"], mark["after"]) for mark in marks(one)] == [(0, 0), (6, 3)]
    assert got(one)[0] == [0, 2, 4, 6, *[7] * (wanted == b"B")]


def test_who_says_from_where_on_and_subscribes_to_nothing_is_told_nothing(two: TakingOver) -> None:
    publish(two, 6)
    worker = two.workers[0]
    one = two.connect([b"A"], worker)
    one.session.subscribe(SINCE_TOPIC)
    one.session.subscribe(since(two, 1))
    one.say()
    two.settle(worker)

    assert marks(one) == []


def test_it_is_counted(two: TakingOver) -> None:
    publish(two, 20)
    asks(two, b"A", since(two, 14))
    asks(two, b"", since(two, 14))
    totals = two.workers[0].pump.totals

    assert totals.replayed == 2 + 8
    assert totals.matched == totals.sent == 2 + 2 + 1 + 8 + 3


def test_its_worker_says_that_what_it_counts_of_that_is_lost_with_it() -> None:
    with closing(TakingOver(LAYOUT, TUNING, log_bytes=LAYOUT.data_bytes)) as two:
        owner, heir = two.workers
        publish(two, 30, 5_000)
        slots = [two.around(worker).slot for worker in two.workers]
        two.connect([b"A"], owner)
        assert [slot.past for slot in slots] == [0, 0], "nobody has asked"
        one = two.connect([b"A", since(two, 1)], owner)
        two.fill(owner)
        assert [slot.past for slot in slots] == [1, 0]
        assert two.move(one, heir) == ""
        for _ in range(5):
            two.turn(heir)

        assert heir.desk.peers[one.number].member.replay is not None, "it goes on with that"
        assert [slot.past for slot in slots] == [1, 1]
        slots[1].release()
        assert slots[1].past == 0, "its process is gone, and the next has promised nothing"


@pytest.mark.parametrize(("topic", "is_counted"), [(b"A", False), (b"", True)])
def test_the_end_of_one_that_does_not_read_says_whether_all_of_it_is_counted(
    two: TakingOver, topic: bytes, is_counted: bool
) -> None:
    """Of who wants all, two positions say how much that is; of others it is looked for later."""
    publish(two, 40, 3_000)
    worker = two.workers[0]
    one = two.connect([topic, since(two, 0)], worker)
    two.turn(worker)
    peer = worker.desk.peers[one.number]
    assert peer.member.blocked

    worker.desk.close(peer, Reason.PUBLISHER_CLOSED)
    two.take_reports(worker)

    (closed,) = two.closed
    assert closed.uncounted is not is_counted
    assert (closed.matched == 39) is is_counted
    assert closed.matched == closed.sent + closed.discarded


def test_the_end_of_one_that_is_about_to_get_it_says_that_it_is_not_counted(
    two: TakingOver,
) -> None:
    """The report of its change has not got out: it has not begun."""
    publish(two, 20)
    worker = two.workers[0]
    one = two.connect([b"nothing", since(two, 4)], worker)
    one.session.subscribe(b"A")
    one.say()
    channel = two.around(worker).channel
    channel.stuck = True
    two.turn(worker)

    worker.desk.close(worker.desk.peers[one.number], Reason.PUBLISHER_CLOSED)
    channel.stuck = False
    channel.flush()
    two.take_reports(worker)

    assert [closed.uncounted for closed in two.closed] == [True]


def test_the_end_of_one_that_has_got_all_of_it_says_that_it_is_counted(two: TakingOver) -> None:
    publish(two, 20)
    asks(two, b"A", since(two, 0))
    worker = two.workers[0]

    worker.desk.close(worker.desk.peers[1], Reason.PUBLISHER_CLOSED)
    two.take_reports(worker)

    (closed,) = two.closed
    assert not closed.uncounted
    assert closed.matched == closed.sent == 9 + 2


def test_last_values_that_are_still_to_come_are_in_no_figure_and_the_end_says_so() -> None:
    with closing(TakingOver(VALUED, TUNING, workers=1)) as taking:
        (worker,) = taking.workers
        one = taking.connect([b"A"], worker)
        publish(taking, 50, 3_000)
        taking.turn(worker)
        one.session.subscribe(b"B")
        one.say()
        taking.turn(worker)
        assert worker.desk.peers[one.number].member.snapshots is not None

        worker.desk.close(worker.desk.peers[one.number], Reason.PUBLISHER_CLOSED)
        taking.take_reports(worker)

        assert [one.uncounted for one in taking.closed] == [True]


def test_its_figures_say_that_more_is_to_come_also_between_two_chunks(two: TakingOver) -> None:
    """There nothing waits for it that anybody has counted; and everything published waits."""
    publish(two, 2)
    for _ in range(400):
        assert two.publish(b"C", bytes(100))
    publish(two, 2)
    worker = two.workers[0]
    one = two.connect([b"nothing", since(two, 0)], worker)
    two.settle(worker)
    peer = worker.desk.peers[one.number]
    one.session.subscribe(b"A")
    one.say()
    seen = []
    for _ in range(50):
        two.turn(worker)
        worker.pump.settle(peer.member)
        figures = peer.checkpoint(0)
        seen.append((figures.queued, figures.uncounted))
        is_waited_for = worker.pump.flushed() < two.log.log.head()
        assert is_waited_for or not (figures.queued or figures.uncounted)

    assert (0, 1) in seen
    assert seen[-1] == (0, 0)


def test_its_figures_say_that_more_is_to_come_before_that_is_begun(two: TakingOver) -> None:
    publish(two, 20)
    worker = two.workers[0]
    one = two.connect([b"nothing", since(two, 4)], worker)
    peer, channel = worker.desk.peers[one.number], two.around(worker).channel
    one.session.subscribe(b"A")
    one.say()
    channel.stuck = True
    two.turn(worker)

    worker.pump.settle(peer.member)
    assert peer.checkpoint(0).uncounted == 1
    assert two.around(worker).slot.flushed < two.log.log.head(), "drain() waits for that"


@pytest.mark.parametrize("shows", [False, True])
def test_its_slot_says_that_more_is_to_come_before_anybody_hears_of_it(shows: bool) -> None:
    """Its worker may die before the next checkpoint: its end would be called exact."""
    with closing(TakingOver(VALUED if shows else LAYOUT, TUNING, workers=1)) as taking:
        publish(taking, 20)
        (worker,) = taking.workers
        asked = [b"A"] if shows else [b"nothing", since(taking, 4)]
        one = taking.connect(asked, worker)
        taking.settle(worker)
        peer = worker.desk.peers[one.number]
        worker.pump.settle(peer.member)
        peer.checkpoint(0)
        assert peer.slot.uncounted == 0
        one.session.subscribe(b"B")
        one.say()
        taking.around(worker).channel.stuck = True
        taking.turn(worker)

        assert peer.slot.read(one.number).uncounted == 1


@pytest.mark.parametrize("shows", [False, True])
def test_what_it_is_about_to_get_is_never_lost_without_a_word(shows: bool) -> None:
    """Its worker dies between the report of its change and the record of what it is to get."""
    with closing(TakingOver(VALUED if shows else LAYOUT, TUNING)) as taking:
        publish(taking, 20)
        dying, heir = taking.workers
        one = taking.connect([b"nothing"] if shows else [b"nothing", since(taking, 4)], dying)
        taking.settle(dying)
        written = dying.desk.peers[one.number].record.count
        one.session.subscribe(b"")
        one.say()
        taking.around(dying).channel.stuck = True
        taking.turn(dying)
        assert dying.desk.peers[one.number].record.count == written, "it is refused: no new one"
        orphans = taking.kill(dying)
        taking.hand_over(orphans, heir)
        taking.settle(heir)

        assert [outcome.reason for outcome in taking.outcomes] == [
            "it was about to get what it missed"
        ]


def test_one_in_the_middle_of_a_message_goes_on_with_the_rest_and_then_what_it_missed() -> None:
    with closing(TakingOver(LAYOUT, TUNING)) as taking:
        dying, heir = taking.workers
        one = taking.connect([b"A", since(taking, 0)], dying)
        publish(taking, 50, 3_000)
        taking.fill(dying)
        one.session.subscribe(b"B")
        one.say()
        taking.turn(dying)
        member = dying.desk.peers[one.number].member
        assert member.spill
        assert 0 < member.sequence < member.spilled
        one.read(7_000)
        taking.turn(dying)
        taking.hand_over(taking.kill(dying), heir)
        taking.settle(heir)
        numbers = got(one)[0]

        assert sorted(numbers) == [*range(50)]
        assert numbers[numbers.index(1) :] == sorted(numbers[numbers.index(1) :])


def test_who_is_held_until_its_change_is_reported_gets_what_it_missed_then(
    two: TakingOver,
) -> None:
    worker = two.workers[0]
    one = two.connect([b"A", since(two, 2)], worker)
    publish(two, 20, 2_000)
    two.settle(worker)
    channel = two.around(worker).channel
    channel.stuck = True
    one.session.subscribe(b"B")
    one.say()
    for _ in range(3):
        two.turn(worker)
        assert two.around(worker).slot.tail == 3
        assert two.publish(b"C", bytes(2_000))
    channel.stuck = False
    two.settle(worker)

    assert got(one)[0] == [*range(0, 20, 2), *range(3, 20, 2)]


def test_who_is_held_until_its_change_is_reported_gets_no_last_value_twice() -> None:
    """What has come since it was promised that comes by itself, so they are as of that message."""
    with closing(TakingOver(VALUED, TUNING, workers=1)) as taking:
        (worker,) = taking.workers
        publish(taking, 2)
        one = taking.connect([b"A"], worker)
        taking.settle(worker)
        taking.around(worker).channel.stuck = True
        one.session.subscribe(b"B")
        one.say()
        taking.turn(worker)
        publish(taking, 2)
        taking.turn(worker)
        taking.around(worker).channel.stuck = False
        taking.settle(worker)

        assert got(one)[0] == [0, 2, 3]


def test_one_that_has_got_all_that_it_missed_since_its_record_goes_on_by_its_own_policy(
    two: TakingOver,
) -> None:
    """Who goes on with it finds by the kernel's count that the replay has ended."""
    publish(two, 20)
    dying, heir = two.workers
    one = two.connect([b"A", since(two, 4)], dying)
    policy = dying.desk.peers[one.number].member.policy
    two.hand_over(two.kill(dying), heir)
    two.settle(heir)
    member = heir.desk.peers[one.number].member
    publish(two, 2)
    two.settle(heir)

    assert [outcome.reason for outcome in two.outcomes] == [""]
    assert (type(member.policy), member.replay) == (type(policy), None)
    assert got(one)[0] == [*range(6, 22, 2)]


@pytest.mark.unmeasured
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("what", POLICIES)
def test_who_was_sent_what_it_missed_goes_on_with_that(what: str, seed: int) -> None:
    with closing(TakingOver(LAYOUT, TUNING, log_bytes=LAYOUT.data_bytes)) as taking:
        live_and_die(taking, POLICIES[what], seed)


def live_and_die(taking: TakingOver, policy: SlowPolicy, seed: int) -> None:
    rng, traffic = random.Random(seed), Publishing(taking, seed, TOPICS)
    everybody: dict[int, tuple[Subscriber, int]] = {}
    adding: set[int] = set()  # who wants more after a while, and what it has missed of that
    orphans: list[Subscriber] = []
    traffic.publish(150)
    while len(everybody) < 24:
        verb = rng.randrange(10)
        one = rng.choice([one for one, _ in everybody.values()]) if everybody else None
        if verb < 2 or one is None:
            head = taking.log.log.head()
            last = max(0, head - rng.randrange(1, 200))
            wants = rng.choice(([b""], [b"A"], [b"A", b"BA"], [b"B", b"C"]))
            topics = [*wants, GAP, ALL, SINCE_TOPIC, since(taking, last)]
            new = taking.connect(topics, rng.choice(taking.workers))
            taking.set_policy(new, policy)
            everybody[new.number] = new, last
        elif verb < 4:
            traffic.publish(rng.randrange(40))
        elif verb < 6:
            one.read(rng.choice((100, 5_000, 100_000)))
        elif verb == 6 and len(taking.workers) > 1:
            orphans += taking.kill(rng.choice(taking.workers))
            if rng.random() < 0.5:
                taking.hand_over(orphans, rng.choice(taking.workers))
                orphans = []
            taking.start()
        elif verb == 7 and one not in orphans and one.number not in adding and rng.random() < 0.3:
            adding.add(one.number)
            one.session.subscribe(rng.choice((b"", b"A", b"BA")))
            one.say()
        elif verb == 7 and one not in orphans:
            other = rng.choice(taking.workers)
            if other is not taking.served[one.number]:
                taking.move(one, other)
        else:
            taking.turn(rng.choice(taking.workers), tick=rng.random() < 0.2)
    if orphans:
        taking.hand_over(orphans, taking.workers[0])
    for worker in taking.workers:
        taking.settle(worker)

    assert {outcome.reason for outcome in taking.outcomes} == {""}
    assert taking.closed == []
    for one, last in everybody.values():
        topics = [topic for topic, _ in traffic.published]
        check(taking, one, last, topics, again=one.number in adding)


def check(
    taking: TakingOver, one: Subscriber, last: int, topics: list[bytes], *, again: bool
) -> None:
    """It has got, or was told of, each message that it wanted since that one.

    Args:
        again: it has asked again, for more.
    """
    worker = taking.served[one.number]
    member = worker.desk.peers[one.number].member
    worker.pump.settle(member)
    numbers, told = got(one)
    wants = tuple(prefix for change in one.changes for prefix in change.added)
    wanted = [
        number for number, topic in enumerate(topics) if number > last and topic.startswith(wants)
    ]
    assert len(set(numbers)) == len(numbers)
    assert set(numbers) <= set(wanted)
    lost = [gap for gap in told if gap["reason"] != "expired"]
    gone = {
        number
        for gap in told
        if gap["reason"] == "expired"
        for number in range(gap["first"], gap["last"] + 1)
    }
    for number in {*wanted} - {*numbers} - gone:
        assert any(gap["first"] <= number <= gap["last"] for gap in lost)
    assert member.sent == len(numbers)
    assert member.matched == member.sent + sum(gap["count"] for gap in lost)
    assert member.queued == member.queued_bytes == 0
    ends = marks(one)
    assert 1 <= len(ends) <= 1 + again
    assert max(numbers[: ends[-1]["after"]], default=-1) < ends[-1]["at"]
    assert min(numbers[ends[-1]["after"] :], default=1 << 63) >= ends[-1]["at"]
    if not again:
        assert numbers == sorted(numbers)
        assert not gone & set(numbers)
        assert member.matched == len({*wanted} - gone)
