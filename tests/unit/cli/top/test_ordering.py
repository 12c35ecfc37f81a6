"""Which subscribers are shown, and in what order."""

from __future__ import annotations

import pytest

from fanout.cli.top.ordering import matches, order, window


def test_equal_ones_are_by_id_in_either_direction() -> None:
    ids, keys = [7, 3, 9, 1], [5, 5, 8, 2]

    assert [ids[place] for place in order(ids, keys, descending=True)] == [9, 3, 7, 1]
    assert [ids[place] for place in order(ids, keys, descending=False)] == [1, 3, 7, 9]


def test_only_who_is_chosen_is_there() -> None:
    assert order([7, 3, 9], [1, 2, 3], [True, False, True], descending=True) == [2, 0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("10.0.0.1", True),
        ("TCP://", True),
        ("5556 drop_", True),
        ("17", True),
        ("10.0.0.1 block", False),
        ("18", False),
    ],
)
def test_a_filter_wants_all_its_words(text: str, expected: bool) -> None:
    texts = ("17", "10.0.0.1:7", "tcp://10.0.0.9:5556", "drop_oldest")
    assert matches(text, texts) is expected


@pytest.mark.parametrize(
    ("first", "selected", "expected"),
    [(0, None, 0), (95, None, 90), (0, 9, 0), (0, 10, 1), (40, 5, 5), (40, 45, 40), (40, 99, 90)],
)
def test_the_selected_one_is_in_the_window(first: int, selected: int | None, expected: int) -> None:
    assert window(100, 10, first, selected) == expected


def test_a_short_list_begins_at_its_beginning() -> None:
    assert window(3, 10, 5, 2) == 0
