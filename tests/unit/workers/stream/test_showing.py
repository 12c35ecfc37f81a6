"""Last values before what comes: a model of what each subscriber must get, and any order of events.

Topics are published, members come, subscribe to more, cancel, take a few bytes at a time, lose what
is too old, and get the newest of each topic only. Whoever has got everything has the last message
of each topic that it wants, as long as it wants it; none twice, none older after a newer one.
"""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING

import msgpack
import pytest

from fanout.basics.units import NS
from fanout.shm.kept_values import KeptValues
from fanout.shm.layout import PAGE, Layout
from fanout.shm.log import NO_SPACE
from fanout.shm.reader import LogReader
from fanout.shm.segment import Segment
from fanout.shm.value_layout import PLACE_BITS, ValueTable
from fanout.shm.valued_log import ValuedLog
from fanout.terms.reserved import SNAPSHOT_TOPIC
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.policy.choice import policy_of
from fanout.workers.stream import listing, showing
from fanout.workers.stream.listing import Listing
from fanout.workers.stream.member import LOST, Member
from fanout.workers.stream.pump import Pump
from fanout.workers.stream.showing import Showing
from fanout.workers.stream.topic_names import TopicNames
from fanout.workers.tuning import ShowTuning
from fanout.zmtp.frames import encode_message
from tests.helpers.log import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

TOPICS = [b"%c%c%d" % (a, b, n) for a in b"xy" for b in b"pq" for n in range(5)]
PREFIXES = [b"", b"x", b"y", b"xp", b"xq", b"yp", b"xp1", b"yq3", b"zz", TOPICS[0]]
LAYOUT = Layout(8 * PAGE, 512, 4, table=ValueTable(len(TOPICS) + 1, 16 * PAGE))


