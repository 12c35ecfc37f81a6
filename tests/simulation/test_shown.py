"""What newcomers are shown, simulated: seeds that hold, and mistakes that seeds show."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, TypeVar
from unittest import mock

import pytest

from tests.helpers.programs import outputs_of
from tests.simulation.shown.deaths import DyingWorld
from tests.simulation.shown.due import Due
from tests.simulation.shown.feed import Feed, Message
from tests.simulation.shown.limited import LimitedWorld
from tests.simulation.shown.mistakes import MISTAKES
from tests.simulation.shown.publishing import (
    ASKS_FROM,
    CANCELS_FROM,
    CROWDS_FROM,
    DEATHS_FROM,
    LEAVES_FROM,
    LIMITED_FROM,
    LIMITED_TWINS_FROM,
    PAST_FROM,
    POLICIES_FROM,
    READS_FROM,
    RESTARTS_FROM,
    SEVERAL_FROM,
    TWINS_FROM,
)
from tests.simulation.shown.reading import ReadingWorld
from tests.simulation.shown.restarting import RestartingWorld
from tests.simulation.shown.twins import TwinWorld
from tests.simulation.shown.wanting import FOREVER
from tests.simulation.shown.worlds import world_of
from tests.simulation.test_caught_directly import CHECKS
from tests.simulation.violated import Violated

if TYPE_CHECKING:
    from tests.simulation.shown.world import ShownWorld

W = TypeVar("W")
RUNS = 12  # seeds in one test
TESTS = 2
SEEDS_MAX = 100
# Of a topic that changes while it is looked at more than one answer is right: of so many at most.
UNDECIDED_PART = 1 / 5
SHARED_PART = 1 / 4  # where one such topic is that of several who came at once

# Where the seeds of each kind begin, of which those are run that come first; all kinds there are.
KINDS_FROM = (
    *(0, POLICIES_FROM, CANCELS_FROM, ASKS_FROM, CROWDS_FROM, DEATHS_FROM, READS_FROM),
    *(LEAVES_FROM, PAST_FROM, SEVERAL_FROM, RESTARTS_FROM, TWINS_FROM, LIMITED_FROM),
    LIMITED_TWINS_FROM,
)

# Seeds beyond those that have shown something once: a topic that was listed twice, as a message of
# it came between two of the prefixes, and a delta that was shown for a topic that was forgotten.
# Then of those with policies: who had rested and subscribed was not served before something was
# published; a pass began where one had not jumped to; one who jumped over what was listed to come
# by itself was not sent it; keyframes were looked for where the log was not kept; one was told of
# what it had lost in the middle of a message; topics of a list that was made anew while keyframes
# were looked for were counted twice; and one jumped that had been sent all of its last values. Then
# of those who cancel: what was being committed when it was looked at came after newer ones. 10_205:
# by a list of before nobody was told that a topic that is new since begins without a keyframe.
# 50_012: by such a list one was told of a topic that it did not want, in the place of another one.
# 60_011 and on, of subscribers that heal themselves: what was conflated behind a message that
# another line had brought was told by nobody; a last value came again as what was missed; it was
# not told where a gap is of which nobody knows that; last values came again over another line.
# 60_273, where the model was wrong: a worker served somebody from before where he was owed it, so
# what he got last was before that, too, and he asked for more than he was owed. 60_389: a loss
# within what was conflated was told before that, and what is missing before it was counted twice.
# 110_037: what was missed had come over a line that was lost in the middle of last values, and came
# again as one of those over another line. 120_007, 120_016: a line that had never been up told of a
# restart too late, and nobody asked for what was published since. 110_142: the position that a
# program goes on from was forgotten with the first line, if that was to bring last values as well.
# 140_090: a gap behind a restart had the bounds of what was too large last, and not of all before.
# 20_024: who was to be sent a last value whose next one was being committed waited for an event of
# its socket, which had room. 20_006, where the model was wrong: the next snapshot had begun before
# all of the past was passed that the one before was of.
FOUND = (
    *(156, 263, 285, 10_022, 10_054, 10_067, 10_094, 10_205, 10_302, 10_306, 10_345, 20_869),
    *(20_006, 20_024),
    50_012,
    *(60_011, 60_232, 60_025, 60_273, 60_389, 60_457),
    *(110_037, 110_142, 120_007, 120_016),
    140_090,
)

# The seeds that show them soonest; `python -m tests.simulation --shown --mutations --runs 60` finds
# others.
TRIED_FIRST: dict[str, int] = {
    "ask_for_none": 29,
    "ask_for_one_message_less": 60_012,
    "begin_with_the_last_but_one": 7,
    "believe_no_marker": 60_001,
    "believe_what_may_be_overwritten": 140_003,
    "count_the_lost_twice": 29,
    "disconnect_who_is_only_slow": 20_006,
    "forget_nothing": 7,
    "forget_that_it_has_jumped": 20_007,
    "give_the_newest_first": 130_000,
    "give_what_is_not_wanted_any_more": 70_011,
    "go_back_without_protection": 40_022,
    "have_no_other_line_tell_of_a_value_that_is_too_large": 140_027,
    "keep_nothing": 50_002,
    "lack_no_last_values": 60_000,
    "leave_the_keyframe_out": 0,
    "look_for_keyframes_though_all_is_sent": 30_002,
    "look_no_further_back_than_before": 50_000,
    "mark_no_end": 7,
    "note_no_batch": 7,
    "remember_what_was_never_committed": 50_000,
    "repeat_what_is_covered": 7,
    "repeat_what_was_wanted_all_the_time": 20_006,
    "send_as_fast_as_it_takes": 40_009,
    "send_what_came_before_the_keyframe": 7,
    "show_again_what_it_has": 30_000,
    "show_older_ones_after_the_newest": 10_003,
    "show_past_its_rate": 40_009,
    "show_twice_what_was_cancelled_and_wanted_again": 20_019,
    "show_what_comes_by_itself": 7,
    "show_what_there_is_where_it_goes_on": 30_001,
    "show_what_there_was_before_a_jump": 20_007,
    "show_what_was_cancelled": 20_001,
    "take_all_that_is_wanted_instead_as_wanted_before": 20_001,
    "take_all_that_lines_bring": 60_000,
    "take_deltas_for_keyframes": 7,
    "tell_nothing_of_what_is_not_there": 30_004,
    "tell_nothing_of_what_is_too_large": 140_002,
    "tell_of_no_keyframe_that_is_gone": 7,
    "write_down_nothing_of_what_is_sent": 50_000,
}


def run(seed: int) -> ShownWorld:
    """A run of a seed."""
    try:
        return world_of(seed).run()
    except BaseException as error:
        error.add_note(f"replay it: python -m tests.simulation --shown --seed {seed}")
        raise


def runs_of(first: int, kind: type[W]) -> list[W]:
    """Runs of RUNS seeds, those that are of this kind."""
    worlds = [run(seed) for seed in range(first, first + RUNS)]
    return [one for one in worlds if isinstance(one, kind)]


def check_from(
    first: int, undecided: float = UNDECIDED_PART, runs: int = RUNS, **least: tuple[int, str]
) -> None:
    """Run so many seeds.

    Args:
        undecided: of what is shown so much may have more than one right answer.
        least: of what more than so much happens in all of them, or else what is wrong.
    """
    worlds = [run(seed) for seed in range(first, first + runs)]
    for name, (count, wrong) in least.items():
        assert sum(getattr(world, name) for world in worlds) > count, wrong
    shown = sum(world.shown for world in worlds)
    assert sum(world.undecided for world in worlds) < shown * undecided


@pytest.mark.parametrize("first", range(0, RUNS * TESTS, RUNS))
def test_newcomers_get_what_they_must_for_seeds_from(first: int) -> None:
    check_from(
        first,
        shown=(200, "the simulation shows nothing"),
        asked=(5, "its log always has keyframes"),
    )


def test_newcomers_get_what_policies_leave() -> None:
    """All at once: in half of them a few may have much of which more than one answer is right."""
    check_from(
        POLICIES_FROM,
        runs=RUNS * TESTS,
        shown=(200, "the simulation shows nothing"),
        dropped=(400, "nobody loses anything"),
        conflated=(400, "nothing has a newer one"),
    )


def test_newcomers_that_cancel_or_have_a_rate_get_what_they_must() -> None:
    """All at once: in a few of them much may have more than one right answer."""
    check_from(
        CANCELS_FROM,
        runs=RUNS * (TESTS + 1),
        shown=(300, "the simulation shows nothing"),
        cancelled=(60, "nothing is cancelled that is to be shown"),
        parted=(12, "nobody is disconnected"),
    )


def test_newcomers_that_have_missed_something_get_it() -> None:
    """All at once: half of them show too few topics for a part of these to mean anything."""
    check_from(
        ASKS_FROM,
        runs=RUNS * TESTS,
        shown=(150, "the simulation shows nothing"),
        replayed=(400, "nobody gets what was missed"),
    )


def test_newcomers_that_want_the_same_at_once_get_it() -> None:
    """All at once: few seeds have those who want it before anything else is published."""
    check_from(
        CROWDS_FROM,
        SHARED_PART,
        runs=3 * RUNS,
        shown=(600, "the simulation shows nothing"),
        shared=(3, "nobody is sent what was joined for others"),
    )


@pytest.mark.parametrize("first", range(DEATHS_FROM, DEATHS_FROM + RUNS * TESTS, RUNS))
def test_newcomers_get_what_they_must_whose_workers_die_for_seeds_from(first: int) -> None:
    worlds = [run(seed) for seed in range(first, first + RUNS)]
    resumed = sum(one.resumed for one in worlds if isinstance(one, DyingWorld))
    assert resumed > 20, "nobody goes on with anybody"
    assert sum(one.shown for one in worlds) > 100, "the simulation shows nothing"


@pytest.mark.parametrize("first", range(READS_FROM, READS_FROM + RUNS * TESTS, RUNS))
def test_a_subscriber_that_heals_itself_gets_each_message_once_or_tells_for_seeds_from(
    first: int,
) -> None:
    reading = runs_of(first, ReadingWorld)
    assert sum(one.cuts for one in reading) > 20, "nobody loses a connection"
    assert sum(one.resumed for one in reading) > 4, "nobody goes on with anybody"
    assert sum(one.missing for one in reading) > 100, "nothing is missing"
    assert sum(one.shown for one in reading) > 1_000, "the simulation shows nothing"


@pytest.mark.parametrize("first", range(LEAVES_FROM, LEAVES_FROM + RUNS * TESTS, RUNS))
def test_a_subscriber_gets_nothing_that_it_wants_no_more_and_the_rest_for_seeds_from(
    first: int,
) -> None:
    reading = runs_of(first, ReadingWorld)
    assert sum(len(reader.left) for one in reading for reader in one.readers) > 10
    assert sum(one.cuts for one in reading) > 20, "nobody loses a connection"
    assert sum(one.missing for one in reading) > 100, "nothing is missing"
    assert sum(one.shown for one in reading) > 500, "the simulation shows nothing"


@pytest.mark.parametrize("first", range(PAST_FROM, PAST_FROM + RUNS * TESTS, RUNS))
def test_a_subscriber_gets_what_was_published_before_it_or_is_told_for_seeds_from(
    first: int,
) -> None:
    """It goes on where another process has stopped, or asks for the past of what it wants later."""
    reading = runs_of(first, ReadingWorld)
    readers = [reader for one in reading for reader in one.readers]
    assert sum(bool(reader.past) for reader in readers) > 1, "nobody asks later"
    replayed = [one for reader in readers for one in reader.got if one.kind == "replayed"]
    assert len(replayed) > 50, "nothing comes that was published before"
    assert sum(one.cuts for one in reading) > 10, "nobody loses a connection"


def test_a_subscriber_with_several_lines_that_wants_more_gets_each_message_once() -> None:
    """All at once: in half of them too few last values come for that to mean anything."""
    seeds = range(SEVERAL_FROM, SEVERAL_FROM + RUNS * TESTS, RUNS)
    reading = [one for first in seeds for one in runs_of(first, ReadingWorld)]
    readers = [reader for one in reading for reader in one.readers]
    assert all(len(reader.core.lines) > 1 for reader in readers)
    assert sum(reader.core.doubles for reader in readers) > 200, "one line brings all"
    values = [one for reader in readers for one in reader.got if one.kind == "last"]
    assert len(values) > 8, "no last value comes"  # most by few seeds
    assert sum(one.cuts for one in reading) > 20, "nobody loses a connection"


def test_a_subscriber_goes_on_with_a_publisher_that_is_started_anew() -> None:
    """All at once: half of them have too few who go on for that to mean anything."""
    seeds = range(RESTARTS_FROM, RESTARTS_FROM + RUNS * (TESTS + 1), RUNS)
    reading = [one for first in seeds for one in runs_of(first, RestartingWorld)]
    readers = [reader for one in reading for reader in one.readers]
    assert sum(bool(reader.former and reader.got) for reader in readers) > RUNS // 2
    assert sum(one.unsent for one in reading) > 20, "nothing is lost with the first one"
    assert sum(one.shown for one in reading) > 1_000, "the simulation shows nothing"


@pytest.mark.parametrize("first", range(TWINS_FROM, TWINS_FROM + RUNS * TESTS, RUNS))
def test_a_subscriber_merges_publishers_that_send_the_same_for_seeds_from(first: int) -> None:
    twins = runs_of(first, TwinWorld)
    readers = [reader for one in twins for reader in one.readers]
    assert sum(reader.core.doubles for reader in readers) > 500, "one publisher brings all"
    assert sum(len(reader.got) for reader in readers) > 1_000, "the simulation shows nothing"
    assert sum(one.cuts for one in twins) > 20, "nobody loses a connection"
    assert sum(one.resumed for one in twins) > 1, "nobody goes on with anybody"
    assert sum(one.missing for one in twins) > 50, "nothing is missing"


@pytest.mark.parametrize("first", range(LIMITED_FROM, LIMITED_FROM + RUNS * TESTS, RUNS))
def test_a_subscriber_gets_all_but_what_is_too_large_and_is_told_of_that_for_seeds_from(
    first: int,
) -> None:
    limited = runs_of(first, LimitedWorld)
    assert sum(one.passed for one in limited) > 50, "nothing is too large"
    assert sum(one.cuts for one in limited) > 20, "nobody loses a connection"
    assert sum(one.shown for one in limited) > 500, "the simulation shows nothing"


def test_a_subscriber_that_merges_publishers_passes_over_what_is_too_large() -> None:
    """Such a message has no key: it is told with what is behind it."""
    twins = runs_of(LIMITED_TWINS_FROM, TwinWorld)
    cores = [reader.core for one in twins for reader in one.readers]
    assert sum(stream.too_large for core in cores for stream in core.streams) > 200
    assert sum(core.doubles for core in cores) > 100, "one publisher brings all"
    assert sum(one.shown for one in twins) > 500, "the simulation shows nothing"


@pytest.mark.parametrize("seed", FOUND)
def test_newcomers_get_what_they_must_for_seeds_that_have_shown_something(seed: int) -> None:
    run(seed)


@pytest.mark.parametrize("name", [name for name in MISTAKES if name not in CHECKS])
def test_the_simulation_catches(name: str) -> None:
    owner, attribute, broken = MISTAKES[name]
    with mock.patch.object(owner, attribute, broken):
        others = chain.from_iterable(range(one, one + SEEDS_MAX) for one in KINDS_FROM)
        for seed in (TRIED_FIRST.get(name, 0), *others):
            try:
                world_of(seed).run()
            except Violated:
                return
    pytest.fail("this mistake would not be seen")


def test_what_is_tried_first_is_a_seed_that_holds_without_the_mistake() -> None:
    assert set(TRIED_FIRST) <= set(MISTAKES)
    of_tests_above = chain.from_iterable(range(one, one + RUNS * TESTS) for one in KINDS_FROM)
    for seed in {*TRIED_FIRST.values()}.difference(of_tests_above, FOUND):
        run(seed)


def test_one_seed_is_one_run() -> None:
    first, second = run(7), run(7)
    assert first.history.messages == second.history.messages
    assert (first.shown, first.lost, first.now) == (second.shown, second.lost, second.now)


def test_one_seed_is_one_run_in_any_process() -> None:
    """Whatever order sets of bytes have there."""
    script = (
        "from tests.simulation.shown.world import ShownWorld; world = ShownWorld(10_345).run(); "
        "print(world.shown, world.undecided, world.rng.random())"
    )
    assert len(outputs_of(script, (1, 2, 3))) == 1


@pytest.mark.parametrize("lost", [0, 2, 4])
def test_what_is_right_of_one_topic_may_follow_from_what_was_of_another(lost: int) -> None:
    """Both were forgotten while it was looked for them, and it may have jumped over either."""
    feed = Feed(size=1_000, log_bytes=10_000, entries=64)
    topics = [b"a", b"b"]
    for topic in topics:
        for is_keyframe in (True, False):
            feed.begin(Message(topic, is_keyframe), 10, 0, is_value=True)
            feed.end(len(feed.messages), is_value=True)
    due = Due(feed, 4)
    due.stand_at(4)
    due.hold(0, 4)
    for topic in topics:
        feed.begin_to_forget(topic)
        feed.has_forgotten()
    due.find()
    due.jump(4, lost, has_begun=False)
    due.ended = feed.tick()

    missing, undecided = due.judge(dict.fromkeys(topics, FOREVER))
    assert (len(missing), undecided) == (lost, 2)
