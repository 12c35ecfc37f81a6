"""The pump: new messages to the members that are ready, and the blocked ones after them. Pure.

It owns no socket: members have a `send`, `now` comes in, and what happened comes out as effects.
One call takes no longer than a part of a turn may; whoever drives the pump says how often.

`advance()` sends new messages to all ready members, see `Rounds`. A member whose socket does not
take its share becomes blocked and trails behind; the front does not wait. `serve()` lets it
continue, from its own cursor, whenever its socket is writable, until it has caught up; before the
others, if it is steady.
"""

from __future__ import annotations

from functools import partial
from itertools import filterfalse, islice
from typing import TYPE_CHECKING

from fanout.reasons import Reason
from fanout.workers.stream.abreast import fill, in_groups
from fanout.workers.stream.effects import broken
from fanout.workers.stream.member import BLOCKED, LOST
from fanout.workers.stream.members import position_of
from fanout.workers.stream.restoring import Restoring
from fanout.workers.stream.sealed_turns import plain_of
from fanout.workers.stream.snapshot import Snapshots
from fanout.workers.stream.steps import Step, is_plain
from fanout.workers.tuning import TUNING, Tuning

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from fanout.shm.reader import LogReader
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.sealed import Sealed
    from fanout.workers.stream.totals import Totals
    from fanout.workers.stream.turn_part import TurnPart
    from fanout.workers.stream.value_marks import About

    Late = dict[Member, None]


