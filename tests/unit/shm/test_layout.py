"""The layout: nobody's area overlaps another's, and lines are not shared."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.options import LOG_BYTES_MIN, Options
from fanout.shm import layout as at
from fanout.shm.layout import Layout


@given(st.integers(LOG_BYTES_MIN, 1 << 36), st.integers(1, 1_000_000))
def test_areas_follow_each_other(log_bytes: int, subscribers: int) -> None:
    layout = Layout.for_options(log_bytes, subscribers)
    areas = [
        (layout.worker_slots, at.WORKERS_MAX * at.WORKER_SLOT_BYTES),
        (layout.subscriber_slots, subscribers * at.SUBSCRIBER_SLOT_BYTES),
        (layout.cards, subscribers * at.CARD_BYTES),
        (layout.clock, at.CLOCK_NOTES * at.CLOCK_NOTE_BYTES),
        (layout.closed, at.CLOSED_ENTRIES * at.CLOSED_ENTRY_BYTES),
        (layout.ends, layout.entries * at.WORD),
        (layout.topics, layout.entries * at.WORD),
        (layout.data, layout.data_bytes),
    ]

    assert layout.worker_slots >= at.PAGE, "the header is one page"
    for (start, size), (following, _) in pairwise(areas):
        assert start % at.LINE == 0, "two writers would share a line"
        assert start + size <= following
    assert layout.data + layout.data_bytes == layout.mapped_bytes <= layout.area(1)
    for number in (1, 2, layout.areas):
        first, last = layout.area(number), layout.area(number + 1) - 1
        assert first % at.PAGE == 0, "a part of it is given back in pages"
        assert last - first + 1 == layout.area_bytes
    assert layout.area(layout.areas + 1) == layout.total_bytes
    assert layout.data_bytes >= log_bytes
    assert layout.entries & (layout.entries - 1) == 0
    assert layout.entries * at.BYTES_PER_ENTRY >= layout.data_bytes


@pytest.mark.parametrize(
    ("prefixes", "size"),
    [
        (("H_",), at.PAGE),
        (("W_", "WC_"), at.WORKER_SLOT_BYTES),
        (("S_",), at.SUBSCRIBER_SLOT_BYTES),
        (("C_",), at.CARD_BYTES),
        (("K_",), at.CLOCK_NOTE_BYTES),
        (("E_",), at.CLOSED_ENTRY_BYTES),
    ],
    ids=["header", "worker slot", "subscriber slot", "card", "clock", "ring of ends"],
)
def test_every_word_has_a_place_of_its_own(prefixes: tuple[str, ...], size: int) -> None:
    words = [value for name, value in vars(at).items() if name.startswith(prefixes)]

    assert len(set(words)) == len(words) > 3
    assert max(words) < size // at.WORD


def test_what_changes_in_the_header_does_not_share_a_line_with_what_does_not() -> None:
    lines = [word * at.WORD // at.LINE for word in (at.H_MAGIC, at.H_HEAD, at.H_POISON)]

    assert len({*lines, at.H_WANTED * at.WORD // at.LINE}) == 4


def test_the_documentation_says_what_is_taken() -> None:
    docs = Path(__file__).parents[3] / "docs"
    each = f"{at.SUBSCRIBER_SLOT_BYTES + at.CARD_BYTES:,} bytes"
    defaults = Layout.for_options(Options().log_bytes, Options().max_subscribers).mapped_bytes
    in_all = f"{round(defaults / (1 << 20))} MiB"

    def says(page: str, text: str) -> bool:
        return text in (docs / page).read_text("utf-8")

    assert says("reference/options.md", f"{each} of shared memory")
    assert says("../fanout/options.py", f"{each} of shared memory")
    assert says("howto/sizes.md", f"{each} for each of\n`max_subscribers`")
    assert says("howto/sizes.md", f"take {in_all} in all")
    assert says("howto/containers.md", f"{in_all} with the defaults")
    assert says("howto/several-processes.md", f"{in_all} with the defaults")
    assert says("design/decisions.md", f"{each} for each possible subscriber")
    assert says("design/shared-memory.md", f"This is layout {at.LAYOUT_VERSION}.")
