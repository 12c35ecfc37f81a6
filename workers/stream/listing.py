"""A listing: which last values somebody is to be sent, found a few at a time. Pure.

They are in the order of their publication. One that is replaced meanwhile stays in it: whoever
sends looks which message is the last one then.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

from fanout.shm.census import minimal
from fanout.shm.value_layout import NO_VALUE, PLACE_BITS
from fanout.workers.tuning import TUNING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator

    from fanout.shm.kept_values import KeptValues
    from fanout.workers.stream.topic_names import TopicNames

MANY = 64  # prefixes, from which on it is worth while to know which of them are whole topics
TRIES_MAX = 100  # to learn the names of what is being committed
SAMPLED = 64  # of so many values in order, one says where the order of all is cut
_PLACE = (1 << PLACE_BITS) - 1

Part: TypeAlias = tuple[bytes, bytes | None]
ALL_NAMES: Part = (b"", None)
_numbers = count()


class Listing:
    """Found when `is_ready`; until then `advance()`.

    Args:
        prefixes: of what is wanted.
        above: only what was published after this message.
        is_covered: says of a topic that it is not to be sent; None = all are.
        most: values at once, in the order of names otherwise; 0 = all.
        is_full: whether what is found is to take no more memory; asked after each few values.
        part: begin with these names; only what was published after `passed` is left of them.
        is_begun: some of that was sent, so all of it stays one part, however much there is by now.
        at_once: names that are looked at, or a quarter as many prefixes.
        in_order: look at the prefixes in the order of their names.

    Attributes:
        sequences, places: of the values, when they are ready.
        has_more: whether there are more after these, see `go_on()`.
        is_given_up: there was no memory for all at once: nothing was found.
        number: of all listings only this one has it.
        made_at: topics of which there was something before this message are in it, if they still
            have a value; of others it may have none.
        changes: of `TopicNames`, which were known when the first names were looked at.
        is_shared: whether more than one has it; set by who hands it out.
        part: the names of these values: from the first one up to, not including, the second one;
            None as the second: all from the first one on.
    """

    def __init__(
        self,
        names: TopicNames,
        values: KeptValues,
        prefixes: Collection[bytes],
        above: int = -1,
        is_covered: Callable[[bytes], bool] | None = None,
        most: int = 0,
        is_full: Callable[[], bool] = lambda: False,
        part: Part = ALL_NAMES,
        passed: int = -1,
        *,
        is_begun: bool = False,
        at_once: int = TUNING.show.names_per_look,
        in_order: bool = False,
    ) -> None:
        self._names = names
        self._values = values
        # Minimal, or a name could come twice, with a newer message the second time. Sorted if it is
        # made in parts: whoever takes the member over goes on in the same order.
        in_order = in_order or most > 0 or part != ALL_NAMES
        self._prefixes = sorted(minimal(prefixes)) if in_order else minimal(prefixes)
        self._passed = max(above, passed)  # of this part
        self.part = part
        self._is_begun = is_begun
        self._above = above
        self._is_covered = is_covered
        self._most = most
        self._is_full = is_full
        self._at_once = at_once
        self._looked_at = at_once if is_covered is None else at_once // 4  # it takes longer
        self._found = array("Q")  # each with its place: of the names that were looked at last
        self._runs: list[array[int]] = []  # of those before, each in order
        self._in_runs = 0
        self.sequences = array("Q")
        self.places = array("I")
        self.is_ready = self.has_more = self.is_given_up = False
        self.number = next(_numbers)
        self.made_at = values.log.head()
        self.changes = names.changes
        self.is_shared = False
        self._steps = self._make()

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def held(self) -> int:
        """Values that take memory, those that are found so far, too."""
        return len(self.sequences) + self._in_runs + len(self._found)

    @property
    def newest(self) -> int:
        """The newest message among these values; -1 = there are none."""
        return self.sequences[-1] if self.sequences else -1

    def advance(self) -> None:
        """Find some more."""
        next(self._steps, None)

    def go_on(self) -> None:
        """All of these were sent: find those that come after them."""
        self.is_ready = self.has_more = False

    def _make(self) -> Iterator[None]:
        for _ in range(TRIES_MAX):
            first, self._names.unsure = 1, False
            while first:
                first = self._names.learn(first)
                yield
            if not self._names.unsure:
                break
        self.changes = self._names.changes
        work, most, looked_at = 0, self._most, self._looked_at
        prefixes = self._prefixes
        if len(prefixes) >= MANY and not most and self.part == ALL_NAMES:
            prefixes = yield from self._find_alone()
            if self.is_given_up:
                return
        for prefix in prefixes:
            begin = prefix
            while True:
                some, is_cut = self._some(max(begin, self.part[0]), prefix)
                is_last = len(some) < looked_at and not is_cut
                self._add(some)
                work += 4 + len(some)
                begin = some[-1] + b"\0" if some else begin
                is_enough = most and self._in_runs + len(self._found) >= most
                if is_cut or (is_enough and not self._is_begun):
                    following = self.part[1] if is_cut else begin
                    yield from self._end(following)
                    yield
                    self.part = following or b"", None
                    self._passed, self._is_begun = self._above, False
                elif work >= looked_at:
                    work = 0
                    if not most and self._is_full():
                        self._give_up()
                        return
                    yield
                if is_last:
                    break
        yield from self._end(None)

    def _some(self, begin: bytes, prefix: bytes) -> tuple[list[bytes], bool]:
        """Some names from there on, and whether this part ends with them."""
        some, stop = self._names.some(begin, prefix, self._looked_at), self.part[1]
        if stop is None or not some or some[-1] < stop:
            return some, False
        return some[: bisect_left(some, stop)], True

    def _find_alone(self) -> Generator[None, None, list[bytes]]:
        """Find those that are whole topics, with which no other begins; returns the others."""
        alone: frozenset[bytes] = frozenset()
        for found in self._names.alone():
            if found is None:
                yield
            else:
                alone = found
        prefixes, others = [*self._prefixes], list[bytes]()
        size = max(1, self._looked_at // 4)
        for low in range(0, len(prefixes), size):
            some = prefixes[low : low + size]
            self._add([prefix for prefix in some if prefix in alone])
            others += [prefix for prefix in some if prefix not in alone]
            if self._is_full():
                self._give_up()
                break
            if low + size < len(prefixes):
                yield
        return others

    def _add(self, names: list[bytes]) -> None:
        last, above, is_covered = self._values.last, self._passed, self._is_covered
        found, place_of = self._found, self._names.places.get
        if is_covered is not None:
            names = [name for name in names if not is_covered(name)]
        found.extend(
            [
                sequence << PLACE_BITS | place
                for place in map(place_of, names)
                if place is not None and above < (sequence := last[place]) < NO_VALUE
            ]
        )
        if len(found) >= self._at_once:
            self._end_run()

    def _end_run(self) -> None:
        if self._found:
            self._runs.append(array("Q", sorted(self._found)))
            self._in_runs += len(self._found)
            self._found = array("Q")

    def _give_up(self) -> None:
        self._runs, self._in_runs, self._found = [], 0, array("Q")
        self.is_given_up = True

    def _end(self, stop: bytes | None) -> Iterator[None]:
        """Put all that was found in order, a few at a time; these are the names up to `stop`.

        The runs are cut where samples of them say that about as many are before as at any other
        cut, and what lies between two cuts is put in order by itself.
        """
        self._end_run()
        self.part = self.part[0], stop
        self.has_more = stop is not None
        runs = self._runs
        self.sequences, self.places = array("Q"), array("I")
        samples = sorted([one for run in runs for one in run[::SAMPLED]])
        starts = [0] * len(runs)
        for cut in (*samples[SAMPLED::SAMPLED], None):
            found: set[int] = set()
            for at, run in enumerate(runs):
                end = len(run) if cut is None else bisect_left(run, cut, starts[at])
                found.update(run[starts[at] : end])
                starts[at] = end
            ordered = sorted(found)
            self.sequences.extend([each >> PLACE_BITS for each in ordered])
            self.places.extend([each & _PLACE for each in ordered])
            if cut is not None:
                yield
        self._runs, self._in_runs = [], 0
        self.is_ready = True
