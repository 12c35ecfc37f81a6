"""What one subscriber must have got, told by a naive model: lists, startswith, and no cursor.

The model learns of subscriptions from the worker's reports, of messages from the publisher, and of
everything else from the bytes that the fake socket took.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.peers import Kind
from tests.simulation.reading import Reading
from tests.simulation.violated import require

if TYPE_CHECKING:
    from tests.simulation.policies import Rules


class SubscriberModel(Reading):
    """One subscriber's stream, and what must be in it."""

    def go_back(self, first: int, until: int, front: int, now: int) -> None:
        """The system sends it what it has missed, from one message up to another."""
        late = self.late
        require(late is not None, "it has missed nothing")
        assert late is not None
        wanted = late.begin(first, until, front)
        require(not self.in_message, "it goes back in the middle of what it has subscribed to")
        self.touch()
        self.queue.extendleft(reversed(wanted))
        self.seen.update(dict.fromkeys(wanted, now))
        self.matched += len(wanted)
        due = late.past.due
        if self.kind is not Kind.PLAIN:  # how many it wants is not seen from where they lie
            due = [(reason, low, high, 0) for reason, low, high, _count in due]
        self.telling.miss(due)
        if first < until:
            self.blocked_at = now  # its time begins again
        self.rules = late.rules

    def uncount(self, first: int, stop: int) -> None:
        """What it wants of this does not count as matched yet."""
        assert self.late is not None
        self.late.uncounted = first, stop
        self.matched -= len(self._uncounted())
        self.touch()

    def count_late(self, counted: int, stop: int) -> None:
        """Of what does not count as matched, only this does not any more."""
        assert self.late is not None
        if self.late.uncounted != (counted, stop):
            self.matched += self.late.count(counted, stop)
            self.touch()

    def require_caught_up(self) -> None:
        """What it has missed, it has got, if it goes by its own rules."""
        late = self.late
        if late is None or late.is_due or late.is_under_way or late.past.until < 0:
            return
        left = [one for one in self.unstarted if one < late.past.until]
        require(not left, f"it has come to what it wants by itself, and has not got {left}")

    def judge_again(self, now: int) -> None:
        """The system looks at it by its own rules: how old what waits is, it knows since then."""
        if self.late is not None and self.late.is_unjudged:
            self.late.is_unjudged = False
            self._ruled_since = now

    def end_late(self, now: int) -> None:
        """It has come to what it wants by itself: its own rules hold again."""
        late = self.late
        assert late is not None
        first = late.past.until
        late.is_under_way, late.is_unjudged = False, True
        self.rules = late.own
        self._ruled_since = now
        self.pass_until = max(self.pass_until, first)
        self._ruled_from = max(self._ruled_from, first)
        self._last_sent.clear()
        self.touch()

    def obey(self, rules: Rules, now: int) -> None:
        """From now on this becomes of it when it is behind."""
        if self.late is not None:
            self.late.own = rules
            rules = self.late.rules if self.late.is_under_way else rules
        if rules.policy.max_rate != self.rules.policy.max_rate:
            self.rated_since = now, sum(self.counted_bytes())
        self.rules = rules
        self._ruled_since = now
        self.touch()
        self.forget_times()

    def require_its_rate(self, now: int) -> None:
        """It was sent no more than it may be, and a tenth of a second's worth at once."""
        rate = self.rules.policy.max_rate
        if not rate:
            return
        since, before = self.rated_since
        sent = sum(self.counted_bytes()) - before
        most = rate * (now - since) / 1e9 + rate / 10 + 1
        require(sent <= most, f"{sent} bytes were sent, {most} were allowed")
