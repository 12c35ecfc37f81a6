"""What several lines bring, given to the program: each message once, with what is missing. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.subscriber.early import Early
from fanout.subscriber.message import RECONNECTED, RESTARTED, Gap
from fanout.subscriber.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fanout.subscriber.losses import Losses
    from fanout.subscriber.member import Member
    from fanout.subscriber.message import Message
    from fanout.subscriber.prefixes import Prefixes


class Giving:
    """What was given of one run of a publisher. Owned by its `Run`, which is one.

    Args:
        losses: counts what is told to the program.
        epoch: of the publisher; None if its numbers say nothing.

    Attributes:
        last: key of the last message that was given in order; None = none was.
        members: lines that are up and bring it, by their numbers.
        doubles: messages that had come before.
        lacking: subscriptions of which some last values are still to come, and over no line that is
            up, and what was asked for with each, see `StreamWithPast.take_over`.
        is_showing: last values come, or will: it is to be known which have come.
    """

    def __init__(self, losses: Losses, epoch: int | None) -> None:
        self.last: Any = None
        self.doubles = 0
        self.members: dict[int, Member] = {}
        self.lacking: dict[bytes, bytes] = {}
        self.is_showing = False
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

        Another line may have begun with these, and have been lost before it had brought all; or
        have brought it as what was missed.
        """
        if not is_wanted or key in self._early or self._shown.has(message.topic, key):
            self.doubles += 1
            self._early.keep(message.gap)
            return
        self._shown.add(message.topic, key)
        self._give(message, out)

    @property
    def _goes_on(self) -> bool:
        """Whether more than last values has come, so that all behind that can be asked for."""
        return self.last is not None or self._early.top is not None

    @property
    def is_led(self) -> bool:
        """Whether a line brings all that is wanted."""
        return any(one.joined for one in self.members.values())

    def forget(self, prefix: bytes, wanted: Prefixes) -> None:
        """Something is wanted no more: if it is again, its last values come again."""
        self._shown.forget(prefix, wanted)
        if self.lacking.pop(prefix, None) is not None:
            self._look_at_showing()

    def lack(self, prefix: bytes) -> None:
        """All last values of this are to come, as soon as there is a line that brings all."""
        if not self.is_led:
            self.lacking[prefix] = b""
            self._look_at_showing()

    def keep(self, gap: Gap) -> None:
        """This is missing, and no line brings it again: it is told with what is given next."""
        self._early.keep(gap)

    def _hand_on(self, member: Member, due: Mapping[bytes, bytes]) -> None:
        """A line is lost that was to bring these last values: another one is to bring them."""
        if member.joined and self._shown.is_full and self._goes_on:
            self._give_up_values()
        elif not self.is_led:
            self.lacking.update(due)
        self._look_at_showing()

    def _take_on(self, member: Member) -> None:
        """A line brings all that was missed, if it can, and the last values that are to come."""
        member.gap = bool(self.lacking) and not member.can_heal
        self.lacking.clear()

    def _look_at_showing(self) -> None:
        members = self.members.values()
        self.is_showing = bool(self.lacking) or any(one.is_showing for one in members)
        if not self.is_showing and self.last is not None:
            self._shown.passed(self.last)

    def _pass(self, key: Any) -> None:
        """All up to this has come, or is given up."""
        self.last = key
        self._early.passed(key)
        if not self.is_showing:
            self._shown.passed(key)

    def _give_up_values(self) -> None:
        """Too many have come to know which: those that are left are not to come over others."""
        self._early.keep(Gap(RECONNECTED, epoch=self._epoch))
        top = self._shown.top
        self._shown.clear()
        self._pass(top if self.last is None else max(self.last, top))

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
