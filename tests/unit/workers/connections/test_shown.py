"""Subscribers that get last values, and keyframes with what came since; whoever serves them.

Workers die at any point, and others go on: each subscriber gets what it would have got from one.
"""

from __future__ import annotations

import os
import random
from contextlib import closing
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import msgpack
import pytest

from fanout.shm.layout import PAGE, Layout
from fanout.shm.value_layout import ValueTable
from fanout.terms.reserved import SNAPSHOT_TOPIC
from fanout.workers.stream import chaining
from fanout.workers.stream.steps import Step
from fanout.workers.tuning import ShowTuning, Tuning
from tests.helpers.taking_over import Killed, TakingOver, messages_in

if TYPE_CHECKING:
    from tests.helpers.taking_over import Subscriber

KEYED = (b"kA", b"kAB", b"kB")  # of which deltas are published
PLAIN = (b"A", b"AB", b"B", b"BA")
LAYOUT = Layout(128 * PAGE, 2_048, 64, table=ValueTable(20, 64 * PAGE))
TUNING = Tuning(chunk_messages=16, span_bytes=10_000, census_messages=16)
BEFORE = 300  # messages, all of which the log has
SEEDS = range(int(os.environ.get("FANOUT_SHOWN_SEEDS", "3")))
SNAPSHOT = b"\x00fanout.snapshot"


class Feed:
    """What was published: of each topic its messages, and which of these are keyframes."""

    def __init__(self, taking: TakingOver, rng: random.Random) -> None:
        self.messages: dict[bytes, dict[int, bool]] = {topic: {} for topic in (*KEYED, *PLAIN)}
        self._taking = taking
        self._rng = rng

    def publish(self, messages: int) -> None:
        for _ in range(messages):
            topic, number = self._rng.choice([*self.messages]), self._taking.log.log.head()
            is_keyframe = topic in KEYED and self._rng.random() < 0.2
            payload = b"%d:" % number + bytes(self._rng.choice((9, 60, 2_000)))
            if self._taking.publish(topic, payload, is_keyframe=is_keyframe):
                self.messages[topic][number] = is_keyframe

    def wanted(self, topic: bytes, since: int) -> list[list[int]]:
        """What somebody gets of a topic who has come then; one of these."""
        messages = self.messages[topic]
        live = [number for number in messages if number >= since]
        before = [number for number in messages if number < since]
        if topic in KEYED:
            keyframes = [number for number in before if messages[number]]
            begins = keyframes[-1] if keyframes else since
            return [[number for number in messages if number >= begins]]
        return [[*before[-1:], *live], live] if live else [before[-1:]]


def got(one: Subscriber) -> tuple[dict[bytes, list[int]], list[dict[str, int]]]:
    """Of each topic the messages that it has got, and what it was told of where they end."""
    numbers: dict[bytes, list[int]] = {}
    marks = []
    for topic, payload in messages_in(bytes(one.received)):
        if topic == SNAPSHOT_TOPIC:
            marks.append(msgpack.unpackb(payload))
        elif not topic.startswith(b"\0"):
            numbers.setdefault(topic, []).append(int(payload.partition(b":")[0]))
    return numbers, marks


def check(taking: TakingOver, feed: Feed, one: Subscriber) -> None:
    numbers, marks = got(one)
    (change,) = one.changes
    since = change.sequence
    for topic in feed.messages:
        if topic.startswith((*change.added,)):
            assert numbers.get(topic, []) in feed.wanted(topic, since), topic
    if marks:
        assert [mark["end"] for mark in marks] == [False, True]
        before = sum(number < since for some in numbers.values() for number in some)
        assert marks[1]["count"] == before
    worker = taking.served[one.number]
    member = worker.desk.peers[one.number].member
    worker.pump.settle(member)
    assert member.sent == member.matched == sum(map(len, numbers.values()))


