"""The table as text."""

from __future__ import annotations

from fanout.cli.top.plain import lines_of
from tests.helpers.frames import frame_of, frame_of_ends


def test_everything_is_in_columns_and_nothing_speaks_to_the_terminal() -> None:
    lines = list(lines_of(frame_of([1, 10])))

    assert lines[0] == "ticks (process 10): serving, up 90 s, 2 subscribers"
    assert lines[1].startswith("published 50/s, 2.9 KiB/s; sent 200/s; lost 2/s; log used 256 KiB")
    assert lines[1].endswith("of 1.0 MiB (25%)")
    title = next(line for line in lines if line.startswith("Id"))
    first, second = lines[-2:]
    assert first.startswith("1   \\x1b[31mdesk")
    assert first.index("oldest") == second.index("oldest") == title.index("Policy")
    assert first[title.index("User") :].startswith("\\x1b[31mdesk")
    assert all(line.isprintable() for line in lines)


def test_who_is_not_shown_is_counted() -> None:
    assert list(lines_of(frame_of([1], order=[1, 2, 3])))[-1] == "and 2 more"


def test_a_publisher_without_a_sign_of_life_is_said_to_hang() -> None:
    lines = list(lines_of(frame_of([], heartbeat_age_s=12.0)))
    assert any(line.startswith("NO SIGN OF LIFE for 12 s") for line in lines)
    assert not any("SIGN" in line for line in lines_of(frame_of([], heartbeat_age_s=None)))


def test_those_who_ended_are_in_columns_too() -> None:
    *_others, title, first, second = lines_of(frame_of_ends([10, 1], text="\x1b[2Jgone"))

    assert title.split()[:5] == ["Ago", "Id", "Name", "User", "Address"]
    assert first.split()[:3] == ["60", "s", "10"]
    assert second.index("\\x1b[2Jgone") == title.index("Why") == first.index("\\x1b[2Jgone")
    assert first.split()[-1] == "oldest"
    assert first[title.index("User") :].startswith("\\x1b[31mdesk")
    assert all(line.isprintable() for line in (title, first, second))
