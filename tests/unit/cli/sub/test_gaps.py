"""What `fanout sub` says of gaps: at once, once a second, and all in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.cli.sub.gaps import EACH_S, OTHERS, REASONS_MAX, GapNotes
from fanout.subscriber.message import Gap, Message

if TYPE_CHECKING:
    from collections.abc import Iterable


def before(gaps: Iterable[Gap | None]) -> list[Message]:
    plain = Message()
    plain._wire = (b"A",)
    return [plain if gap is None else plain.after(gap) for gap in gaps]


def test_the_first_is_told_at_once_and_more_when_it_is_time() -> None:
    told: list[str] = []
    notes = GapNotes(told.append)
    notes.take(before([Gap("lag", 3), None]), 10.0)
    assert (told, notes.due) == (["3 messages are missing: lag"], None)
    for number in range(5):
        notes.take(before([Gap("lag", 2), Gap("stalled", 1), Gap("expired")]), 10.1 + number / 10)
    assert (len(told), notes.due) == (1, 10 + EACH_S)
    notes.look(10 + EACH_S)
    assert told[1:] == [
        "10 messages are missing: lag",
        "5 messages are missing: stalled",
        "nobody knows how many messages are missing: expired, 5 times",
    ]
    notes.take(before([Gap("lag", 1)]), 11.5)
    notes.flush()
    assert told[4:] == ["1 message is missing: lag"]
    notes.flush()
    assert len(told) == 5


def test_a_gap_of_nothing_is_none() -> None:
    told: list[str] = []
    GapNotes(told.append).take(before([Gap("lag", 0)]), 10.0)
    assert told == []


def test_reasons_are_bounded() -> None:
    told: list[str] = []
    notes = GapNotes(told.append)
    notes.take(before(Gap(f"reason {number}", 1) for number in range(REASONS_MAX + 7)), 10.0)
    assert len(told) == REASONS_MAX + 1
    assert told[-1] == f"7 messages are missing: {OTHERS}"
