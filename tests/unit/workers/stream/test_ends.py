"""Between which messages a pass leaves some out is found a piece at a time, and told when known."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fanout.shm.layout import PAGE, Layout
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.stream import ends as rules
from fanout.workers.tuning import TUNING
from tests.helpers.log import Worker, always_late
from tests.helpers.looks import counting_looks

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member

LARGE = Layout(64 * PAGE, 8_192, 4)
PIECE = 16
TOPICS = 1_000


def publish(worker: Worker, *topics: int) -> None:
    for topic in topics:
        name = b"tu"[topic % 2 :][:1] + b"%d" % topic
        worker.log.publish(name, b"", topic_id=topic + 1)
    worker.advance()


def told(worker: Worker, *prefixes: bytes) -> Member:
    """One that is behind, conflates, and wants to know of what."""
    member, _sink = worker.member(*prefixes, room=0)
    worker.obey(member, SlowPolicy("conflate"))
    worker.pump.tell_gaps(member, losses=True, conflated=True)
    return member


def late_worker() -> Worker:
    return Worker(LARGE, tuning=replace(TUNING, census_messages=PIECE), part=always_late())


def conflate(worker: Worker, member: Member) -> bool:
    return worker.pump.backlog.conflate(member, worker.pump.front)


def gap_of(member: Member) -> tuple[int, int, int]:
    assert member.gaps is not None
    (gap,) = member.gaps.pending
    return gap.first, gap.last, gap.count


@pytest.mark.parametrize("prefixes", [(b"",), (b"t", b"u"), (b"t",)])
def test_half_a_log_of_other_topics_is_not_looked_through_at_once(
    prefixes: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It took 100 ms for 100,000 of them, in which nobody was served."""
    looks = counting_looks(monkeypatch)
    worker = late_worker()
    member = told(worker, *prefixes)
    publish(worker, *range(TOPICS), 500, 501, 502)

    found: list[int] = []
    is_thin = False
    while not is_thin:
        assert member.conflated == 0
        assert not member.older
        del looks[:]
        is_thin = conflate(worker, member)
        found.append(sum(looks))
        assert len(found) < TOPICS

    assert len(found) > TOPICS // PIECE // 4
    assert max(found) <= 8 * PIECE
    gone = [500, 502] if prefixes == (b"t",) else [500, 501, 502]
    assert gap_of(member) == (gone[0], gone[-1], len(gone))
    assert member.conflated == len(gone)
    assert not len(worker.pump._conflating._ends)


@pytest.mark.unmeasured
@pytest.mark.parametrize("prefixes", [(b"",), (b"t", b"u"), (b"t",), (b"t1", b"u2")])
@pytest.mark.parametrize("seed", range(5))
def test_whatever_comes_meanwhile_the_ends_are_those_of_what_is_left_out(
    prefixes: tuple[bytes, ...], seed: int
) -> None:
    rng, worker = random.Random(seed), late_worker()
    member = told(worker, *prefixes)
    published = [*range(TOPICS), 150]
    publish(worker, *published)
    tries = 0
    while not conflate(worker, member):
        some = [
            rng.choice((rng.randrange(TOPICS), len(published) + 10_000)) for _ in range(tries % 3)
        ]
        published += some
        publish(worker, *some)
        tries += 1
        assert tries < 3_000

    names = [b"tu"[topic % 2 :][:1] + b"%d" % topic for topic in published]
    wanted = [number for number, name in enumerate(names) if name.startswith(prefixes)]
    newest = {names[number]: number for number in wanted}
    gone = [number for number in wanted if newest[names[number]] != number]
    assert tries >= 4
    assert gone
    assert gap_of(member) == (gone[0], gone[-1], len(gone))


def test_no_more_than_some_are_looked_at_and_the_others_have_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "MEMBERS_MAX", 1)
    worker = late_worker()
    first, second = told(worker, b"t", b"u"), told(worker, b"t")
    publish(worker, *range(TOPICS), 500)
    ends = worker.pump._conflating._ends
    while not len(ends):
        assert not conflate(worker, first)
    for _ in range(200):
        assert not conflate(worker, second)
    while not conflate(worker, first):
        assert len(ends) == 1
    tries = 0
    while not conflate(worker, second):
        tries += 1
        assert tries < TOPICS

    assert gap_of(first) == gap_of(second) == (500, 500, 1)


def test_who_does_not_ask_any_more_makes_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "IDLE_MAX", 3)
    worker = late_worker()
    member = told(worker, b"t", b"u")
    publish(worker, *range(TOPICS), 500)
    ends = worker.pump._conflating._ends
    while not len(ends):
        assert not conflate(worker, member)
    for _ in range(3):
        worker.pump._conflating.sweep()
        assert len(ends) == 1
    worker.pump._conflating.sweep()
    assert not len(ends)


def test_what_was_counted_and_is_not_there_is_said() -> None:
    worker = Worker(LARGE)
    member = told(worker, b"")
    publish(worker, 1, 2)
    values = worker.pump._conflating._newest.wanted(member.cohort, 0, 2, 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nothing is left out"):
        worker.pump._conflating._ends.find(member, values, 0, 2)
