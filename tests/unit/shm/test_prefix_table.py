"""What a look-up costs follows the topic, not what strangers have put into the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.shm.prefix_table import SHORT_MAX, PrefixTable

if TYPE_CHECKING:
    from collections.abc import Callable

LENGTHS = 4_000


class Counted(dict[bytes, int]):
    """Counts how often it is asked."""

    asked = 0

    def get(self, key: bytes, default: int | None = None) -> int | None:  # type: ignore[override]
        self.asked += 1
        return super().get(key, default)


@pytest.mark.parametrize(
    "of_length",
    [lambda n: b"Z" * n, lambda n: b"T" * 40 + b"Z" * n, lambda n: b"T" * n],
    ids=["of another topic", "of a neighbour", "of the topic itself"],
)
def test_thousands_of_lengths_are_not_looked_up_one_by_one(
    of_length: Callable[[int], bytes],
) -> None:
    table: PrefixTable[int] = PrefixTable()
    for length in range(1, LENGTHS + 1):
        table.put(of_length(length), length)
    table._short = counted = Counted(table._short)
    topic = b"T" * 39 + b"!" + b"T" * LENGTHS

    expected = [n for n in range(1, LENGTHS + 1) if topic.startswith(of_length(n))]
    assert table.matching(topic) == expected
    assert counted.asked <= SHORT_MAX + 1
    assert len(expected) < SHORT_MAX + 10


def test_a_short_topic_is_not_looked_up_for_longer_prefixes() -> None:
    table: PrefixTable[int] = PrefixTable()
    for length in range(SHORT_MAX + 1):
        table.put(b"A" * length, length)
    table._short = counted = Counted(table._short)

    assert table.matching(b"AAB") == [0, 1, 2]
    assert counted.asked == len(b"AAB") + 1


def test_a_long_prefix_takes_no_more_than_two_nodes() -> None:
    """Else a stranger with a few long prefixes would take many times their length in memory."""
    table: PrefixTable[int] = PrefixTable()
    for index in range(100):
        table.put(b"A" * 2000 + b"%d" % index + b"B" * 2000, index)

    nodes, count = [table._root], 0
    while nodes:
        node = nodes.pop()
        count += 1
        nodes += node.children.values()
    assert count <= 1 + 2 * 100
