"""Events: what the reference says of them is what there is."""

from __future__ import annotations

from pathlib import Path

from fanout.reasons import Reason

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "events.md"


def test_every_cause_is_in_the_reference() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    rows = [f"| `{one.label}` | {one.text} | {one.fault.value} |" for one in Reason]

    assert [row for row in rows if row not in text] == []
