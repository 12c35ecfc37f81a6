"""What several lines bring, given to the program: each message once, with what is missing. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.subscriber.early import Early
from fanout.subscriber.message import RESTARTED, Gap
from fanout.subscriber.shown import Shown

if TYPE_CHECKING:
    from fanout.subscriber.losses import Losses
    from fanout.subscriber.message import Message
    from fanout.subscriber.prefixes import Prefixes


class Giving:
    """What was given of one run of a publisher. Owned by its `Run`, which is one.

    Args:
        losses: counts what is told to the program.
        epoch: of the publisher; None if its numbers say nothing.

    Attributes:
        last: key of the last message that was given in order; None = none was.
        doubles: messages that had come before.
    """

    def __init__(self, losses: Losses, epoch: int | None) -> None:
        self.last: Any = None
        self.doubles = 0
        self._losses = losses
        self._epoch = epoch
        self._early = Early()  # messages above `last` that were handed out already
        self._shown = Shown()  # last values that were given, and are above `last`
        self._restart: Gap | None = None  # to be told by the next message
        self._knows_restart = False

    def _is_double(self, message: Message, key: Any) -> bool:
        """Whether it was given before; counts it."""
        is_early = key in self._early or self._shown.has(message.topic, key)
        if is_early and not self._is_passed(message.gap):
            self._early.keep(message.gap)
        is_double = is_early or (self.last is not None and bool(key <= self.last))
        self.doubles += is_double
        return is_double

    def _is_passed(self, gap: Gap | None) -> bool:
        """Whether all that is missing in a gap has come from others."""
        if self._epoch is None or gap is None or gap.last is None:
            return False
        return self.last is not None and bool(self.last >= gap.last)

    def _give_value(
        self, message: Message, key: Any, out: list[Message], *, is_wanted: bool
    ) -> None:
        """A last value: it is in no order with what comes by itself.

        Another line may have begun with these, and have been lost before it had brought all.
        """
        if not is_wanted or self._shown.has(message.topic, key):
            self.doubles += 1
            self._early.keep(message.gap)
            return
        if self.last is None or key > self.last:  # else it is a double already
            self._shown.add(message.topic, key)
        self._give(message, out)

    @property
    def _goes_on(self) -> bool:
        """Whether more than last values has come, so that all behind that can be asked for."""
        return self.last is not None or self._early.top is not None

    def forget(self, prefix: bytes, wanted: Prefixes) -> None:
        """Something is wanted no more: if it is again, its last values come again."""
        self._shown.forget(prefix, wanted)

    def _pass(self, key: Any) -> None:
        """All up to this has come, or is given up."""
        self.last = key
        self._early.passed(key)
        self._shown.passed(key)

    def _give_at(self, message: Message, key: Any, out: list[Message]) -> None:
        self._pass(key)
        self._give(message, out)

    def _give(self, message: Message, out: list[Message]) -> None:
        restart = self._restart
        if restart is not None:
            self._restart = None
            if message.gap is None or message.gap.reason != RESTARTED:
                message = message.after(restart)
        message = self._early.told(message)
        gap = message.gap
        if gap is not None:
            self._knows_restart = self._knows_restart or gap.reason == RESTARTED
            self._losses.add(gap)
            self._losses.told()
        out.append(message)
