"""Who subscribes to what, and what it must get."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fanout.zmtp.frames import encode_message
from soaking.slow.people import (
    AGE,
    BYTES,
    MESSAGE_BYTES,
    MESSAGES,
    PACED,
    POLICIES,
    READ_ALL,
    RESTS,
    STALLS,
    STEADY,
    STOPS,
    Person,
    frames_of,
    people,
    topic_of,
)

PEOPLE = people(200, 20, 1_000)


def test_there_are_slow_ones_and_steady_ones_of_every_policy_and_kind() -> None:
    slow = [one for one in PEOPLE if one.pace not in READ_ALL]

    assert (len(PEOPLE), len(slow), len({one.name for one in PEOPLE})) == (200, 20, 200)
    assert {one.policy for one in slow} == {one.policy for one in PEOPLE} == set(POLICIES)
    assert {(one.stock, one.first < 0) for one in slow} == {(s, f) for s in (0, 1) for f in (0, 1)}


def test_every_kind_of_limit_is_tried_and_who_conflates_is_told_of_all() -> None:
    limited = {(one.policy, one.kind) for one in PEOPLE if one.kind}
    stalling = {(one.policy, one.kind) for one in PEOPLE if one.pace == STALLS and one.kind}
    losing = ("drop_oldest", "drop_newest", "disconnect")

    assert limited == {(policy, kind) for policy in losing for kind in (BYTES, MESSAGES, AGE)}
    assert stalling == {(policy, kind) for policy in losing for kind in (BYTES, AGE)}
    assert {one.gaps for one in PEOPLE if one.policy == "conflate"} == {True, False}
    assert all((one.limit > 0) == (one.kind != "") for one in PEOPLE)


def test_nobody_holds_the_publisher_up_or_comes_again() -> None:
    slow = [one for one in PEOPLE if one.pace not in READ_ALL]

    assert {one.pace for one in slow if one.policy == "block"} == {STOPS}
    assert not any(one.stock for one in slow if one.policy == "disconnect")


def test_some_would_read_all_and_want_less() -> None:
    paced = {one.policy for one in PEOPLE if one.max_rate}
    resting = {one.policy for one in PEOPLE if one.min_interval}

    assert paced == {"drop_oldest", "drop_newest", "conflate"}
    assert resting == {"conflate"}
    assert all(one.may_lack for one in PEOPLE if one.max_rate or one.min_interval)
    assert not any(one.may_lack for one in PEOPLE if one.policy in ("block", "disconnect"))
    steady = [one for one in PEOPLE if one.pace == STEADY and one.policy != "conflate"]
    assert not any(one.may_lack or one.limit for one in steady)


@pytest.mark.parametrize("person", [PEOPLE[0], PEOPLE[1], PEOPLE[49], PEOPLE[100]])
def test_what_it_wants_is_what_begins_with_its_topics(person: Person) -> None:
    topics = tuple(one.encode() for one in person.topics)
    wanted = [number for number in range(200) if topic_of(number).startswith(topics)]

    assert [number for number in range(200) if person.wants(number)] == wanted
    for first, stop in ((0, 200), (7, 7), (13, 101), (50, 49)):
        naive = sum(first <= number < stop for number in wanted)
        assert person.wanted_between(first, stop) == naive
    assert person.next_after(wanted[4]) == wanted[5]
    assert [person.wanted_after(0, place) for place in range(len(wanted))] == wanted
    assert person.wanted_after(wanted[3], 12) == wanted[15]
    assert person.wanted_before(200, 3) == wanted[-3]


def test_the_size_of_a_message_is_that_on_the_wire() -> None:
    assert len(encode_message(frames_of(7))) == MESSAGE_BYTES


def test_what_it_says_of_itself_are_reserved_subscriptions() -> None:
    person = Person("me", True, -1, "drop_newest", 5, STEADY, gaps=True, kind=BYTES)

    assert person.choices == [
        "\0fanout.name=me",
        "\0fanout.policy=drop_newest",
        "\0fanout.limit_bytes=5",
        "\0fanout.gap",
    ]
    aged = replace(person, kind=AGE)
    assert aged.choices[2:] == ["\0fanout.limit_age=1.0", "\0fanout.gap"]
    some = replace(person, kind=MESSAGES, limit=5 * MESSAGE_BYTES)
    assert some.choices[2:] == ["\0fanout.limit_messages=5", "\0fanout.gap"]
    choosy = Person("me", True, -1, "conflate", 0, RESTS, gaps=True)
    assert choosy.choices[2:] == ["\0fanout.min_interval=0.25", "\0fanout.gap", "\0fanout.gap=all"]
    assert "\0fanout.max_rate=20000" in replace(choosy, pace=PACED).choices


def test_how_far_one_is_behind_is_counted_in_messages_of_all() -> None:
    everything = Person("me", True, -1, "drop_oldest", 0, STEADY, gaps=True)
    watching = replace(everything, first=0)  # ten of fifty topics

    assert everything.behind(500, 480) == 20
    assert (watching.behind(500, 100), watching.behind(500, 96)) == (0, 20)


def test_who_must_get_everything_is_healthy_and_may_lose_nothing() -> None:
    keeping_up = [one for one in PEOPLE if one.keeps_up]

    assert {one.policy for one in keeping_up} == set(POLICIES) - {"conflate"}
    assert {one.pace for one in keeping_up} == {STEADY}
    assert len(keeping_up) > 100
