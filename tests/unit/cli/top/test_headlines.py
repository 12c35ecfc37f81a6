"""What stands around the table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fanout.cli.top.arguments import EPILOG
from fanout.cli.top.columns import BY_NAME, COLUMNS
from fanout.cli.top.headlines import (
    KEYS,
    detail_lines,
    headlines,
    help_lines,
    status_line,
    warnings,
)
from fanout.cli.top.view import View, press
from tests.helpers.fake_publisher import statistics
from tests.helpers.frames import NASTY, frame_of, frame_of_ends

VIEW = View(BY_NAME["queued"], descending=True)


def test_details_are_all_figures_with_their_units() -> None:
    (one,) = frame_of([7]).subscribers
    lines = dict(line.split(maxsplit=1) for line in detail_lines(one, 1_090.5))

    assert lines["id"] == "7"
    assert lines["sent_bytes"] == "0 (0 B)"
    assert lines["connected_s"] == "5.0 s"
    assert lines["rate"] == "15"
    assert lines["dropped_by"] == "0"
    assert lines["policy"] == "drop_oldest"
    assert lines["peer"].startswith("\\x1b[31mdesk")


def test_what_was_dropped_is_one_line_whatever_the_reasons() -> None:
    (one,) = frame_of([7]).subscribers
    by = {"lag": 1_200, "lag_messages": 0, "lag_age": 3}
    statistics = replace(one.statistics, dropped_by=by)
    lines = dict(
        line.split(maxsplit=1)
        for line in detail_lines(replace(one, statistics=statistics), 1_090.5)
    )
    assert lines["dropped_by"] == "lag 1,200, lag_age 3"


def test_what_nobody_can_say_is_no_zero() -> None:
    (one,) = frame_of([7]).subscribers
    lines = detail_lines(replace(one, connected_s=None), 1_090.5)
    assert lines[-1].split() == ["connected_s", "-"]


def test_who_has_left_has_a_reason_instead() -> None:
    assert detail_lines("broken pipe", 1_090.5) == [
        "this subscriber is not there any more: broken pipe"
    ]


def test_a_name_does_not_speak_to_the_terminal() -> None:
    assert all(line.isprintable() for line in headlines(frame_of([], name=NASTY).publisher))
    assert headlines(frame_of([], name="").publisher)[0].startswith("publisher (process 10)")


def test_last_values_have_a_line_if_there_are_some() -> None:
    kept = statistics(
        value_topics=1_200,
        value_bytes=3 * 1024,
        values_evicted=7,
        from_snapshot=50,
        replayed=60,
        keyframes_lost=8,
        in_snapshot=1,
    )

    assert len(headlines(frame_of([]).publisher)) == 3
    assert headlines(frame_of([], statistics=kept).publisher)[3] == (
        "last values of 1,200 topics, 3.0 KiB kept, 7 evicted; "
        "sent 50 of them, 60 replayed, 8 without a keyframe; 1 subscriber in snapshot"
    )
    kept = replace(kept, past_inexact=1)
    about = headlines(frame_of([], statistics=kept).publisher)[3]
    assert about.endswith("1 subscriber in snapshot (about: 1 worker lost)")


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (VIEW, "5-6 of 9 subscribers   each 1 s   ? help   q quit"),
        (View(VIEW.sort, descending=True, filter="a\x1b"), "filter 'a\\\\x1b'"),
        (View(VIEW.sort, descending=True, paused=True), "PAUSED"),
        (View(VIEW.sort, descending=True, typing=True, filter="ab"), "filter: ab█"),
    ],
)
def test_the_last_line_says_what_is_shown(view: View, words: str) -> None:
    assert words in status_line(frame_of([5, 6], order=list(range(9)), first=4), view)


def test_nobody_there() -> None:
    assert status_line(frame_of([]), VIEW).startswith("0 subscribers")


def test_help_names_keys_that_do_something() -> None:
    lines = help_lines()
    assert len(lines) == len(COLUMNS) + len(KEYS)
    for keys, _what in KEYS:
        for key in {"up down": ["up", "down"], "space": [" "], "esc": []}.get(keys, keys.split()):
            view = View(VIEW.sort, descending=True, selected=5)
            assert press(view, key, [5, 6], [5, 6, 7]) != view or key == "up", key


def test_an_end_in_detail_says_when_and_why_and_what_was_lost_by_reason() -> None:
    (one,) = frame_of_ends([7]).ended or ()
    lines = dict(line.split(maxsplit=1) for line in detail_lines(one, 1_090.5))
    assert (lines["cause"], lines["reason"]) == ("left", "closed by the subscriber")
    assert lines["ended"] == "60 s ago"
    assert lines["dropped_by"] == "lag 1, lag_messages 1, lag_log 1"
    assert (lines["number"], lines["exact"]) == ("100", "True")


def test_the_help_on_the_screen_says_what_the_help_of_the_command_does() -> None:
    """Of each key that is in both; one more word may follow there."""
    said = [" ".join(line.split()) for line in EPILOG.splitlines()]
    for key, text in KEYS:
        of_it = [line for line in said if line.startswith(f"{key} ")]
        if of_it and key not in ("< >", "up down"):
            assert of_it[0].startswith(f"{key} {text}"), key
    assert f"/ f {dict(KEYS)['/ f']}; esc clears it" in said


def test_for_whom_publish_waits_is_told_first() -> None:
    held = statistics()
    assert warnings(frame_of([]).publisher) == []
    held = replace(held, held_by=(7, 9))

    (told,) = warnings(frame_of([], statistics=held).publisher)
    assert told == "publish() WAITS for 7, 9: at a limit of the policy 'block'"
