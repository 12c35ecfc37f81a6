"""Rights: what one subscriber gets of what it asks for. Pure.

It may have the topics that begin with certain prefixes. What it asks for within one of these it
gets as it is; of what is broader it gets those of its prefixes that lie within; of all else it gets
nothing. So two sets are kept apart: what it asks for, by which it takes things back, and what it
wants, by which it is served and which is reported. No right is ever looked at for a message.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence


class Granted(NamedTuple):
    """How what it wants changes; and what it asks for, and gets nothing of."""

    added: list[bytes]
    cancelled: list[bytes]
    refused: list[bytes]


class Allowed:
    """Prefixes that somebody may have; immutable.

    Args:
        prefixes: some of them may cover others; None = everything.
    """

    __slots__ = ("_prefixes", "_sizes", "_sorted")

    def __init__(self, prefixes: Iterable[bytes] | None) -> None:
        self._prefixes = None if prefixes is None else frozenset(prefixes)
        self._sorted = sorted(self._prefixes or ())
        self._sizes = sorted({*map(len, self._sorted)})

    def of(self, prefix: bytes) -> Sequence[bytes]:
        """What of this it may have.

        All that is broader than the rights and asked for together costs no more than all bytes of
        the rights: one of them is within as many of these as it has bytes.
        """
        if self._prefixes is None:
            return (prefix,)
        for size in self._sizes:
            if size > len(prefix):
                break
            if prefix[:size] in self._prefixes:
                return (prefix,)
        known = self._sorted
        first = last = bisect_left(known, prefix)
        while last < len(known) and known[last].startswith(prefix):
            last += 1
        return known[first:last]


class SubscriberRights:
    """Those of one subscriber, and what it wants by them.

    Its mutable state: these, and for each prefix that it wants how many of what it asks for lead
    to it.

    Args:
        allowed: see `Allowed`.
        asked: what it asks for; only to be read, others change it.
        wants: what it was served by up to now; it is served by its rights from `renew()` on.

    Attributes:
        wants: what it is to be served by; one set as long as this lives.
        denied: messages that tell it what it may not have, and are to be sent.
    """

    __slots__ = ("_allowed", "_asked", "_known", "_reasons", "denied", "wants")

    def __init__(
        self,
        allowed: Iterable[bytes] | None,
        asked: Collection[bytes],
        wants: Iterable[bytes] = (),
    ) -> None:
        self._allowed = Allowed(allowed)
        self._asked = asked
        self._known: set[bytes] = set()  # what it asks for, so far as it is taken in below
        self._reasons: dict[bytes, int] = {}
        self.wants: set[bytes] = set(wants)
        self.denied = b""

    def take_denied(self) -> bytes:
        """These messages; they are sent."""
        denied, self.denied = self.denied, b""
        return denied

    def change(self, added: Iterable[bytes], cancelled: Iterable[bytes]) -> Granted:
        """It asks for more, and for less; what it asks for has changed already.

        What it takes back and asks for again at once is as if it had done neither.
        """
        reasons, touched, refused = self._reasons, dict[bytes, None](), list[bytes]()
        known = self._known
        for prefix in cancelled:
            if prefix not in known:
                continue
            known.remove(prefix)
            for one in self._allowed.of(prefix):
                touched[one] = None
                reasons[one] -= 1
                if not reasons[one]:
                    del reasons[one]
        for prefix in added:
            if prefix in known:
                continue
            known.add(prefix)
            granted = self._allowed.of(prefix)
            if not granted:
                refused.append(prefix)
            for one in granted:
                touched[one] = None
                reasons[one] = reasons.get(one, 0) + 1
        wants = self.wants
        more = [one for one in touched if one in reasons and one not in wants]
        less = [one for one in touched if one not in reasons and one in wants]
        wants.difference_update(less)
        wants.update(more)
        return Granted(more, less, refused)

    def renew(self, allowed: Iterable[bytes] | None) -> Granted:
        """It has these rights from now on; what is refused by them of all that it asks for."""
        self._allowed = Allowed(allowed)
        reasons: dict[bytes, int] = {}
        self._reasons = reasons
        self._known = set(self._asked)
        refused = []
        for prefix in self._asked:
            granted = self._allowed.of(prefix)
            if not granted:
                refused.append(prefix)
            for one in granted:
                reasons[one] = reasons.get(one, 0) + 1
        more = sorted(reasons.keys() - self.wants)
        less = sorted(self.wants - reasons.keys())
        self.wants.difference_update(less)
        self.wants.update(more)
        return Granted(more, less, refused)
