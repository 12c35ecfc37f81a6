"""What one gets by itself since it has subscribed, and what its policy takes of that: plain lists.

Each message that it wants comes, or is taken by a jump, by a pass in which a newer one has its
place, or while it finishes: that is known before anything behind it comes. Whether its policy may
take it is looked at when it does, and whether it has to in the simulation of the data path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.policies import NONE, Behind, Rules, is_over
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.shown.feed import Feed

ANSWERS_BYTES = 200  # of the handshake, which no rate bounds
LOG_PART = 1 / 2  # whose policy is not to block is no more of the log behind
LATE_PART = 5 / 8  # nor more than this, who is sent what it had asked for
KEPT_PART = 15 / 16  # of that, and of its limits, which it keeps at least


class Live:
    """That of one subscriber.

    Args:
        wants: whether it wants a message by itself.
        rules: of its policy, to begin with.
        is_plain: it reads what is in the log: then it is known how many bytes wait for it.

    Attributes:
        next: what it wants below this message it has got, or it was taken.
        dropped, conflated: what was.
    """

    def __init__(
        self, feed: Feed, wants: Callable[[int], bool], rules: Rules, *, is_plain: bool
    ) -> None:
        self.next = 0
        self.rules = rules
        self._rated = (0, 0)  # since when, and what it had been sent then
        self.dropped: set[int] = set()
        self.conflated: set[int] = set()
        self._feed = feed
        self._wants = wants
        self._is_plain = is_plain
        self._losing: int | None = None  # from this message on it loses what comes

    def obey(self, rules: Rules, now: int, sent: int) -> None:
        """These hold from now on, when it has been sent so many bytes."""
        if rules.policy.max_rate != self.rules.policy.max_rate:
            self._rated = now, sent
        self.rules = rules

    def require_its_rate(self, now: int, sent: int) -> None:
        """It is not sent more bytes than its rate allows, and a tenth of a second's at once."""
        rate, (since, before) = self.rules.policy.max_rate, self._rated
        most = rate * (now - since) / 1e9 + rate / 10 + ANSWERS_BYTES
        require(not rate or sent - before <= most, f"{sent - before} bytes are sent, not {most}")

    @property
    def is_finishing(self) -> bool:
        """Whether it loses what comes."""
        return self._losing is not None

    def is_gone(self, sequence: int) -> bool:
        """Whether it does not come any more, if it was wanted."""
        is_lost = self._losing is not None and sequence >= self._losing
        return is_lost or sequence in self.dropped or sequence in self.conflated

    def waiting(self, first: int, stop: int) -> list[int]:
        """What is to come of these messages."""
        return self._left(max(first, self.next), stop)

    def _left(self, first: int, stop: int) -> list[int]:
        every = range(first, stop)
        return [one for one in every if self._wants(one) and not self.is_gone(one)]

    def take(self, sequence: int) -> None:
        """This has come, and all before it."""
        require(not self.is_gone(sequence), f"{sequence} comes, and was counted as lost")
        self.next = sequence + 1

    def jump(
        self, first: int, target: int, front: int, reason: str, now: int, *, begun: int | None
    ) -> list[int]:
        """It goes on at message `target` instead of `first`; returns what it loses by that.

        Args:
            begun: of this message it still gets the rest.
        """
        gone = self.waiting(first + (begun == first), target)
        if gone:
            where = f"{gone} of {first} to {front} are lost by {reason}: {self.rules.policy}"
            if reason == "lag_log":
                is_far = self._feed.is_behind(first, front, LOG_PART)
                is_far = is_far and self._feed.is_behind(gone[-1], front, LOG_PART * KEPT_PART)
                require(self.rules.action != "block" and is_far, where)
            else:
                require(self.rules.action == "drop_oldest", where)
                lag = self._lag(gone[-1], front, now, begun)
                require(is_over(lag, self.rules.kept), where)
        self.dropped.update(gone)
        return gone

    def drop_late(self, first: int, target: int, front: int, *, begun: int | None) -> list[int]:
        """It was too far behind in what it had asked for; returns what it loses."""
        gone = self.waiting(first + (begun == first), target)
        require(self._feed.is_behind(first, front, LATE_PART), f"it jumps from {first} at {front}")
        self.dropped.update(gone)
        return gone

    def _lag(self, first: int, front: int, now: int, begun: int | None) -> Behind:
        """How much waits for it from that message on, and of one that it has begun."""
        feed, waiting = self._feed, self.waiting(first, front)
        if begun is not None:
            waiting.append(begun)
        size = feed.bytes_of(waiting) if self._is_plain else NONE - 1
        return Behind(size, len(waiting), now - feed.times[first], 0, 0)

    def conflate(self, first: int, front: int) -> list[int]:
        """A pass begins there, of the newest of each topic; returns what has no place in it."""
        waiting, messages = self.waiting(first, front), self._feed.messages
        newest = {messages[one].topic: one for one in waiting}
        gone = [one for one in waiting if newest[messages[one].topic] != one]
        require(self.rules.action == "conflate", f"it is thinned: {self.rules.policy}")
        self.conflated.update(gone)
        return gone

    def require_too_slow(self, front: int, now: int, *, has_rest: bool) -> None:
        """It is disconnected: so more waits for it than it may, or the log cannot keep it.

        Args:
            has_rest: of a message that it has begun to get, whichever that is, the rest waits, too.
        """
        feed, waiting = self._feed, self.waiting(0, front)
        where = f"{waiting} wait for one that is disconnected: {self.rules.policy}"
        require(self.rules.action == "disconnect", where)
        size = NONE - 1 if has_rest or not self._is_plain else feed.bytes_of(waiting)
        lag = Behind(size, len(waiting) + has_rest, 0, 0, 0)
        if waiting:
            first = waiting[0]
            far = {"log_bytes": feed.bytes_between(first, front), "log_messages": front - first}
            lag = lag._replace(age=now - feed.times[first], **far)
        require(is_over(lag, self.rules.limits), where)

    def finish(self, stop: int) -> None:
        """It loses what comes from that message on, until it has got what is before."""
        require(self.rules.action == "drop_newest", f"it finishes: {self.rules.policy}")
        self._losing = stop

    def end_finishing(self, front: int) -> list[int]:
        """From there on it gets again what comes; returns what it has lost."""
        if self._losing is None:
            return []
        lost, self._losing = self._losing, None
        gone = self._left(lost, front)  # though it may have got newer last values meanwhile
        self.dropped.update(gone)
        return gone