def messages_in(stream: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Topic and body of messages of two short frames."""
    at = 0
    while at < len(stream):
        middle = at + 2 + stream[at + 1]
        end = middle + 2 + stream[middle + 1]
        assert end <= len(stream), "the rest of a message is missing"
        yield stream[at + 2 : middle], stream[middle + 2 : end]
        at = end


class One:
    """A member, what it wants, and since when."""

    def __init__(self, member: Member, sink: Sink) -> None:
        self.member = member
        self.sink = sink
        self.wants: set[bytes] = set()
        self.has_cancelled = False  # what it subscribes to again it gets again

    def got(self) -> tuple[list[tuple[bytes, int]], list[dict[str, int]]]:
        messages: list[tuple[bytes, int]] = []
        marks = []
        for topic, body in messages_in(self.sink.taken):
            if topic == SNAPSHOT_TOPIC:
                marks.append({**msgpack.unpackb(body), "after": len(messages)})
            else:
                messages.append((topic, int(body.partition(b":")[0])))
        return messages, marks

    def got_whole(self) -> list[bytes]:
        """The messages that it has got whole, all of one size."""
        taken, size = self.sink.taken, 29
        return [bytes(taken[at : at + size]) for at in range(0, len(taken) - size + 1, size)]


class Feed:
    """A log, a pump, and what was published."""

    def __init__(self, layout: Layout = LAYOUT) -> None:
        self.segment = Segment.create(layout)
        self.log = ValuedLog(self.segment)
        self.values = KeptValues(self.segment)
        self.reader = LogReader(self.segment)
        self.pump = Pump(self.reader)
        self.show_by(ShowTuning())
        self.last: dict[bytes, int] = {}
        self.ones: list[One] = []
        self.policy = SlowPolicy("block")
        for place, topic in enumerate(TOPICS, 1):
            self.log.values.give(place, self.id_of(topic))

    def show_by(self, tuning: ShowTuning) -> None:
        """Nobody has come yet."""
        pump = self.pump
        self.showing = Showing(self.values, pump.backlog, pump.totals, tuning, pump.postpone)
        self.pump.backlog.show = self.showing.step

    @staticmethod
    def id_of(topic: bytes) -> int:
        place = TOPICS.index(topic) + 1
        return place + 1_000 << PLACE_BITS | place

    def publish(self, topic: bytes, size: int = 20) -> int:
        wire = encode_message([topic, b"%d:" % self.log.head + bytes(size)])
        for _ in range(3):
            sequence = self.log.append(wire, self.id_of(topic))
            if sequence != NO_SPACE:
                self.last[topic] = sequence
                return sequence
            self.pump.move_tail()
            tail = self.pump.backlog.tail if self.pump.needs_log else 1 << 62
            self.log.refresh([tail])
            if not self.log.fits(len(wire), 1):
                self.log.values.hurry(self.log.head)
                self.log.refresh([tail])
        return NO_SPACE

    def comes(self, *prefixes: bytes, room: int = 1 << 40, is_told: bool = False) -> One:
        sink = Sink(room)
        policy = policy_of(self.policy, self.reader.size, self.reader.entries)
        one = One(Member(len(self.ones) + 1, sink, policy), sink)
        self.ones.append(one)
        if not self.pump.needs_log:
            self.pump.follow()
        self.subscribes(one, *prefixes, is_told=is_told)
        return one

    def subscribes(
        self, one: One, *prefixes: bytes, above: int = -1, is_told: bool = False
    ) -> None:
        added = [prefix for prefix in prefixes if prefix not in one.wants]
        one.wants.update(added)
        self.pump.change(one.member, one.wants, added, [], 0)
        front = self.pump.front
        self.pump.show(one.member, front, above, added, one.wants, is_told=is_told, now=0)

    def subscribes_to_what_comes(self, one: One, prefix: bytes) -> None:
        """It wants no last values of that."""
        one.wants.add(prefix)
        if one.member.snapshots is not None:
            one.member.snapshots.add_none([prefix])
        self.pump.change(one.member, one.wants, [prefix], [], 0)

    def cancels(self, one: One, prefix: bytes) -> None:
        one.wants.discard(prefix)
        one.has_cancelled = True
        if one.member.snapshots is not None:
            one.member.snapshots.cancel([prefix])
        self.pump.change(one.member, one.wants, [], [prefix], 0)

    def turn(self) -> None:
        self.pump.advance(self.reader.head(), 0)
        self.pump.serve_runnable(0, 100)

    def settle_but(self, one: One) -> None:
        """Somebody takes what its socket has room for."""
        self.pump.runnable[one.member] = None
        while self.pump.runnable:
            self.turn()

    def settle(self) -> None:
        """Everybody takes all that there is."""
        for one in self.ones:
            one.sink.room = 1 << 40
            if one.member.blocked and one.member.state is not LOST:
                self.pump.runnable[one.member] = None
        for _ in range(2_000):
            self.turn()
            if not self.pump.runnable and self.pump.front == self.reader.head():
                return
        pytest.fail("it does not come to an end")


@pytest.fixture
def feed() -> Iterator[Feed]:
    feed = Feed()
    yield feed
    feed.segment.close()


def test_whoever_comes_gets_the_last_message_of_each_topic_and_then_what_comes(feed: Feed) -> None:
    for number in range(400):
        feed.publish(TOPICS[number % 7])
    first = feed.comes(b"x")
    feed.turn()
    feed.publish(TOPICS[3])
    second = feed.comes(b"")
    feed.settle()
    new = feed.last[TOPICS[3]]
    before = {**{TOPICS[n % 7]: n for n in range(400)}}

    assert first.got()[0] == [
        *sorted(before.items(), key=lambda one: one[1])[-7:],
        (TOPICS[3], new),
    ]
    assert sorted(second.got()[0]) == sorted(feed.last.items()), "only the newest, once"


def test_who_subscribes_to_more_gets_only_what_is_new_to_it(feed: Feed) -> None:
    for topic in TOPICS:
        feed.publish(topic)
    one = feed.comes(b"xp")
    feed.settle()
    count = len(one.got()[0])
    feed.subscribes(one, b"x")
    feed.settle()

    topics = [topic for topic, _ in one.got()[0][count:]]
    assert topics == [topic for topic in TOPICS if topic.startswith(b"xq")]


def test_overlapping_subscriptions_at_once_give_each_value_once(feed: Feed) -> None:
    for topic in TOPICS:
        feed.publish(topic)
    one = feed.comes(b"x", b"xp", b"xp1", b"")
    feed.settle()

    assert len(one.got()[0]) == len(TOPICS)


def test_what_is_subscribed_to_later_without_values_takes_none_from_before(feed: Feed) -> None:
    for topic in TOPICS:
        feed.publish(topic)
    one = feed.comes(b"zz", room=0)
    feed.subscribes(one, b"x")
    feed.subscribes_to_what_comes(one, b"xp")
    feed.subscribes(one, b"xp1", b"yp")
    feed.settle()

    assert len(one.got()[0]) == 15, "all of x and of yp, each once"


def test_what_is_cancelled_is_not_remembered_for_snapshots_that_it_does_not_concern(
    feed: Feed,
) -> None:
    one = feed.comes(b"x", room=0)
    for number in range(100):
        feed.subscribes_to_what_comes(one, b"%d" % number)
        feed.cancels(one, b"%d" % number)
    assert one.member.snapshots is not None
    assert not one.member.snapshots._ended


def test_what_covered_a_subscription_again_and_again_is_known_to_have(feed: Feed) -> None:
    for topic in TOPICS:
        feed.publish(topic)
    one = feed.comes(b"x", room=0)
    feed.subscribes(one, b"xp")  # covered, but for what is cancelled next
    feed.cancels(one, b"x")
    feed.subscribes(one, b"x")
    feed.cancels(one, b"x")
    feed.settle()

    assert len(one.got()[0]) == 5, "each once"


@pytest.mark.parametrize("prefixes", [[b""], TOPICS])
def test_when_lists_are_full_whoever_comes_gets_them_in_parts(
    feed: Feed, prefixes: list[bytes]
) -> None:
    """However few they want: each new message makes for a list of its own."""
    feed.show_by(ShowTuning(listed_max=2 * len(TOPICS), list_part=4, names_per_look=4))
    for topic in TOPICS:
        feed.publish(topic)
    for _ in range(9):
        feed.comes(*prefixes, room=60)
        for _ in range(20):
            feed.turn()
        feed.publish(TOPICS[0])
    assert sum(map(len, feed.showing._listings._lists)) <= 3 * len(TOPICS) + 6 * 4
    feed.settle()

    for one in feed.ones:
        check(feed, one)


def test_lists_in_parts_have_each_name_once_and_in_order(feed: Feed) -> None:
    """However the prefixes overlap, and whatever the order is that a set has them in."""
    feed.show_by(ShowTuning(listed_max=-1, list_part=2, names_per_look=2))
    for topic in TOPICS:
        feed.publish(topic)
    one = feed.comes(b"yq", b"xp1", b"xp", b"yp", b"xq", b"yp3")
    feed.settle()

    assert [topic for topic, _ in one.got()[0]] == TOPICS


def test_lists_that_are_still_made_count_for_how_many_there_may_be(feed: Feed) -> None:
    """All begin while there is room for each, and nobody has a whole list when it is gone."""
    feed.show_by(ShowTuning(listed_max=2 * len(TOPICS), list_part=4, names_per_look=4))
    for topic in TOPICS:
        feed.publish(topic)
    for _ in range(9):
        one = feed.comes(b"zz", room=60)
        feed.subscribes(one, b"")  # not alone: then they would all have one list
    most = 0
    for _ in range(40):
        feed.turn()
        lists = [*feed.showing._listings._lists]
        parts = [part for one in lists for part in (one.sequences, one._found, *one._runs)]
        most = max(most, sum(map(len, parts)))
    assert most <= 2 * len(TOPICS) + 9 * 4
    feed.settle()

    for one in feed.ones:
        check(feed, one)


def test_a_list_is_put_in_order_a_few_at_a_time(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SAMPLED", 1)
    order = [*TOPICS]
    random.Random(3).shuffle(order)
    for topic in order:
        feed.publish(topic)
    found = Listing(TopicNames(feed.values), feed.values, [b"x", b"", b"xp"], at_once=4)
    grown, steps = [0], 0
    while not found.is_ready:
        found.advance()
        steps += 1
        if len(found) > grown[-1]:
            grown.append(len(found))
        assert steps < 100

    assert [*found.sequences] == [*range(len(TOPICS))], "each once, in order"
    assert [found.places[at] for at in (0, 9)] == [TOPICS.index(order[at]) + 1 for at in (0, 9)]
    assert max(more - less for less, more in pairwise(grown)) <= 4


def test_it_is_told_where_they_begin_and_end(feed: Feed) -> None:
    for topic in TOPICS:
        feed.publish(topic)
    one = feed.comes(b"y", is_told=True)
    feed.settle()
    feed.publish(b"yp1")
    feed.settle()

    begin, end = one.got()[1]
    epoch = feed.reader.epoch
    both = {"epoch": epoch, "at": 20, "evicted": 0, "subscriptions": 1, "prefixes": [b"y"]}
    assert begin == {**both, "count": 0, "end": False, "after": 0}
    assert end == {**both, "count": 10, "end": True, "after": 10}


def test_what_is_evicted_is_counted_in_the_mark(feed: Feed) -> None:
    for topic in TOPICS:
        feed.publish(topic)
    for _ in range(1_200):
        feed.publish(TOPICS[0], 40)
    early = feed.comes(b"", is_told=True)  # by now all names are known
    feed.settle()
    assert early.got()[1][-1]["count"] == len(TOPICS)
    feed.log.values._evict(5)
    feed.showing._joining._pieces.clear()  # what others have just been sent is still at hand
    one = feed.comes(b"", is_told=True)
    feed.settle()

    assert len(one.got()[0]) == len(TOPICS) - 1
    assert one.got()[1][-1]["evicted"] == 1


def test_who_is_behind_is_shown_it_where_it_is_due_though_the_same_comes_behind(feed: Feed) -> None:
    """It subscribes to what it has wanted before, so what it is sent is the same all along."""
    one = feed.comes(b"")
    feed.settle()
    one.sink.room = 0
    for topic in TOPICS[:5]:
        feed.publish(topic)
    feed.turn()
    feed.subscribes(one, b"x", is_told=True)
    for topic in TOPICS[:5]:
        feed.publish(topic)
    feed.settle()

    messages, marks = one.got()
    assert (len(messages), [mark["after"] for mark in marks]) == (10, [5, 5])


def test_who_jumps_over_what_was_to_come_by_itself_gets_it_as_a_last_value(feed: Feed) -> None:
    feed.policy = SlowPolicy("drop_oldest")
    for topic in TOPICS:
        feed.publish(topic)
    one = feed.comes(b"x", room=0)
    newer = feed.publish(TOPICS[0])
    for _ in range(4):
        feed.turn()
    one.sink.room = 9 * 29 - 1  # all that there is, but for the last byte
    feed.settle_but(one)
    assert len(one.got_whole()) == 8, "it is in the middle of the last one"
    for _ in range(300):
        feed.publish(b"yp0")
        feed.turn()
    feed.pump.enforce(0)
    assert one.member.dropped == 1
    feed.settle()
    assert one.got()[0][-1] == (TOPICS[0], newer)
    assert len(one.got()[0]) == 10, "none that it had got comes again"


@pytest.mark.parametrize("has_rested", [False, True])
def test_who_rests_is_sent_last_values_though_nothing_is_published(
    feed: Feed, has_rested: bool
) -> None:
    feed.policy = SlowPolicy("conflate", min_interval=1.0)
    for topic in TOPICS:
        feed.publish(topic)
    one = feed.comes(b"x")
    feed.pump.set_policy(one.member, one.member.policy, 0)
    feed.settle()
    assert one.member in feed.pump.rests
    if has_rested:
        feed.pump.wake(2 * NS)
    feed.subscribes(one, b"y")
    if not has_rested:
        feed.turn()
        assert len(one.got()[0]) == 10, "it rests"
        feed.pump.wake(2 * NS)
    for _ in range(9):
        feed.turn()
    assert len(one.got()[0]) == 20


def test_a_value_that_is_forgotten_meanwhile_is_not_sent(feed: Feed) -> None:
    for topic in TOPICS:
        feed.publish(topic)
    one = feed.comes(b"", room=60)
    feed.turn()
    feed.log.values.forget(20, 77 << PLACE_BITS | 20)
    feed.settle()

    assert TOPICS[-1] not in dict(one.got()[0])
    assert len(one.got()[0]) == len(TOPICS) - 1


def test_a_message_that_is_being_committed_is_waited_for(feed: Feed) -> None:
    """If it is taken back, the one before is the last one."""
    for topic in TOPICS:
        feed.publish(topic)
    feed.turn()
    head = feed.log.head
    words = feed.segment.words
    words[16] = head + 1  # the poison flag is up
    feed.log._topics[head & feed.log._mask] = feed.id_of(TOPICS[4])
    feed.log._note(head, [feed.id_of(TOPICS[4])])
    one = feed.comes(b"")
    for _ in range(10):
        feed.turn()
    assert TOPICS[4] not in dict(one.got()[0])
    feed.log.lower_flag()
    feed.settle()

    assert dict(one.got()[0]) == feed.last


def test_one_that_is_not_committed_for_long_does_not_keep_the_worker_busy(feed: Feed) -> None:
    """Its socket has room all the time, so no event tells when to go on."""
    for topic in TOPICS:
        feed.publish(topic)
    feed.comes(b"")  # the names of topics are known
    feed.settle()
    words, head = feed.segment.words, feed.log.head
    words[16] = head + 1  # the poison flag is up
    feed.log._topics[head & feed.log._mask] = feed.id_of(TOPICS[4])
    feed.log._note(head, [feed.id_of(TOPICS[4])])
    one, pump = feed.comes(b""), feed.pump
    for _ in range(showing.TRIES_MAX + 20):
        feed.turn()
    assert not pump.runnable
    due = pump.next_wake
    assert due is not None
    pump.wake(due - 1)
    assert not pump.runnable
    feed.log.lower_flag()
    pump.wake(due)
    assert pump.next_wake is None
    feed.settle()

    assert dict(one.got()[0]) == feed.last


@pytest.mark.unmeasured
@pytest.mark.parametrize("action", ["block", "drop_oldest", "conflate", "drop_newest"])
@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_events(action: str, seed: int) -> None:
    feed, numbers = Feed(), random.Random(f"{action} {seed}")
    feed.show_by(ShowTuning(values_per_send=3, values_per_look=5))
    limit = 0 if action == "block" else 1_500
    feed.policy = SlowPolicy(action, limit_bytes=limit)  # type: ignore[arg-type]
    for _ in range(1_500):
        happens = numbers.random()
        if happens < 0.55:
            feed.publish(numbers.choice(TOPICS[: numbers.choice((3, 20))]), numbers.randrange(4))
        elif happens < 0.75:
            feed.turn()
        elif happens < 0.79 and len(feed.ones) < 25:
            prefixes = numbers.sample(PREFIXES, numbers.randrange(1, 4))
            feed.comes(*prefixes, room=numbers.choice((0, 40, 1 << 40)))
        elif feed.ones:
            one = numbers.choice(feed.ones)
            if happens < 0.83:
                feed.subscribes(one, numbers.choice(PREFIXES))
            elif happens < 0.86 and one.wants:
                feed.cancels(one, numbers.choice(sorted(one.wants)))
            elif happens < 0.9:
                feed.pump.enforce(0)
            elif one.member.blocked and one.member.state is not LOST:
                one.sink.room += numbers.randrange(200)
                feed.pump.runnable[one.member] = None
    feed.settle()
    for topic in TOPICS:  # what was lost is known again
        feed.publish(topic)
    feed.settle()
    for one in feed.ones:
        check(feed, one)
    assert feed.pump.totals.from_snapshot > 20
    feed.segment.close()


def check(feed: Feed, one: One) -> None:
    messages, _ = one.got()
    newest: dict[bytes, int] = {}
    for topic, sequence in messages:
        assert newest.get(topic, -1) <= sequence, "older after a newer one"
        assert newest.get(topic) != sequence or one.has_cancelled, "twice"
        newest[topic] = sequence
    wanted = {topic for topic in TOPICS if any(map(topic.startswith, one.wants))}
    member = one.member
    feed.pump.settle(member)
    if member.state is LOST:
        return
    assert {topic: newest.get(topic) for topic in wanted} == {t: feed.last[t] for t in wanted}
    assert member.queued == member.queued_bytes == 0
    assert member.sent == len(messages)


@pytest.mark.parametrize("seed", range(6))
def test_whoever_loses_nothing_has_the_state_at_once(seed: int) -> None:
    """Without another message: what it has is what was published last, whatever it missed."""
    feed, numbers = Feed(), random.Random(seed)
    for _ in range(600):
        happens = numbers.random()
        if happens < 0.7:
            feed.publish(numbers.choice(TOPICS[: numbers.choice((3, 20))]), numbers.randrange(4))
        elif happens < 0.85:
            feed.turn()
        elif happens < 0.88:
            prefixes = numbers.sample(PREFIXES, numbers.randrange(1, 4))
            feed.comes(*prefixes, room=numbers.choice((0, 100, 1 << 40)))
        elif feed.ones:
            one = numbers.choice(feed.ones)
            if happens < 0.9:
                feed.subscribes(one, numbers.choice(PREFIXES))
            elif one.member.blocked:
                one.sink.room += numbers.randrange(200)
                feed.pump.runnable[one.member] = None
    feed.settle()
    for one in feed.ones:
        newest = dict(one.got()[0])
        wanted = [t for t in feed.last if any(map(t.startswith, one.wants))]
        assert {topic: newest.get(topic) for topic in wanted} == {t: feed.last[t] for t in wanted}
    feed.segment.close()


@pytest.mark.parametrize("action", ["disconnect", "drop_newest"])
def test_the_rest_of_a_last_value_waits_since_its_member_came_and_no_longer(
    action: str, feed: Feed
) -> None:
    """However old it is: else who is never read at once would never get any."""
    feed.policy = SlowPolicy("drop_oldest", limit_age=100.0)
    feed.comes(b"y", room=0)  # for which it is noted when messages come
    feed.publish(b"yp0")
    feed.publish(b"xp0")
    feed.pump.advance(feed.reader.head(), 0)
    feed.pump.enforce(0)
    feed.policy = SlowPolicy(action, limit_age=1.0)  # type: ignore[arg-type]
    one = feed.comes(b"xp0", room=5)
    for now in (10 * NS, 20 * NS):
        feed.pump.advance(feed.reader.head(), now)
        feed.pump.serve_runnable(now, 100)
        feed.pump.enforce(now)
        assert one.member.spill
        assert (one.member.state is LOST, one.member.finishing) == (False, None)
    feed.publish(b"xp0")
    feed.pump.advance(feed.reader.head(), 20 * NS)
    feed.pump.enforce(30 * NS)
    assert one.member.state is LOST or one.member.finishing is not None, "that waits for 10 s"
