"""What is asked for of the past over one connection, and what is said behind that. Pure.

Who asks for what was published before subscribes to `since`, and to topics in the same piece. The
answer of a PING behind that says that all of it is taken. Until then nothing else is said: a
publisher would take it for a part of the same. Of what all last values are to come, and not only
those that are newer than what it has, is said in a second piece.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fanout.subscriber.held import Held
from fanout.subscriber.since import SINCE
from fanout.terms.reserved import SINCE_TOPIC, VALUES_ALL

if TYPE_CHECKING:
    from collections.abc import Collection

    from fanout.subscriber.feed import Feed

# Contexts of PINGs, which come back with the PONG.
ASKED = b"since"  # behind what is asked for: it is taken
BEFORE = b"before"  # all that was said before is taken: now something can be asked for
CONFIRM = b"topics"  # behind subscriptions that ask for nothing of the past: they are taken


class Asked(NamedTuple):
    """What a publisher is to be asked for when a connection begins.

    Args:
        since: from where on what is wanted is missing; b"" = nothing is.
        anew: of what all last values are to come, however old they are.
        knows_all: it understands how that is asked for beside `since`. Else that is subscribed to
            behind the rest, as if for the first time.
    """

    since: bytes = b""
    anew: Collection[bytes] = ()
    knows_all: bool = True


NOTHING = Asked()


class Asking:
    """That of one connection. Owned by its `Line`.

    Args:
        feed: what says it.

    Attributes:
        asked: what was asked for last; b"" = nothing.
        is_asking: the publisher has not taken all of that yet.
        anew: of what all last values were asked for with that.
    """

    __slots__ = (
        *("_confirming", "_confirms_later", "_feed", "_held", "_is_said", "_knows_all", "_later"),
        *("_next", "_says_all"),
        *("anew", "asked", "is_asking"),
    )

    def __init__(self, feed: Feed) -> None:
        self.asked = b""
        self.is_asking = False
        self.anew: Collection[bytes] = ()
        self._later: dict[bytes, None] = {}  # of that, what is not said yet
        self._says_all = False
        self._knows_all = True
        self._is_said = False  # what was asked for holds for what is subscribed to now
        self._feed = feed
        self._next: tuple[bytes, bytes] | None = None  # where it begins, and a prefix
        self._held = Held()
        self._confirming = 0  # PINGs with CONFIRM that are not answered
        self._confirms_later = False

    def begin(self, asks: Asked, wants: Collection[bytes]) -> None:
        """Say all that is wanted, and what is asked for of it."""
        self.asked = asked = asks.since
        if not asked:
            self._feed.subscribe(sorted(wants))
            return
        self.anew, self._later = asks.anew, dict.fromkeys(sorted(asks.anew))
        self._knows_all = asks.knows_all
        # It counts more than what the program may have said of that by itself.
        said = {prefix for prefix in wants if prefix.startswith(SINCE)}
        self._feed.subscribe([*sorted(said), asked])
        self._is_said = True
        first = sorted({*wants}.difference(said, asks.anew))
        self._feed.subscribe(first)
        if not first:
            self._say_later()
        self._feed.ping(ASKED)
        self.is_asking = True

    @property
    def is_whole(self) -> bool:
        """Whether everything comes in order: it is wanted, and was not left to the second piece."""
        return b"" not in self._later

    def _say_later(self) -> None:
        if not self._later:
            return
        if self._knows_all:
            self._says_all = True
            self._feed.subscribe([VALUES_ALL])
        else:
            self._take_back()
        self._feed.subscribe(self._later)
        self._later = {}

    def _take_back(self) -> None:
        """What is subscribed to from here on is not asked for that."""
        if self._is_said:
            self._is_said = False
            self._feed.cancel(self.asked)

    def ask(self, since: bytes, prefix: bytes) -> None:
        """Subscribe, and ask for what was published of that before; not while it is asking.

        Of what is read at once with that a publisher would send the same: so what was said before
        has to be taken first.
        """
        self._next = since, prefix
        self._feed.ping(BEFORE)
        self.is_asking = True

    def ponged(self, context: bytes) -> None:
        """A PING with this context is answered."""
        if context == ASKED and self._later:
            self._say_later()
            self._feed.ping(ASKED)
        elif context == ASKED and self.is_asking:
            self._answered()
        elif context == BEFORE and self._next is not None:
            since, prefix = self._next
            self._next = None
            self._feed.subscribe([SINCE_TOPIC, since, prefix])
            self._feed.ping_here(ASKED)
            self.asked, self._is_said = since, True
        elif context == CONFIRM and self._confirming:
            self._confirming -= 1

    def _answered(self) -> None:
        """What was asked for is taken: what is subscribed to from now on is not asked for that.

        Before, it is not to be taken back: a publisher may read both at once, and take that first.
        """
        self.is_asking = False
        self._take_back()
        if self._says_all:
            self._says_all = False
            self._feed.cancel(VALUES_ALL)
        for prefix, verbs in self._held.take():
            for is_wanted in verbs:
                self._say(prefix, is_wanted)
        if self._confirms_later:
            self._confirms_later = False
            self.confirm()

    @property
    def is_confirming(self) -> bool:
        """Whether the publisher has still to say that it knows what is subscribed to."""
        return self._confirming > 0 or self._confirms_later

    def confirm(self) -> None:
        """Have it say so; it must speak PING."""
        if self.is_asking:
            self._confirms_later = True
        else:
            self._confirming += 1
            self._feed.ping(CONFIRM)

    def say(self, prefix: bytes, *, is_wanted: bool) -> None:
        """Subscribe or cancel, now or as soon as that may be said."""
        if prefix in self._later and not is_wanted:
            del self._later[prefix]
        elif self.is_asking:
            self._held.hold(prefix, is_wanted=is_wanted)
        else:
            self._say(prefix, is_wanted)

    def cancel_due(self, prefix: bytes) -> bool:
        """Cancel what last values are still to come of, as soon as it is known to be taken.

        A publisher that reads both at once counts it in no mark; and one that has taken it does.

        Returns:
            Whether it was said that it is wanted, or will be.
        """
        if prefix in self._later:
            del self._later[prefix]
            return False
        if not self.is_asking:
            self.is_asking = True
            self._feed.ping(ASKED)
        return self._held.hold(prefix, is_wanted=False)

    def _say(self, prefix: bytes, is_wanted: bool) -> None:
        (self._feed.subscribe_to if is_wanted else self._feed.cancel)(prefix)
