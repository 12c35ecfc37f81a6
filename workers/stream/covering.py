"""Covering: which subscriptions have a part of what others are about. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

LOOKS_MAX = 16_384  # for which it takes some 2 ms; each change of who wants more would cost more


def covering(
    wants: Collection[bytes], born: Collection[bytes], new: Collection[bytes]
) -> list[bytes]:
    """Of the subscriptions that were there before, those to which some of what is new belongs.

    If one of them is cancelled, and its worker is lost before it has seen to that, whoever goes on
    finds it in no list, and would send once more what it has covered. Where it would take more
    than LOOKS_MAX nobody looks for them: then that is so.

    Args:
        born: those that were not there before.
        new: of these, what it is about.
    """
    if len(wants) - len(born) > LOOKS_MAX:
        return []
    before = [one for one in wants if one not in born]
    sizes, new_sizes = {*map(len, before)}, {*map(len, new)}
    if len(before) * len(new_sizes) + len(new) * len(sizes) > LOOKS_MAX:
        return []
    above = {prefix[:size] for prefix in new for size in sizes}
    return [one for one in before if one in above or any(one[:size] in new for size in new_sizes)]
