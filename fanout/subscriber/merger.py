"""Which lines of a subscriber bring the same messages: those of one run of a publisher. Pure."""

from __future__ import annotations

from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fanout.subscriber.losses import Losses
from fanout.subscriber.member import Member
from fanout.subscriber.runs import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fanout.subscriber.message import Gap, Message
    from fanout.subscriber.past import StreamWithPast as Stream
    from fanout.subscriber.prefixes import Prefixes
    from fanout.terms.introduction import Introduction

NOTHING_DUE: Mapping[bytes, bytes] = MappingProxyType({})
_sequence = attrgetter("sequence")


class Merger:
    """Makes one stream of what several lines bring. Owned by one thread.

    Lines of publishers that do not number their messages bring theirs beside: each message as often
    as it comes.

    Args:
        line_count: of the subscriber.
        wants_all: everything is subscribed to.
        identity: the place of a message in the order of all; None = each publisher's own numbers.

    Attributes:
        losses: what was told to be missing.
        cut: lines that are to connect again, to ask for what is missing.
    """

    def __init__(
        self,
        line_count: int,
        *,
        wants_all: bool,
        identity: Callable[[Message], Any] | None = None,
    ) -> None:
        self.losses = Losses()
        self.cut: list[int] = []
        self._identity = identity
        self._wants_all = wants_all
        self._runs: dict[int | None, Run] = {}  # by epoch
        self._runs_max = 2 * line_count
        self._run_of: dict[int, Run] = {}  # by number of the line, of those that are up
        self._former_doubles = 0
        self._waiting: list[Message] = []  # for `released`

    @property
    def doubles(self) -> int:
        """Messages that had come before; any thread."""
        return self._former_doubles + sum(run.doubles for run in list(self._runs.values()))

    def run_of(self, epoch: int) -> Run | None:
        """What has come of this run; None = no line was up that it comes over."""
        return None if self._identity is not None else self._runs.get(epoch)

    def place(self, stream: Stream, epoch: int) -> None:
        """A line is to bring all of a run alone: have it go on where others have come to.

        A line that is up for the first time knows of no run before: if one has ended, and nobody
        goes on with it, this is taken for the same publisher, which was started anew.
        """
        run = self.run_of(epoch)
        if run is None:
            former = self._ended() if self._identity is None and stream.known is None else None
            if former is not None:
                stream.go_to(former, 0)
            return
        if run.last is not None:
            stream.go_to(epoch, run.last)
        else:
            stream.go_back(run.origin)
        stream.take_over(run.lacking)

    def _ended(self) -> int | None:
        """Epoch of the run that has ended last; None if one goes on, or there was none."""
        if any(run.members for run in self._runs.values()):
            return None
        return next((one for one in reversed(self._runs) if self._runs[one].has_begun), None)

    def is_led(self, epoch: int) -> bool:
        """Whether another line brings all that is wanted of this run."""
        run = self._runs.get(epoch)
        return run is not None and run.is_led

    def begin(
        self,
        number: int,
        said: Introduction | None,
        former: int | None,
        origin: tuple[int, int] | None,
    ) -> bool:
        """A line is up.

        Args:
            said: by the publisher, of itself.
            former: epoch of the publisher it was connected to before; None = it was not.
            origin: from where on all is to come over it.

        Returns:
            Whether it is to confirm that it knows what is subscribed to.
        """
        self._run_of.pop(number, None)
        epoch = said.epoch if said is not None and said.sequence else None
        if self._identity is None and epoch is None:
            return False
        run = self._run(None if self._identity is not None else epoch)
        member = Member(number, can_heal=said is not None and said.replay > 0)
        self._run_of[number] = run
        if not run.members and run.last is None and not run.has_begun:
            run.origin, run.has_begun = origin, True
        run.begin(
            member,
            is_restart=former is not None and former != epoch,
            is_new=former is None,
        )
        return not member.is_told

    def order(
        self,
        number: int,
        *,
        is_unordered: bool,
        is_showing: bool = False,
        origin: tuple[int, int] | None = None,
    ) -> None:
        """A line brings what was missed in any order, or last values; or does so no more.

        Args:
            origin: from where on all is to come over it; None: as before, since some of what came
                before that is missing, and the program was not told.
        """
        run = self._run_of.get(number)
        if run is not None:
            run.order(number, is_asking=is_unordered, is_showing=is_showing)
            _begin_there(run, run.members[number], origin)

    def forget(self, prefix: bytes, wanted: Prefixes) -> None:
        """This is subscribed to no more; `wanted` is what still is."""
        for run in self._runs.values():
            run.forget(prefix, wanted)
        if not prefix:
            self.change()

    def confirm(self, number: int) -> None:
        """A line knows all that is subscribed to."""
        run = self._run_of.get(number)
        if run is not None:
            run.confirm(number)

    def leads(self) -> set[int]:
        """Something is about to be subscribed to: who brings everything, until others confirm."""
        leads: set[int] = set()
        for run in {id(run): run for run in self._run_of.values()}.values():
            lead = run.lead()
            if lead is None:
                leads.update(run.members)
            else:
                leads.add(lead)
        return leads

    def change(self) -> None:
        """What is subscribed to has changed: from here on numbers do not tell how many lack."""
        self._wants_all = False
        for run in self._runs.values():
            run.wants_all = False

    def take(self, number: int, messages: list[Message], now: float) -> list[Message]:
        """Take what a line has brought; returns what the program gets, of all lines."""
        run = self._run_of.get(number)
        # Of a line that was lost just now, and older: what this one brings is behind it.
        out, self._waiting = self._waiting, []
        if run is None:
            for message in messages:
                if message.gap is not None:
                    self.losses.add(message.gap)
                    self.losses.told()
            return out + messages if out else messages
        run.take(number, messages, now, out)
        return out

    def keep(self, number: int, gap: Gap) -> None:
        """A line says that this is missing, of no place: told with what is given next."""
        run = self._run_of.get(number)
        if run is not None and run.members[number].joined:
            run.keep(gap)

    def lack(self, prefix: bytes) -> None:
        """This is subscribed to: who brings all is to bring its last values when it is up again."""
        for run in self._runs.values():
            run.lack(prefix)

    def end(self, number: int, now: float, due: Mapping[bytes, bytes] = NOTHING_DUE) -> None:
        """A line is lost.

        Args:
            due: what last values it was to bring, and what was asked for with each.
        """
        run = self._run_of.pop(number, None)
        if run is not None:
            self.cut += run.end(number, now, self._waiting, due)

    def released(self, now: float) -> list[Message]:
        """What the program gets because it was held back for long enough."""
        waiting, self._waiting = self._waiting, []
        for run in self._runs.values():
            run.settle(now, waiting)
        return waiting

    def resume(self, now: float) -> None:
        """Nothing was read up to now: nobody could pass anybody."""
        for run in self._runs.values():
            for member in run.members.values():
                member.wait_anew(now)

    def next_at(self) -> float | None:
        """When `released` or `cut` are to be looked at, at the latest; None: not by the clock."""
        if self.cut or self._waiting:
            return 0.0
        times = (run.next_at() for run in self._runs.values())
        return min((time for time in times if time is not None), default=None)

    def _run(self, epoch: int | None) -> Run:
        run = self._runs.get(epoch)
        if run is None:
            idle = [one for one, run in self._runs.items() if not run.members]
            if len(self._runs) >= self._runs_max and idle:
                self._former_doubles += self._runs.pop(idle[0]).doubles
            run = self._runs[epoch] = Run(self._identity or _sequence, epoch, self.losses)
            run.wants_all = self._wants_all
        return run


def _begin_there(run: Run, member: Member, origin: tuple[int, int] | None) -> None:
    """Nothing but last values has come: all begins where they end."""
    before = run.origin
    if run.last is not None or not member.joined or member.is_showing:
        return
    if before is not None and origin is not None and before[0] == origin[0]:
        run.origin = max(before, origin)
