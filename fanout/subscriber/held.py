"""What is subscribed to and cancelled while nothing of it may be said. Pure.

However often a program changes its mind, there is no more to be said in the end than where it
stands. But who cancels and subscribes again wants to begin anew: both are said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import ItemsView


class Held:
    """Owned by its `Line`."""

    __slots__ = ("_verbs",)

    def __init__(self) -> None:
        self._verbs: dict[bytes, list[bool]] = {}  # True = subscribe; one or two for each prefix

    def hold(self, prefix: bytes, *, is_wanted: bool) -> bool:
        """This is to be said of a prefix, which is always the other than what was said last.

        What is subscribed to is said in this order, in which its last values are waited for.

        Returns:
            Whether it will be said; else it has only taken back what was not said yet.
        """
        verbs = self._verbs.pop(prefix, [])
        is_said = is_wanted or not verbs
        if is_said:
            verbs.append(is_wanted)
        else:
            verbs.pop()
        if verbs:
            self._verbs[prefix] = verbs
        return is_said

    def take(self) -> ItemsView[bytes, list[bool]]:
        """What is to be said, which is not held any more."""
        verbs, self._verbs = self._verbs, {}
        return verbs.items()
