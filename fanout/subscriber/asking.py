"""What is asked for of the past over one connection, and what is said behind that. Pure.

Who asks for what was published before subscribes to `since`, and to topics in the same piece. The
answer of a PING behind that says that all of it is taken. Until then nothing else is said: a
publisher would take it for a part of the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.subscriber.held import Held
from fanout.subscriber.since import SINCE
from fanout.terms.reserved import SINCE_TOPIC

if TYPE_CHECKING:
    from collections.abc import Collection

    from fanout.subscriber.feed import Feed

# Contexts of PINGs, which come back with the PONG.
ASKED = b"since"  # behind what is asked for: it is taken
BEFORE = b"before"  # all that was said before is taken: now something can be asked for
CONFIRM = b"topics"  # behind subscriptions that ask for nothing of the past: they are taken


class Asking:
    """That of one connection. Owned by its `Line`.

    Args:
        feed: what says it.

    Attributes:
        asked: what was asked for last; b"" = nothing.
        is_asking: the publisher has not taken all of that yet.
    """

    __slots__ = (
        *("_confirming", "_confirms_later", "_feed", "_held", "_next"),
        *("asked", "is_asking"),
    )

    def __init__(self, feed: Feed) -> None:
        self.asked = b""
        self.is_asking = False
        self._feed = feed
        self._next: tuple[bytes, bytes] | None = None  # where it begins, and a prefix
        self._held = Held()
        self._confirming = 0  # PINGs with CONFIRM that are not answered
        self._confirms_later = False

    def begin(self, asked: bytes, wants: Collection[bytes]) -> None:
        """Say all that is wanted, and what is asked for of it; b"" = nothing."""
        self.asked = asked
        if not asked:
            self._feed.subscribe(sorted(wants))
            return
        # It counts more than what the program may have said of that by itself.
        said = {prefix for prefix in wants if prefix.startswith(SINCE)}
        self._feed.subscribe([*sorted(said), asked])
        self._feed.subscribe(sorted({*wants} - said))
        self._feed.ping(ASKED)
        self.is_asking = True

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
        if context == ASKED and self.is_asking:
            self._answered()
        elif context == BEFORE and self._next is not None:
            since, prefix = self._next
            self._next = None
            self._feed.subscribe([SINCE_TOPIC, since, prefix])
            self._feed.ping(ASKED)
            self.asked = since
        elif context == CONFIRM and self._confirming:
            self._confirming -= 1

    def _answered(self) -> None:
        """What was asked for is taken: what is subscribed to from now on is not asked for that.

        Before, it is not to be taken back: a publisher may read both at once, and take that first.
        """
        self.is_asking = False
        self._feed.cancel(self.asked)
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
        if self.is_asking:
            self._held.hold(prefix, is_wanted=is_wanted)
        else:
            self._say(prefix, is_wanted)

    def _say(self, prefix: bytes, is_wanted: bool) -> None:
        (self._feed.subscribe_to if is_wanted else self._feed.cancel)(prefix)
