"""What a checker says if something is not as it must be."""

from __future__ import annotations


class Violated(AssertionError):
    """An invariant does not hold."""


class StuckError(Violated):
    """Something is left for ever."""


def require(condition: bool, text: str) -> None:
    """Raise if an invariant does not hold."""
    if not condition:
        raise Violated(text)
