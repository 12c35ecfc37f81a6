"""For how long a subscriber hears nothing after something has happened."""

from __future__ import annotations

from soaking.chaos.silence import Silence, Window

MS = 1_000_000


def silence(*heard_ms: int) -> Silence:
    made = Silence()
    for at in heard_ms:
        made.heard(at * MS)
    return made


def longest(made: Silence, begin_ms: int, end_ms: int, now_ms: int) -> int:
    return made.longest(Window("kill", begin_ms * MS, end_ms * MS, ()), now_ms * MS) // MS


def test_a_pause_counts_from_what_happened_and_to_its_own_end() -> None:
    made = silence(100, 190, 300, 301, 340, 341)

    assert longest(made, 200, 320, 1_000) == 100  # in the middle of the one from 190 to 300
    assert longest(made, 305, 320, 341) == 35  # of the one from 301 to 340
    assert longest(made, 302, 330, 1_000) == 38


def test_one_that_has_not_come_to_its_end_counts_up_to_now() -> None:
    assert longest(silence(100), 150, 200, 900) == 750
    assert longest(silence(100), 50, 90, 900) == 0
    assert longest(silence(), 50, 90, 900) == 0


def test_gaps_of_an_instant_are_none() -> None:
    made = silence(100, 101, 102)

    assert len(made.gaps) == 0
    assert longest(made, 90, 102, 102) == 0
