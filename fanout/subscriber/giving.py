"""What several lines bring, given to the program: each message once, with what is missing. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.subscriber.early import Came, Early
from fanout.subscriber.message import RESTARTED, Gap

if TYPE_CHECKING:
    from fanout.subscriber.losses import Losses
    from fanout.subscriber.message import Message


class Giving:
    """What was given of one run of a publisher. Owned by its `Run`, which is one.

    Args:
        losses: counts what is told to the program.

    Attributes:
        last: key of the last message that was given in order; None = none was.
        doubles: messages that had come before.
    """

    def __init__(self, losses: Losses) -> None:
        self.last: Any = None
        self.doubles = 0
        self._losses = losses
        self._early = Early()  # messages above `last` that were handed out already
        self._shown = Came()  # last values that were given before anything else was
        self._restart: Gap | None = None  # to be told by the next message
        self._knows_restart = False

    def _is_double(self, message: Message, key: Any) -> bool:
        """Whether it was given before; counts it."""
        is_early = key in self._early
        if is_early:
            self._early.keep(message.gap)
        is_double = is_early or (self.last is not None and bool(key <= self.last))
        is_double = is_double or key in self._shown  # and comes again as what was missed
        self.doubles += is_double
        return is_double

    def _give_value(
        self, message: Message, key: Any, out: list[Message], *, is_wanted: bool
    ) -> None:
        """A last value: it is in no order with what comes by itself.

        Another line may have begun with these, and have been lost before it had brought all.
        """
        if not is_wanted or key in self._shown:
            self.doubles += 1
            self._early.keep(message.gap)
            return
        if self.last is None and not self._shown.is_full:
            self._shown.add(key)
        self._give(message, out)

    def _give_at(self, message: Message, key: Any, out: list[Message]) -> None:
        self.last = key
        self._early.passed(key)
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
