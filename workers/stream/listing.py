"""A listing: which last values somebody is to be sent, found a few at a time. Pure.

They are in the order of their publication. One that is replaced meanwhile stays in it: whoever
sends looks which message is the last one then.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from fanout.shm.census import minimal
from fanout.shm.value_layout import NO_VALUE, PLACE_BITS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from fanout.shm.kept_values import KeptValues
    from fanout.workers.stream.topic_names import TopicNames

LOOKED_AT = 4_096  # names at once, or a quarter as many prefixes: about 1 ms
TRIES_MAX = 100  # to learn the names of what is being committed
_PLACE = (1 << PLACE_BITS) - 1


class Listing:
    """Found when `is_ready`; until then `advance()`.

    Args:
        prefixes: of what is wanted.
        above: only what was published after this message.
        is_covered: says of a topic that it is not to be sent; None = all are.
        most: values at once, in the order of names otherwise; 0 = all.

    Attributes:
        sequences, places: of the values, when they are ready.
        has_more: whether there are more after these, see `go_on()`.
        loads: what was joined of these values, by where it begins.
    """

    def __init__(
        self,
        names: TopicNames,
        values: KeptValues,
        prefixes: Collection[bytes],
        above: int = -1,
        is_covered: Callable[[bytes], bool] | None = None,
        most: int = 0,
    ) -> None:
        self._names = names
        self._values = values
        # In parts no name is to come twice, and one is as good as another to begin with.
        self._prefixes = sorted(minimal(prefixes)) if most else prefixes
        self._above = above
        self._is_covered = is_covered
        self._most = most
        self.sequences = array("Q")
        self.places = array("I")
        self.is_ready = self.has_more = False
        self.loads: dict[int, object] = {}
        self._steps = self._make()

    def __len__(self) -> int:
        return len(self.sequences)

    def advance(self) -> None:
        """Find some more."""
        next(self._steps, None)

    def go_on(self) -> None:
        """All of these were sent: find those that come after them."""
        self.is_ready = self.has_more = False
        self.loads.clear()

    def _make(self) -> Iterator[None]:
        for _ in range(TRIES_MAX):
            first, self._names.unsure = 1, False
            while first:
                first = self._names.learn(first)
                yield
            if not self._names.unsure:
                break
        found: set[int] = set()
        work = 0
        for prefix in self._prefixes:
            begin = prefix
            while True:
                some = self._names.some(begin, prefix, LOOKED_AT)
                self._add(found, some)
                work += 4 + len(some)
                if self._most and len(found) >= self._most:
                    self._end(found)
                    self.has_more = True
                    found = set()
                    yield
                elif work >= LOOKED_AT:
                    work = 0
                    yield
                if len(some) < LOOKED_AT:
                    break
                begin = some[-1] + b"\0"
        self._end(found)

    def _add(self, found: set[int], names: list[bytes]) -> None:
        last, places, above = self._values.last, self._names.places, self._above
        is_covered = self._is_covered
        for name in names:
            place = places[name]
            sequence = last[place]
            if (
                sequence != NO_VALUE
                and sequence > above
                and (is_covered is None or not is_covered(name))
            ):
                found.add(sequence << PLACE_BITS | place)

    def _end(self, found: set[int]) -> None:
        ordered = sorted(found)
        self.sequences = array("Q", [each >> PLACE_BITS for each in ordered])
        self.places = array("I", [each & _PLACE for each in ordered])
        self.is_ready = True
