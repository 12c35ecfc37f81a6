"""Which subscribers are shown, and in what order: sorted, filtered, cut to a window. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def matches(text: str, texts: Iterable[str]) -> bool:
    """Whether a filter lets a subscriber through: each word of it is in one of its texts.

    Capital or small letters make no difference.
    """
    shown = "\n".join(texts).casefold()
    return all(word in shown for word in text.casefold().split())


def order(
    ids: Sequence[int],
    keys: Sequence[Any],
    chosen: Sequence[bool] | None = None,
    *,
    descending: bool,
) -> list[int]:
    """Places of subscribers, those that are chosen, by their keys; equal ones by id, upwards.

    Args:
        keys: what each sorts by.
        chosen: whether each is shown; None = all.
    """
    places = [place for place in range(len(ids)) if chosen is None or chosen[place]]
    places.sort(key=ids.__getitem__)
    places.sort(key=keys.__getitem__, reverse=descending)  # stable, also in reverse
    return places


def window(length: int, rows: int, first: int, selected: int | None) -> int:
    """Where to begin so that `rows` of `length` places fit, and the selected one is among them.

    Args:
        first: where it began before.
    """
    if selected is not None and rows:
        first = min(max(first, selected - rows + 1), selected)
    return max(0, min(first, length - rows))