class Pump(Restoring):
    """Sends to the members of one worker; how much of what at once says `tuning`."""

    def __init__(
        self,
        log: LogReader,
        tuning: Tuning = TUNING,
        totals: Totals | None = None,
        part: TurnPart | None = None,
    ) -> None:
        super().__init__(log, tuning, totals, part)
        self.tuning = tuning
        self._serve_steps = tuning.serve_steps
        self._abreast = tuning.abreast
        self._behind_ns = tuning.behind_ns
        self._others_ns = tuning.others_ns
        self._control_bytes_max = tuning.control_bytes_max
        self._bytes_per_look = tuning.bytes_per_look
        self._bytes_per_serve = tuning.bytes_per_look // tuning.sends_per_look
        self._late: Late = {}  # what to send these was looked for in the last turn
        self._unseen_bytes = 0  # sent since the last look at the clock, or what takes as long

    def speak(self, member: Member, data: bytes, now: int) -> None:
        """Send the member something that is not in the log, between two messages."""
        self.throttles.now = now
        if not member.blocked:
            try:
                count = member.send(data)
            except BlockingIOError:
                count = 0
            except OSError as error:
                self._lose(member, *broken(error))
                return
            member.spoken_bytes += count
            if count < len(data):
                self._block(member, self.front, 0, now)
                member.control = data[count:]
            return
        if len(member.control) + len(data) > self._control_bytes_max:
            self._lose(member, Reason.UNREAD_ANSWERS, Reason.UNREAD_ANSWERS.text)
            return
        self.backlog.detach(member, self.front)
        member.control += data
        if member in self.rests:
            self.runnable[member] = None

    def nudge(self, member: Member, now: int) -> None:
        """What stands before its socket has something to say by itself, or can go on."""
        if member.state is LOST:
            return
        if not member.blocked:
            self._block(member, self.front, 0, now)
        self.runnable[member] = None

    def show(
        self,
        member: Member,
        due: int,
        above: int,
        added: Collection[bytes],
        wants: Collection[bytes],
        *,
        is_told: bool,
        now: int,
        is_asked_for: bool = False,
        about: About | None = None,
        kept: Collection[bytes] = (),
    ) -> None:
        """Send it the last values of what is new to it, as of message `due`.

        Args:
            above: only what was published after this message; -1 = all.
            added, kept: what is new; of that, what it has wanted all the time: nothing of it.
            wants: all that it wants, as it is at any time later.
            is_told, about: whether it is told where they begin and end, and of what they are.
            is_asked_for: whether it is sent all of what is new from `due` on, as it has asked for.
        """
        if member.state is LOST:
            return
        if not member.blocked:
            self._block(member, self.front, 0, now)
        member.snapshots = snapshots = member.snapshots or Snapshots(wants)
        how = {"is_told": is_told, "is_asked_for": is_asked_for}
        snapshots.add(min(due, self.front), above, added, **how, about=about, kept=kept)
        self.rouse(member, now)

    @property
    def in_snapshot(self) -> int:
        """How many members are being sent what was there when they came: all these are behind."""
        return sum([member.snapshots is not None for member in self.blocked])

    def serve(self, member: Member, now: int) -> None:
        """Continue with a blocked member whose socket is writable, for a few sends."""
        if member.state is not BLOCKED:
            return
        self.throttles.now = now
        if is_plain(member):
            self._catch_up(member, now)
            return
        self._unseen_bytes = self._bytes_per_look
        if member.sealed is None:
            self._go_on(member, now)
        else:
            self._go_on_sealed(member, member.sealed, now)

    def _go_on_sealed(self, member: Member, sealed: Sealed, now: int) -> None:
        before = sealed.wire_bytes
        try:
            is_clear = sealed.flush()
        except OSError as error:
            self._lose(member, *broken(error))
            return
        if sealed.wire_bytes != before:
            self._progressed(member, now)
        if not is_clear:
            return
        first, sent = member.sequence, member.sent_bytes
        sealed.let()
        self._go_on(member, now)
        sealed.stop()
        is_kept = sealed.kept_bytes and member.sent_bytes != sent
        sealed.kept_from = first if is_kept else None
        if sealed.more and member.blocked:
            self.runnable[member] = None

    def _catch_up(self, member: Member, now: int) -> None:
        """As `_go_on()`, which would do the same with one that is plain, in less time."""
        before = member.sent_bytes
        try:
            step = self.backlog.catch_up(member, self.front, self._serve_steps)
        except OSError as error:
            step = Step.FULL
            self._lose(member, *broken(error))
        sent = member.sent_bytes - before
        self.totals.sent_bytes += sent
        if member.cohort is self.cohorts.everything:
            self._unseen_bytes += sent + self._bytes_per_serve
        else:  # to pick out of the log what it wants may take long, whatever is sent of that
            self._unseen_bytes = self._bytes_per_look
        if member.state is not BLOCKED:
            return
        if step is Step.DONE:
            if not self._begins_to_rest(member, now):
                self._unblock(member)
            return
        if sent:
            self._progressed(member, now)
        if step is Step.MORE:
            self.runnable[member] = None

    def serve_abreast(self, members: Sequence[Member], start: int, stop: int, now: int) -> None:
        """As `serve()` for each of these, who are abreast at position `start`, before `stop`."""
        blocked, done = self.blocked, []
        errors: list[tuple[Member, OSError]] = []
        span = self._log.span(start, min(stop, start + self._span_bytes))
        size, sent = len(span), 0
        for member, count in zip(members, fill(members, span, errors), strict=True):
            if count <= 0:
                continue
            member.position = start + count
            member.sent_bytes += count
            sent += count
            del blocked[member]  # see `_progressed()`
            blocked[member] = now
            if count == size:
                done.append(member)
        self.totals.sent_bytes += sent
        self._unseen_bytes += sent + self._bytes_per_serve * len(members)
        for member, error in errors:
            self._lose(member, *broken(error))
        for member in done:  # there may be more for them
            self.serve(member, now)

    def _go_on(self, member: Member, now: int) -> None:
        if member.conflating and member in self.rests:
            self._say(member)
            return
        sent, spoken = member.sent_bytes, member.spoken_bytes
        step = Step.MORE
        try:
            for _ in range(self._serve_steps):
                step = self.backlog.step(member, self.front)
                if step is not Step.MORE:
                    break
                if member.replay is not None:  # what comes behind it is up to its own policy
                    self.end_replay(member)
                    if member.conflating and member in self.rests:  # since before
                        break
            while step is Step.MORE and self._has_finished(member):
                step = self.backlog.step(member, self.front)
        except OSError as error:
            self._lose(member, *broken(error))
        sent = member.sent_bytes - sent
        self.totals.sent_bytes += sent
        if member.state is not BLOCKED:
            return
        if member.replay is not None:
            self.end_replay(member)
        if step is Step.DONE or step is Step.PASSED:
            if self._begins_to_rest(member, now):
                return
            sealed = member.sealed
            if step is Step.DONE and (sealed is None or not sealed.kept_bytes):
                self._unblock(member)
                return
            if step is Step.PASSED:
                step = Step.MORE
        if sent or member.spoken_bytes != spoken:
            self._progressed(member, now)
        if step is Step.LATER:
            self._late[member] = None
        elif step is Step.FULL and member.conflating:
            self._conflating.pause(member)
        if step is Step.MORE or step is Step.LATER:
            self.runnable[member] = None

    def _begins_to_rest(self, member: Member, now: int) -> bool:
        """It has everything: whether it is sent nothing for a while, as its policy says."""
        interval_ns = member.policy.min_interval_ns
        if not interval_ns or self._hurries:
            return False
        self.rest(member, now + interval_ns)
        return True

    def _has_finished(self, member: Member) -> bool:
        """Whether it has got what it was to finish with: what comes then is not lost any more."""
        if member.finishing is None:
            return False
        self.backlog.settle(member, self.front)
        return not member.queued

    def _say(self, member: Member) -> None:
        """Send a member that rests what is to be said to it, and nothing else.

        It may have begun to rest before it was sent what it had missed, and have had to jump there
        in the middle of a message: the rest of that comes first.
        """
        before = member.sent_bytes
        try:
            self.backlog.say(member)
        except OSError as error:
            self._lose(member, *broken(error))
        self.totals.sent_bytes += member.sent_bytes - before

    def serve_runnable(self, now: int, limit: int) -> None:
        """Continue with members whose sockets have room; sealed ones after all others."""
        if not self.throttles.seals:
            self._serve_plain(self.runnable, now, limit)
            return
        self._serve_plain(plain_of(self.runnable), now, limit)
        are_ready = self._subscribed > len(self.blocked)
        who = self.runnable, self.steady, limit, partial(self.serve, now=now)
        self.sealed_turns.serve(*who, lambda: self.totals.sent_bytes, are_ready=are_ready)

    def _serve_plain(self, runnable: Late, now: int, limit: int) -> None:
        """Continue with these; neighbours in the log share its work.

        Those furthest behind go first: so they come to where others are, and what is picked out of
        the log is found once for all. But who took time and was sent nothing goes last the next
        time. Ends when the time is over, but not before one was served. Those who are steady have
        a time of their own, before the others; these have no more than a little as soon as there
        is something new for the former. While some wait for their turn in a round, all who are
        behind have less: the next round is for those as well who wait for nobody's.
        """
        steady, part = self.steady, self._part
        late, self._late = self._late, {}
        is_short = bool(self.waiting)
        if is_short:
            part.begin(self._behind_ns)
        if not steady:
            self._serve_some(islice(runnable, limit), late, now)
            return
        few, many = (steady, runnable) if len(steady) < len(runnable) else (runnable, steady)
        self._serve_some(islice(filter(many.__contains__, few), limit), late, now)
        if not is_short:
            part.begin()
        others = islice(filterfalse(steady.__contains__, runnable), limit)
        self._serve_some(others, late, now, part.in_time(self._others_ns))

    def _serve_some(
        self, members: Iterable[Member], late: Late, now: int, enough: int | None = None
    ) -> None:
        """Continue with these.

        Args:
            late: those who go last.
            enough: until when, if there is something new for others.
        """
        part, runnable, stop = self._part, self.runnable, self._log.start_of(self.front)
        self.throttles.now = now
        self._unseen_bytes = 0
        waiting = sorted(members, key=position_of)
        if late:
            waiting.sort(key=late.__contains__)
        for place, group in in_groups(waiting, self.cohorts.everything, stop, self._abreast):
            for member in group:
                del runnable[member]
            if place < 0:
                self.serve(group[0], now)
            else:
                self.serve_abreast(group, place, stop, now)
            if self._unseen_bytes < self._bytes_per_look:
                continue
            self._unseen_bytes = 0
            if enough is not None and self._log.head() != self.front:
                if part.is_past(enough):
                    return
            elif part.is_over():
                return
