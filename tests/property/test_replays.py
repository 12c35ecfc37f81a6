"""What a subscriber that goes back gets: what it missed, once, in order; or it is told of it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from fanout.shm.header import Header
from fanout.shm.log import NO_SPACE
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.stream.replaying import missed_by
from fanout.zmtp.frames import encode_message
from tests.helpers.log import SMALL, Worker
from tests.property.test_gaps import parts_of

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member
    from tests.helpers.log import Sink

NAMES = (b"A", b"AB", b"ABC", b"B", b"C")
PREFIXES = (b"", b"A", b"AB", b"B", b"C", b"x")
RUNS = 250
STEPS = 30


class World:
    """A worker with one subscriber, and what that must get."""

    def __init__(self, seed: int, actions: tuple[str, ...]) -> None:
        self.rng = random.Random(seed)
        self.worker = Worker(SMALL)
        self.member: Member
        self.sink: Sink
        self.wants: set[bytes] = set()
        self.topics: list[bytes] = []
        self.waiting: list[int] = []  # in the order in which they must come
        self.actions = actions
        self.now = 0
        self.member, self.sink = self.worker.member(room=0)
        self.worker.obey(self.member, SlowPolicy(actions[0]))  # type: ignore[arg-type]
        self.worker.pump.tell_gaps(self.member, losses=True, conflated=True)
        self._header = Header(self.worker.log.segment)
        self.missed: set[int] = set()  # that was gone when it asked

    def publish(self) -> None:
        """If the log has room: the tail of the worker holds it."""
        log, pump = self.worker.log, self.worker.pump
        topic, number = self.rng.choice(NAMES), len(self.topics)
        wire = encode_message((topic, b"%d" % number + bytes(self.rng.choice((1, 300, 2_000)))))
        tail = pump.move_tail()
        log.writer.refresh([tail], lambda: [tail])
        if log.writer.append(wire, self.rng.choice((0, NAMES.index(topic) + 1))) == NO_SPACE:
            return
        self.topics.append(topic)
        if topic.startswith(tuple(self.wants)):
            self.waiting.append(number)

    def step(self) -> None:
        self.now += 1
        worker, rng = self.worker, self.rng
        verb = rng.choices(
            ("publish", "advance", "room", "wants", "policy", "judge"),
            (8, 5, 6, 3, len(self.actions) > 1, 3 * (self.actions[0] != "block")),
        )[0]
        if verb == "publish":
            for _ in range(rng.randrange(1, 20)):
                self.publish()
        elif verb == "advance":
            worker.advance(self.now)
        elif verb == "room":
            self.sink.room += rng.randrange(4_000)
            worker.serve(self.member, self.now)
        elif verb == "policy":
            worker.obey(self.member, SlowPolicy(rng.choice(self.actions)), self.now)  # type: ignore[arg-type]
        elif verb == "judge":
            worker.pump.enforce(self.now)
        else:
            self.change()

    def change(self) -> None:
        """It wants something else, and some of what was published of that."""
        worker, member, rng = self.worker, self.member, self.rng
        worker.advance(self.now)
        until = worker.pump.front
        wants = {rng.choice(PREFIXES) for _ in range(rng.randrange(4))}
        added, before = wants - self.wants, self.wants
        worker.pump.change(member, wants, added, self.wants - wants, self.now)
        self.wants = wants
        missed = missed_by(added, before)
        if missed is None or rng.random() < 0.2:
            return
        asked = rng.randrange(until + 1)
        first = max(asked, self._header.floor)
        worker.pump.settle(member)
        known = tuple(before)
        begun = member.sent + self.is_torn + member.dropped
        begun_last = self.waiting[begun - 1] if self.is_torn else None
        for number in range(asked, until):
            topic = self.topics[number]
            if not topic.startswith(tuple(added)) or topic.startswith(known):
                continue
            if number < first:
                self.missed.add(number)
            elif number not in self.waiting[begun:] and not first == number == begun_last:
                self.waiting.append(number)
        self.waiting = self.waiting[:begun] + sorted(self.waiting[begun:])
        worker.pump.tell_missed(member, asked, first, missed)
        worker.pump.replay(member, first, until, missed, self.now)

    @property
    def is_torn(self) -> bool:
        return bool(self.member.spill) or self.member.offset > 0

    def end(self) -> list[dict[str, Any] | int]:
        self.worker.advance(self.now)
        self.sink.room = 1 << 30
        self.worker.serve(self.member, self.now)
        self.worker.pump.settle(self.member)
        return parts_of(self.sink.taken)


def run(seed: int, *actions: str) -> tuple[World, list[dict[str, Any] | int]]:
    world = World(seed, actions)
    for _ in range(STEPS):
        world.step()
    return world, world.end()


@pytest.mark.parametrize("seed", range(0, RUNS, 50))
def test_nothing_is_missing_nothing_comes_twice(seed: int) -> None:
    for one in range(seed, seed + 50):
        world, parts = run(one, "block")
        got = [part for part in parts if isinstance(part, int)]
        assert got == world.waiting, one
        assert (world.member.queued, world.member.queued_bytes) == (0, 0), one


@pytest.mark.parametrize(
    "actions",
    [
        ("drop_oldest",),
        ("drop_newest",),
        ("conflate",),
        ("block", "drop_oldest", "drop_newest", "conflate"),
    ],
    ids=", ".join,
)
def test_what_is_lost_is_counted_and_told(actions: tuple[str, ...]) -> None:
    for seed in range(80):
        world, parts = run(seed, *actions)
        member, totals = world.member, world.worker.pump.totals
        got = [part for part in parts if isinstance(part, int)]
        markers = [part for part in parts if not isinstance(part, int)]
        told = sum(marker["count"] for marker in markers if marker["reason"] != "expired")

        assert len(got) == member.sent, seed
        assert told == member.dropped + member.conflated, seed
        assert (member.queued, member.queued_bytes) == (0, 0), seed
        assert member.matched == member.sent + member.dropped + member.conflated, seed
        assert (totals.matched, totals.sent) == (member.matched, member.sent), seed
        assert member.replay is None, seed
