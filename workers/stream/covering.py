"""Covering: which subscriptions have a part of what others are about. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

COVERING_MAX = 4_096  # of which it is found in some milliseconds, if they are of many lengths


def covering(before: Sequence[bytes], new: Collection[bytes]) -> list[bytes]:
    """Of the subscriptions that were there before, those to which some of what is new belongs.

    If one of them is cancelled, and its worker is lost before it has seen to that, whoever goes on
    finds it in no list, and would send once more what it has covered. Of more than COVERING_MAX
    nobody looks for them: then that is so.
    """
    if not before or len(before) > COVERING_MAX:
        return []
    sizes, new_sizes = {*map(len, before)}, {*map(len, new)}
    above = {prefix[:size] for prefix in new for size in sizes}
    return [one for one in before if one in above or any(one[:size] in new for size in new_sizes)]
