"""Those who subscribe and never read: memory, and work that leads nowhere."""

from __future__ import annotations

from soaking.crowds.base import Crowd
from soaking.crowds.wire import subscribe

SHORT_PREFIXES = 10_000  # of each; with 30 of them, all together are what counts


class Sleepers(Crowd):
    """Each wants the shared feed T and an inbox Z<i> of its own, and reads nothing."""

    def wants(self, index: int) -> bytes:
        return subscribe((b"T", b"Z%d" % index))


class Returners(Sleepers):
    """The same, but who is closed comes again, for ever."""

    returns = True


class Lengths(Crowd):
    """Each has prefixes of 95 or 96 lengths of its own: 42 of them have all from 1 to 4,000."""

    STRIDE, LONGEST = 42, 4_000

    @classmethod
    def lengths(cls, index: int) -> range:
        """Of the prefixes of this one."""
        return range(index + 1, cls.LONGEST + 1, cls.STRIDE)

    def wants(self, index: int) -> bytes:
        # None is the beginning of another one: that would count for nothing beside it.
        return subscribe(b"~" * (length - 1) + b"!" for length in self.lengths(index))


class Hoarders(Crowd):
    """Each has many short prefixes, and no two have one in common."""

    def wants(self, index: int) -> bytes:
        return subscribe(b"%d/%d" % (index, n) for n in range(SHORT_PREFIXES))
