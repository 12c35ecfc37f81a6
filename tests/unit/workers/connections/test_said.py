"""What a peer has said at once: why its connection ends."""

from __future__ import annotations

import pytest

from fanout.reasons import Reason
from fanout.workers.connections.said import fault_of
from fanout.zmtp import Violation
from fanout.zmtp.errors import Refusal


@pytest.mark.parametrize(
    ("violation", "cause"),
    [
        (Violation("x"), Reason.VIOLATION),
        (Violation("x", over_limit=True), Reason.LIMIT),
        (Violation("x", refusal=Refusal.KEY), Reason.KEY),
        (Violation("x", refusal=Refusal.MECHANISM, said="NULL"), Reason.VIOLATION),
    ],
)
def test_who_is_at_fault_for_what(violation: Violation, cause: Reason) -> None:
    assert fault_of(violation) == (cause, f"{cause.text}: x")