@pytest.mark.unmeasured
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("ipc", [False, True], ids=["tcp", "ipc"])
def test_who_is_sent_keyframes_or_last_values_goes_on_when_workers_die(
    seed: int, ipc: bool
) -> None:
    rng = random.Random(seed)
    tuning = replace(TUNING, show=ShowTuning(values_per_send=rng.choice((1, 2, 400))))
    with closing(TakingOver(LAYOUT, tuning, ipc=ipc, log_bytes=LAYOUT.data_bytes)) as taking:
        feed = Feed(taking, rng)
        feed.publish(BEFORE)
        live_and_die(taking, feed, rng)
        for worker in taking.workers:
            taking.settle(worker)
        assert {outcome.reason for outcome in taking.outcomes} <= {
            "",
            "it was about to get what it missed",
        }
        refused = {outcome.subscriber for outcome in taking.outcomes if outcome.reason}
        everybody = [one for one in taking.subscribers.values() if one not in taking.unknown]
        assert len(refused) < len(everybody) / 2
        for one in everybody:
            if one.number not in refused:
                check(taking, feed, one)


def live_and_die(taking: TakingOver, feed: Feed, rng: random.Random) -> None:
    for step in count():
        verb = rng.randrange(8)
        alive = [one for one in taking.subscribers.values() if one not in taking.unknown]
        one = rng.choice(alive) if alive else None
        if verb == 0 and len(taking.subscribers) < 16:
            wants = rng.choice(([b""], [b"k"], [b"kA"], [b"A", b"kB"]))
            marks = [SNAPSHOT] if rng.random() < 0.5 else []
            taking.connect([*marks, *wants], rng.choice(taking.workers))
        elif verb == 1:
            feed.publish(rng.randrange(6))
        elif verb < 5 and one is not None:
            one.read(rng.choice((100, 5_000, 100_000)))
        elif verb == 5:
            die(taking, rng)
        else:
            taking.turn(rng.choice(taking.workers), tick=rng.random() < 0.2)
        if step > 250:
            return


def die(taking: TakingOver, rng: random.Random) -> None:
    """A worker dies, in the middle of a turn or between two, and another one goes on."""
    worker = rng.choice(taking.workers)
    taking.around(worker).life.points = rng.randrange(1, 40)
    try:
        for _ in range(rng.randrange(3)):
            taking.turn(worker)
    except Killed:
        pass
    orphans = taking.kill(worker)
    taking.start()
    taking.hand_over(orphans, rng.choice(taking.workers))


def test_a_chain_that_another_worker_had_begun_counts_as_one_that_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chaining, "TOPICS_MAX", 1)
    with closing(TakingOver(LAYOUT, TUNING, log_bytes=LAYOUT.data_bytes)) as taking:
        killed, other = taking.workers
        for topic in (b"kA", b"kB"):
            taking.publish(topic, b"0:", is_keyframe=True)
            for _ in range(40):
                taking.publish(topic, b"0:" + bytes(2_000))
        first = taking.connect([b"kA"], killed)
        for _ in range(20):
            taking.turn(killed)
        assert killed.desk.peers[1].member.older, "it is in the middle"
        taking.hand_over(taking.kill(killed), other)
        taking.turn(other)
        second = taking.connect([b"kB"], other)
        taking.settle(other)

        assert got(first)[0] == {b"kA": [0] * 41}
        assert got(second)[0] == {}, "there was no room for one more"
        third = taking.connect([b"kB"], other)
        taking.settle(other)
        assert got(third)[0] == {b"kB": [0] * 41}, "the first has got all of its own"


def test_who_got_more_than_can_be_before_its_keyframes_is_closed_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel counts what follows from nothing: nobody goes on there, but its worker does."""
    with closing(TakingOver(LAYOUT, TUNING, log_bytes=LAYOUT.data_bytes)) as taking:
        killed, other = taking.workers
        taking.publish(b"kA", b"0:", is_keyframe=True)
        taking.publish(b"kA", b"1:")
        with monkeypatch.context() as patch:
            patch.setattr(killed.pump.backlog, "show", lambda _member: Step.FULL)
            one = taking.connect([b"kA"], killed)
            two = taking.connect([b"A"], killed)
        assert killed.desk.peers[one.number].member.snapshots is not None, "they are to come"
        assert one.ours.send(b"more") == len(b"more")
        taking.hand_over(taking.kill(killed), other)
        taking.settle(other)

        reasons = {outcome.subscriber: outcome.reason for outcome in taking.outcomes}
        assert reasons == {1: "it got more than there was before its last values", 2: ""}
        assert list(other.desk.peers) == [two.number]
        assert taking.around(other).slot.resuming == 0, "it met no bug"
