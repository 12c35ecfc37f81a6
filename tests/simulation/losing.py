"""What one subscriber loses of its stream, or what is conflated: whether it may be."""

from __future__ import annotations

from tests.simulation.peers import Kind
from tests.simulation.violated import require
from tests.simulation.waiting import Waiting


class Losing(Waiting):
    """A stream of which something may be lost, by the rules that hold for it."""

    def drop(self, reasons: list[str], front: int, now: int, *, of_log: bool) -> None:
        """The system counted these of the oldest as lost; none that it must keep.

        Args:
            reasons: why, of each.
            of_log: only the log is reason for that.
        """
        count = len(reasons)
        doomed = self.unstarted[:count]
        require(len(doomed) == count, f"{count} counted as dropped, {len(doomed)} were there")
        kept = self.rules.kept
        if doomed:
            lag = self.behind(front, now, doomed[-1])
            lag = lag._replace(age=now - self._history.times[doomed[-1]])
            if of_log:
                lag = lag._replace(bytes=0, messages=0, age=0)
            elif self.kind is not Kind.PLAIN:
                lag = lag._replace(bytes=kept.bytes + 1)  # it has other sizes
            over = any(one > limit for one, limit in zip(lag, kept, strict=True))
            require(over, f"message {doomed[-1]} was dropped, but may stay: {lag}, {kept}")
        self.touch()
        for sequence, reason in zip(doomed, reasons, strict=True):
            self.queue.remove(sequence)
            self._lose(sequence, reason)

    def superseded(self, first: int) -> list[int]:
        """What waits from message `first` on, and has a newer one on its topic behind it."""
        waiting = [one for one in self.unstarted if one >= first]
        newest = {self.message(one).topic: one for one in waiting}
        return [one for one in waiting if newest[self.message(one).topic] != one]

    def conflate(self, count: int, first: int, front: int) -> None:
        """The system counted so many as conflated, of those from message `first` on."""
        gone = self.superseded(first)
        require(len(gone) == count, f"{count} conflated, {len(gone)} have newer ones")
        self.touch()
        for sequence in gone:
            self.queue.remove(sequence)
            self.conflated_bytes += len(self.message(sequence).wire)
            self.telling.conflate(sequence)
        self.conflated += count
        self.pass_until = front

    def lose_newest(self, count: int) -> None:
        """The system counted so many as lost of those that came while it finishes."""
        require(self.doomed is not None, "messages were dropped under a policy that does not")
        assert self.doomed is not None
        require(count <= len(self.doomed), f"{count} dropped, {len(self.doomed)} have come")
        self.touch()
        for _ in range(count):
            self._lose(self.doomed.popleft(), self.doomed_by)

    def lose_what_does_not_fit(self, count: int) -> None:
        """It begins to finish, and the system counted so many of the newest as lost by that."""
        require(self.doomed is not None or not count, "messages were lost by who does not finish")
        limits, size, fitting = self.rules.limits, -len(self.partial) if self.in_message else 0, 0
        for sequence in self.queue:
            size += len(self.message(sequence).wire)
            over = fitting >= limits.messages or size > limits.bytes
            if fitting and sequence >= self.pass_until and over:
                break
            fitting += 1
        left = len(self.queue) - count
        if self.kind is Kind.PLAIN:  # others have other sizes
            require(left == fitting, f"{left} are kept, {fitting} fit")
        require(left > 0 or not count, "none is kept")
        self.touch()
        for sequence in [self.queue.pop() for _ in range(count)][::-1]:
            self._lose(sequence, self.doomed_by)

    def _lose(self, sequence: int, reason: str) -> None:
        size = len(self.message(sequence).wire)
        self.dropped += 1
        self.dropped_bytes += size
        self.by_reason.add(reason, size)
        self.telling.lose(sequence, reason)
