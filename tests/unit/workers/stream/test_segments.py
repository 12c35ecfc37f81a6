"""Segments: for each message from the cursor on, what was wanted when it came."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fanout.workers.stream.segments import handed_over, segments


def member(**fields: Any) -> Any:
    quiet: dict[str, Any] = {
        "older": deque(),
        "cohort": None,
        "spill": b"",
        "spilled": 0,
        "snapshots": None,
    }
    return SimpleNamespace(**{**quiet, "sealed": None, **fields})


@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc")), max_size=6),
    st.integers(0, 30),
    st.integers(0, 10),
)
def test_each_message_is_in_one_of_them_with_what_it_was_wanted_by(
    changes: list[tuple[int, str]], first: int, more: int
) -> None:
    older = sorted(changes, key=lambda one: one[0])
    front = max([until for until, _wants in older], default=first) + more
    one = member(older=deque(older), cohort="now")

    found: dict[int, Any] = {}
    for start, stop, wants in segments(one, first, front):
        assert start < stop, "none is empty"
        assert not found.keys() & set(range(start, stop)), "none is there twice"
        found.update(dict.fromkeys(range(start, stop), wants))

    def wanted(sequence: int) -> str:
        return next((wants for until, wants in older if sequence < until), "now")

    assert found == {sequence: wanted(sequence) for sequence in range(first, front)}
    assert list(found) == sorted(found)


def test_who_has_nothing_of_its_own_has_all_below_the_front() -> None:
    assert handed_over([], 9) == 9
    assert handed_over([member(), member()], 9) == 9


def test_the_oldest_message_of_which_something_is_kept_counts() -> None:
    spilled = member(spill=b"rest", spilled=7)
    sealed = member(sealed=SimpleNamespace(kept_from=5))
    sealed_and_empty = member(sealed=SimpleNamespace(kept_from=None))
    shown = member(snapshots=SimpleNamespace(pending=[SimpleNamespace(due=4)]))

    assert handed_over([spilled], 9) == 7
    assert handed_over([sealed, sealed_and_empty], 9) == 5
    assert handed_over([spilled, sealed, shown], 9) == 3, "all that there is below where it is due"
    assert handed_over([shown, member(spill=b"rest", spilled=2)], 9) == 2
    shown.spill, shown.spilled = b"rest", 1
    assert handed_over([shown], 9) == 1


def test_last_values_of_an_empty_log_are_below_nothing() -> None:
    shown = member(snapshots=SimpleNamespace(pending=[SimpleNamespace(due=0)]))
    assert handed_over([shown], 9) == 0
