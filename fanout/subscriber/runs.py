"""Several lines as one stream: each message once, from whichever line brings it first. Pure.

Lines of one run of a publisher (one epoch) share its sequence numbers. What a line brings is given
to the program if it is above all that was given before; otherwise it is a double.

A line is either *joined* or not. Of a joined line all is known to have come up to where it stands,
by itself or by others; so what it brings next is the next. One that has just connected may stand
anywhere: what it brings that is above is left to the others, until they have brought that, too.
Only one line at a time asks a publisher for what was missed: that one is joined alone.

A gap of a joined line is not believed as long as others may still fill it: the line is held back
until each of them has passed the gap, but not for long, and not with much.

With `identity` the order is that of its keys, and all lines are of one run, whoever publishes.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from fanout.subscriber.giving import Giving
from fanout.subscriber.member import is_behind_gap
from fanout.subscriber.message import CONFLATED, RECONNECTED, RESTARTED, Gap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fanout.subscriber.losses import Losses
    from fanout.subscriber.member import Member
    from fanout.subscriber.message import Message

HELD_S = 0.2  # what another network brings later than this is as good as lost, for most programs
HELD_BYTES_MAX = 4 * 1024 * 1024  # of one line that is held back
BATCH_MIN = 4  # messages that are worth a look at both ends, before they are taken one by one


class Run(Giving):
    """Lines that bring the same messages.

    Args:
        key_of: the place of a message in their order; None: it has none, and is no double.
        epoch: of the publisher; None if its numbers say nothing, for `identity` is given.
        losses: counts what is told to the program.

    Attributes:
        origin: epoch and number from which on all was to come, when the first line was up; None:
            that was up to the publisher. As long as nothing has come, all lines begin there.
        has_begun: it is known.
        wants_all: everything is subscribed to: then numbers tell how many are missing.
    """

    def __init__(self, key_of: Callable[[Message], Any], epoch: int | None, losses: Losses) -> None:
        super().__init__(losses, epoch)
        self.origin: tuple[int, int] | None = None
        self.has_begun = False
        self.wants_all = False
        self._key_of = key_of

    # Lines come and go.

    def begin(self, member: Member, *, is_restart: bool, is_new: bool) -> None:
        """A line is up.

        Args:
            is_restart: it comes from another run.
            is_new: it was never up before.
        """
        if is_restart and not self._knows_restart and self._epoch is not None:
            self._restart, self._knows_restart = Gap(RESTARTED, epoch=self._epoch), True
        is_first = not self.is_led
        self.members[member.number] = member
        member.joined = is_first or self._epoch is None
        member.is_told = member.joined
        if member.joined:
            self._take_on(member)
        member.gap |= self._epoch is None and is_new and self.last is not None

    def end(
        self, number: int, now: float, out: list[Message], due: Mapping[bytes, bytes]
    ) -> list[int]:
        """A line is lost; returns those that are to connect again, to ask for what is missing.

        Args:
            due: what last values it was to bring, and what was asked for with each.
        """
        member = self.members.pop(number)
        self._hand_on(member, due)
        lost = member.held
        member.held = deque()
        if self._epoch is None and lost:  # without numbers nobody can ask for it again
            self._give_rest(lost, out)
        if self.is_led:
            self.settle(now, out)
            return []
        healing = [one.number for one in self.members.values() if one.can_heal]
        if not healing:
            for one in self.members.values():
                one.joined = one.gap = True
                break
        return healing

    def _give_rest(self, messages: Iterable[Message], out: list[Message]) -> None:
        for message in messages:
            key = self._key_of(message)
            if not self._is_double(message, key):
                self._give_at(message, key, out)

    def confirm(self, number: int) -> None:
        """A line knows all that is subscribed to: what it brings from here on is complete."""
        member = self.members[number]
        if not member.is_told:
            member.is_told, member.skipped = True, None

    def lead(self) -> int | None:
        """Have one line bring everything alone, until others are known to bring the same.

        Returns:
            Which; None: all bring what they have, for keys say what is a double.
        """
        if self._epoch is None:
            return None
        joined = [one for one in self.members.values() if one.joined]
        if not joined:
            return None
        best = next((one for one in joined if one.is_asking or one.is_showing), None)
        if best is None:
            free = [one for one in joined if not one.held] or joined
            best = max(free, key=lambda one: (one.at is not None, one.at))
        for one in self.members.values():
            if one is not best:
                self._part(one)
        return best.number

    def _part(self, member: Member) -> None:
        member.joined = member.is_told = False
        member.skipped = None
        if member.held:  # the others have passed that, or tell of it themselves
            member.skipped = self._key_of(member.held[-1])
            member.let_go()

    # What they bring.

    def take(self, number: int, messages: list[Message], now: float, out: list[Message]) -> None:
        """Take what a line has brought, in its order; adds what the program gets to `out`."""
        member = self.members[number]
        if self._takes_whole(member, messages):
            member.at = self.last = self._key_of(messages[-1])
            out += messages
        else:
            for message in messages:
                self._take(member, message, now, out)
        if len(self.members) > 1:
            self.settle(now, out)

    def _takes_whole(self, member: Member, messages: list[Message]) -> bool:
        """Whether all of these are the next: no gap, no double, in order."""
        if (
            self._epoch is None
            or not member.joined
            or member.is_asking
            or member.is_showing
            or member.held
            or member.gap
            or member.untold
            or self._early
            or self._shown
            or self._restart is not None
            or len(messages) < BATCH_MIN
        ):
            return False
        first, last = self._key_of(messages[0]), self._key_of(messages[-1])
        if first is None or last is None or (self.last is not None and first <= self.last):
            return False
        return last > first and not any(message.gap for message in messages)

    def _take(self, member: Member, message: Message, now: float, out: list[Message]) -> None:
        key = self._key_of(message)
        if key is None:
            self._give(message, out)
            return
        if message.kind == "last":
            self._give_value(message, key, out, is_wanted=member.joined)
            return
        if member.is_asking:
            member.at = key if member.at is None else max(member.at, key)
            if not self._is_double(message, key):
                self._early.add(key)
                self._give(message, out)
                if self._early.is_full:
                    self._pass(self._early.give_up(self.last, self._epoch))
            return
        if member.held:
            member.hold(message, now)
            return
        member.at = key
        if not member.joined and not self._joins(member, key):
            member.skipped = key
            self.doubles += 1
            self._keep_untold(member, message.gap)
            return
        if member.gap:
            message = self._after_unknown(member, message, key)
        if self._is_double(message, key):
            self._keep_untold(member, message.gap)
            return
        message = self._with_untold(member, message)
        if is_behind_gap(message) and not self._is_alone(member):
            member.hold(message, now)
        else:
            self._give_at(message, key, out)

    def _keep_untold(self, member: Member, gap: Gap | None) -> None:
        """A line tells with a double what newer messages have taken the place of.

        That may be behind the double as well: then it is what this line jumps over next.
        """
        if gap is not None and gap.reason == CONFLATED and not self._is_passed(gap):
            member.untold = gap.after(member.untold)

    def _with_untold(self, member: Member, message: Message) -> Message:
        """The next message of a line, with what was told with its doubles and did not come."""
        gap, member.untold = member.untold, None
        if gap is None or self._is_passed(gap):
            return message
        return message.after(Gap(CONFLATED, None, gap.first, gap.last, gap.epoch))

    def order(self, number: int, *, is_asking: bool, is_showing: bool) -> None:
        """A line brings what was missed in any order, or what it has brought is whole.

        Args:
            is_showing: it brings last values, or will.
        """
        member = self.members[number]
        member.is_showing = is_showing
        if is_showing != self.is_showing:
            self._look_at_showing()
        if member.is_asking and not is_asking and member.at is not None:
            self._pass(member.at if self.last is None else max(self.last, member.at))
        member.is_asking = is_asking

    def _joins(self, member: Member, key: Any) -> bool:
        """Whether a line that is not joined is, from this message of it on."""
        others = self.members.values()
        if not member.is_told or any(one.is_asking or one.is_showing for one in others):
            return False
        if self._shown.is_full:  # it may bring one of which nobody knows that it has come
            return False
        last = self.last
        is_next = last is not None and (
            key <= last or (member.skipped is not None and member.skipped <= last)
        )
        member.joined = is_next
        return is_next

    def _after_unknown(self, member: Member, message: Message, key: Any) -> Message:
        """A message, said to be after something that may be missing, for all that is known."""
        member.gap = False
        last = self.last
        if self._epoch is None or last is None:
            return message if message.gap else message.after(Gap(RECONNECTED))
        if self.wants_all:
            count = key - last - 1
            if count <= 0:
                return message.instead(None)
            return message.instead(Gap(RECONNECTED, count, last + 1, key - 1, self._epoch))
        return message.instead(Gap(RECONNECTED, None, last + 1, key - 1, self._epoch))

    def _is_alone(self, member: Member) -> bool:
        """Whether nobody else could bring what this line misses."""
        return not any(one.joined and one is not member for one in self.members.values())

    # What is held back.

    def next_at(self) -> float | None:
        """When `settle` is to be called, at the latest; None = not by the clock."""
        times = [one.held_since + HELD_S for one in self.members.values() if one.held]
        return min(times, default=None)

    def settle(self, now: float, out: list[Message]) -> None:
        """Give what was held back, if it need not be any more."""
        while True:
            held = [one for one in self.members.values() if one.held]
            if not held:
                return
            member = min(held, key=lambda one: self._key_of(one.held[0]))
            if not self._is_free(member) and not any(self._is_over(one, now) for one in held):
                return
            self._release(member, out)

    def _is_over(self, member: Member, now: float) -> bool:
        return member.held_bytes > HELD_BYTES_MAX or now >= member.held_since + HELD_S

    def _is_free(self, member: Member) -> bool:
        """Whether the first message that a line holds back need wait for nobody."""
        first = member.held[0]
        key, gap = self._key_of(first), first.gap
        if self.last is not None and (key <= self.last or self._is_passed(gap)):
            return True
        return all(
            one.at is not None and one.at >= key and not one.is_asking
            for one in self.members.values()
            if one.joined and one is not member and not one.held
        )

    def _release(self, member: Member, out: list[Message]) -> None:
        """Give the first message that a line holds back, and what can follow it."""
        first = True
        while member.held:
            message = member.held[0]
            key, gap = self._key_of(message), message.gap
            is_double = key in self._early or (self.last is not None and key <= self.last)
            if not first and not is_double and is_behind_gap(message):
                member.at = key
                return
            first = False
            member.release()
            member.at = key
            if self._is_double(message, key):
                self._keep_untold(member, gap)
            else:
                told = self._with_untold(member, message.instead(self._true(gap, key)))
                self._give_at(told, key, out)

    def _true(self, gap: Gap | None, key: Any) -> Gap | None:
        """What is missing of a gap, now that others have brought a part of it."""
        last = self.last
        if gap is None or last is None or self._epoch is None or gap.first is None:
            return gap
        if last < gap.first:
            return gap
        if self._is_passed(gap):
            return None
        if self.wants_all:
            return Gap(gap.reason, key - last - 1, last + 1, key - 1, self._epoch)
        return Gap(gap.reason, None, last + 1, gap.last, self._epoch)
