"""Last values that many want are joined once for all of them; what is kept of that is bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fanout.shm.value_keeper import ValueKeeper
from fanout.shm.value_layout import H_VALUES_EXPIRED
from fanout.workers.stream import joining
from fanout.workers.stream.joining import Joining
from fanout.workers.tuning import ShowTuning
from tests.unit.workers.stream.test_showing import TOPICS, Feed, One

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZE = 29  # bytes of a message, or one more


@pytest.fixture
def feed() -> Iterator[Feed]:
    feed = Feed()
    for topic in TOPICS:
        feed.publish(topic)
    yield feed
    feed.segment.close()


@pytest.fixture
def joins(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Who has something joined, and from which place of its list on."""
    joined: list[tuple[int, int]] = []
    original = Joining.join

    def join(self: Joining, *given: Any, **known: Any) -> Any:
        joined.append((given[3].id, given[2]))
        return original(self, *given, **known)

    monkeypatch.setattr(Joining, "join", join)
    return joined


def all_come(feed: Feed, *wants: bytes, room: int = 1 << 40) -> list[One]:
    return [feed.comes(*wants, room=room) for _ in range(10)]


def sends(one: One) -> list[int]:
    """How many bytes it was offered at once, each time."""
    offered: list[int] = []
    original = one.member.send

    def send(data: bytes | memoryview) -> int:
        offered.append(len(data))
        return original(data)

    one.member.send = send
    return offered


def test_what_many_want_is_joined_once_and_sent_at_once(
    feed: Feed, joins: list[tuple[int, int]]
) -> None:
    feed.show_by(ShowTuning(values_per_send=len(TOPICS) // 4))
    ones = all_come(feed, b"")
    offered = [sends(one) for one in ones]
    feed.settle()

    assert joins == [(ones[0].member.id, 0), (ones[1].member.id, 0)]
    assert offered[1:] == [[len(ones[0].sink.taken)]] * 9
    assert len(offered[0]) == 4, "when it came to that, nobody else was known to have its list"
    assert all([topic for topic, _ in one.got()[0]] == TOPICS for one in ones)


def test_who_took_a_part_goes_on_with_parts_and_nothing_is_joined_for_it(
    feed: Feed, joins: list[tuple[int, int]]
) -> None:
    feed.show_by(ShowTuning(values_per_send=len(TOPICS) // 4))
    first, *ones = all_come(feed, b"")
    for number, one in enumerate(ones, 1):
        one.sink.room = SIZE * number + number
    feed.turn()
    feed.turn()
    joined = len(joins)
    offered = [sends(one) for one in ones]
    feed.settle()

    assert {who for who, _ in joins[joined:]} <= {first.member.id}
    assert all(max(some, default=0) <= len(TOPICS) // 4 * (SIZE + 1) for some in offered)
    assert all([topic for topic, _ in one.got()[0]] == TOPICS for one in ones)


def test_who_has_cancelled_something_has_what_is_left_joined_for_itself(
    feed: Feed, joins: list[tuple[int, int]]
) -> None:
    ones = all_come(feed, *TOPICS[:12], room=0)
    feed.turn()
    feed.cancels(ones[4], TOPICS[2])
    joins.clear()
    feed.settle()

    assert (ones[4].member.id, 0) in joins
    without = [topic for topic in TOPICS[:12] if topic != TOPICS[2]]
    assert [topic for topic, _ in ones[4].got()[0]] == without
    assert [topic for topic, _ in ones[5].got()[0]] == TOPICS[:12]


def test_what_is_kept_for_others_is_bounded_over_all_lists(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "SHARED_BYTES", 10_000)
    feed.show_by(ShowTuning())
    kept: Any = feed.showing._joining
    for first in range(18):
        feed.comes(*TOPICS[first : first + 3])
        feed.comes(*TOPICS[first : first + 3])
        feed.settle()
        held = [load.held_bytes for loads in kept._shared.values() for load in loads]
        assert sum(held) == kept._shared_bytes <= 10_000
        assert len(held) == len(kept._order)

    assert 1 < len(held) < 18


@pytest.mark.parametrize("lose", [ValueKeeper.forget, ValueKeeper.give])
def test_what_is_forgotten_or_has_lost_its_place_is_not_sent_of_what_was_joined_for_others(
    feed: Feed, joins: list[tuple[int, int]], lose: Callable[[ValueKeeper, int, int], None]
) -> None:
    all_come(feed, b"x")
    feed.settle()
    lose(feed.log.values, TOPICS.index(b"xp3") + 1, feed.id_of(b"xp3") + (1 << 40))
    joined = len(joins)
    later = feed.comes(b"x")
    feed.settle()

    assert b"xp3" not in [topic for topic, _ in later.got()[0]]
    assert len(joins) == joined + 1


def test_what_is_too_old_is_not_sent_of_what_was_joined_for_others(feed: Feed) -> None:
    all_come(feed, b"x")
    feed.settle()
    feed.segment.words[H_VALUES_EXPIRED] = 4
    later = feed.comes(b"x")
    feed.settle()

    assert [topic for topic, _ in later.got()[0]] == TOPICS[4:10]


def test_what_was_joined_is_not_for_who_comes_when_a_topic_has_keyframes(
    feed: Feed, joins: list[tuple[int, int]]
) -> None:
    all_come(feed, b"x")
    feed.settle()
    feed.log.values.note_keyframe(TOPICS.index(b"xp3") + 1, feed.id_of(b"xp3"))
    joined = len(joins)
    feed.comes(b"x")
    feed.settle()

    assert len(joins) == joined + 1


@pytest.mark.parametrize("is_passed", [False, True])
def test_who_was_sent_the_newest_of_what_comes_is_sent_nothing_older_of_others(
    feed: Feed, is_passed: bool
) -> None:
    first, second, third = (feed.comes(b"x", room=0) for _ in range(3))
    for one in (first, second):
        one.sink.room = 1 << 40
        feed.settle_but(one)
    old, new = feed.last[b"xp3"], feed.publish(b"xp3")
    assert third.member.snapshots is not None
    if is_passed:
        (snapshot,) = third.member.snapshots.pending
        snapshot.pass_at(snapshot.due)
    feed.settle()

    came = [sequence for topic, sequence in third.got()[0] if topic == b"xp3"]
    assert came == ([new] if is_passed else [old, new])


@pytest.mark.parametrize("is_told", [False, True])
def test_the_record_of_the_last_that_several_are_sent_says_that_it_ends_with_that(
    feed: Feed, is_told: bool
) -> None:
    feed.show_by(ShowTuning(small_part=1))
    feed.comes(b"x")
    feed.settle()
    written: list[bool] = []
    one = feed.comes(b"x", room=(3 + 4 * is_told) * SIZE, is_told=is_told)  # that is a mark
    snapshots = one.member.snapshots
    assert snapshots is not None

    def turned(_member: object) -> None:
        written.append(bool(snapshots.pending) and snapshots.pending[0].is_last)

    feed.pump.backlog.turned = turned
    feed.settle_but(one)
    feed.settle()

    # All at once; then what its socket did not take of that. And for who is told of it the marks.
    assert written == ([False] * 4 if is_told else [True, True])
    assert [topic for topic, _ in one.got()[0]] == TOPICS[:10]
