"""What a policy does with what waits for one subscriber: plain lists, simple and slow.

It shares no code with the product, but for the encoding of a message. Times are in ns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgpack

from fanout.zmtp.frames import encode_message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.terms.slow_policy import SlowPolicy

NS = 1_000_000_000
NOTHING, LOSSES, ALL = range(3)  # of which it wants to be told


class Message(NamedTuple):
    """One that was published."""

    number: int
    topic: bytes
    wire: bytes
    time: int


class Amount(NamedTuple):
    """What waits, or may wait: in the order in which a reason is looked for."""

    lag: float
    lag_messages: float
    lag_age: float


class Bucket:
    """So many bytes a second, and no more than a tenth of a second's worth at once.

    Who has used up all of it waits until it is full again.
    """

    def __init__(self, rate: int, now: int) -> None:
        self.rate = rate
        self.most = max(rate // 10, 1) * NS  # in billionths of bytes
        self.left = self.most
        self.since = now
        self.waits_until = now

    def allowed(self, now: int) -> int:
        self.left = min(self.most, self.left + (now - self.since) * self.rate)
        self.since = now
        return self.left // NS

    def use(self, count: int, now: int, *, wants_more: bool) -> None:
        self.left -= count * NS
        if wants_more and self.left < NS and now >= self.waits_until:
            self.waits_until = now - (self.left - self.most) // self.rate


class Naive:
    """One subscriber.

    Attributes:
        queue: what waits for it, with the one that it has got a part of, which is `begun` bytes.
        saying: markers that are made, and not wholly sent.
        apart: what it has begun stands for itself: what follows has been dropped or thinned.
        pass_until: messages below this have been thinned, and are sent before others are; 0 = none.
        is_ready: it has everything, and what comes is sent at once.
        finishes: why it loses what comes while it gets what waits; "" = it does not.
        lost: numbers, with their reasons, and bytes.
    """

    def __init__(self, policy: SlowPolicy, wants: Iterable[bytes], epoch: int, now: int) -> None:
        self.policy = policy
        self.wants = tuple(wants)
        self.told = NOTHING
        self.room = 0
        self.queue: list[Message] = []
        self.begun = 0
        self.saying = b""
        self.apart = False
        self.pass_until = 0
        self.is_ready = not policy.min_interval
        self.rests_until = 0
        self.finishes = ""
        self.is_slow = self.is_closed = False
        self.taken = b""
        self.spoken = 0
        self.matched: list[Message] = []
        self.sent: list[Message] = []
        self.lost: list[tuple[Message, str]] = []
        self.conflated: list[Message] = []
        self._untold_lost: list[tuple[int, str]] = []
        self._untold_conflated: list[tuple[int, str]] = []
        self._published: list[Message] = []
        self._epoch = epoch
        self._bucket = Bucket(policy.max_rate, now) if policy.max_rate else None
        self._is_looked_at = bool(policy.min_interval)
        self._rested_at = -1  # how far it had come when it had everything, and began to rest
        self._has_passed = False  # what it was sent last was the last of a pass

    # What happens to it.

    def publish(self, message: Message) -> None:
        self._published.append(message)
        if not self.wants or not message.topic.startswith(self.wants):
            return
        self.matched.append(message)
        if self.finishes:
            self._lose(message, self.finishes)
        else:
            self.queue.append(message)

    def obey(self, policy: SlowPolicy, now: int) -> None:
        """From now on this policy holds, also for what waits."""
        if policy.max_rate != self.policy.max_rate:
            self._bucket = Bucket(policy.max_rate, now) if policy.max_rate else None
        self.policy = policy
        self.finishes = ""
        self.rests_until = 0
        self._is_looked_at = True
        if policy.min_interval:
            self.is_ready = False

    def tell(self, level: int) -> None:
        """From now on it is told of so much."""
        self.told = level
        if level < ALL:
            self._untold_conflated.clear()
        if level < LOSSES:
            self._untold_lost.clear()

    def serve(self, now: int) -> None:
        """It is sent what it may be sent, and its socket takes."""
        if self.is_closed or now < self.rests_until:
            return
        if self._front == self._rested_at and not self._is_looked_at and not self._untold_lost:
            return  # it has everything, and nothing has come since
        if self.is_ready and self.queue:
            self.is_ready = self._send(now)
        if self.is_ready:
            return
        if self._bucket and now < self._bucket.waits_until and not self._is_looked_at:
            return
        self._is_looked_at = False
        while self._goes_on(now):
            if not self.saying and not self.queue:
                self._rest_or_be_ready(now)
                return
            if not self._send(now):
                return

    def judge(self, now: int) -> None:
        """It is behind by so much: what becomes of it?"""
        if self.is_closed or self.finishes:
            return
        policy = self.policy
        limits = Amount(policy.limit_bytes, policy.limit_messages, int(policy.limit_age * NS))
        amount = self._amount(self.queue, now)
        soft = [limit and amount[at] > int(limit * policy.soft) for at, limit in enumerate(limits)]
        self.is_slow = self.is_slow or any(soft)
        over = [bool(limit) and amount[at] > limit for at, limit in enumerate(limits)]
        if not any(over) or policy.action == "block":
            return
        reason = Amount._fields[over.index(True)]
        if policy.action == "disconnect":
            self.is_closed = True
        elif policy.action == "drop_newest":
            self.finishes = reason
            self._lose_what_does_not_fit(limits)
        elif policy.action == "conflate":
            if not self._thins:  # else a topic would come twice in one pass
                self._thin()
        else:
            self._drop(Amount(*(limit * 15 // 16 for limit in limits)), over, reason, now)

    # How that is done.

    def _lose_what_does_not_fit(self, limits: Amount) -> None:
        size = -self.begun
        fitting = 0
        for one in self.queue:
            size += len(one.wire)
            too_many = limits.lag_messages and fitting >= limits.lag_messages
            too_much = limits.lag and size > limits.lag
            if fitting and one.number >= self.pass_until and (too_many or too_much):
                break
            fitting += 1
        for message in self.queue[fitting:]:
            self._lose(message, self.finishes)
        del self.queue[fitting:]

    @property
    def _thins(self) -> bool:
        """Whether what waits is thinned whenever it is sent something."""
        policy = self.policy
        has_limit = policy.limit_bytes or policy.limit_messages or policy.limit_age
        return policy.action == "conflate" and (not has_limit or policy.min_interval > 0)

    @property
    def _front(self) -> int:
        return self._published[-1].number + 1 if self._published else 0

    def _amount(self, queue: list[Message], now: int) -> Amount:
        if not queue:
            return Amount(0, 0, 0)
        size = sum(len(one.wire) for one in queue) - self.begun
        return Amount(size, len(queue), now - queue[0].time)

    def _goes_on(self, now: int) -> bool:
        """Bring about what it is sent next; False = its pass is over, and it rests."""
        if not (self.begun and self.apart) and not self._has_passed:
            self._say()
            if self._thins and not self.saying and not self.pass_until:
                if self.begun:  # that is sent to its end before what follows is looked at
                    self.apart = True
                else:
                    self._thin()
                    self._say()
        if not self.queue and not self._has_passed:
            self.finishes = ""
            self._say()
        if self.saying or self.begun or not self.pass_until or not self._is_passed():
            return True
        self.pass_until = 0
        self._has_passed = False
        if self.policy.min_interval:
            self._rest_or_be_ready(now)
            return False
        return self._goes_on(now)

    def _rest_or_be_ready(self, now: int) -> None:
        self.is_slow = False
        self.is_ready = not self.policy.min_interval
        self.rests_until = now + int(self.policy.min_interval * NS)
        self._rested_at = -1 if self.is_ready or self.queue else self._front

    def _send(self, now: int) -> bool:
        """The next piece; whether all of it was taken."""
        piece = self.saying or self.queue[0].wire[self.begun :]
        allowed = self._bucket.allowed(now) if self._bucket else len(piece)
        count = min(len(piece), allowed, self.room)
        if self._bucket:
            self._bucket.use(count, now, wants_more=count < len(piece))
        self.room -= count
        self.taken += piece[:count]
        if self.saying:
            self.spoken += count
            self.saying = self.saying[count:]
        else:
            self.begun += count
            if count == len(piece):
                self.sent.append(self.queue.pop(0))
                self._has_passed = not self.apart and bool(self.pass_until) and self._is_passed()
                self.begun, self.apart = 0, False
        return count == len(piece)

    def _is_passed(self) -> bool:
        return not any(one.number < self.pass_until for one in self.queue)

    def _say(self) -> None:
        """Before the next message it is told of all that it misses before that one."""
        if self.saying or self.begun:
            return
        before = self.queue[0].number if self.queue else self._front
        due = [one for one in self._untold_lost if one[0] < before]
        self._untold_lost = [one for one in self._untold_lost if one[0] >= before]
        both = [sorted(missing) for missing in (due, self._untold_conflated) if missing]
        for missing in sorted(both, key=lambda one: one[-1]):
            self.saying += self._marker(missing)
        self._untold_conflated = []

    def _marker(self, missing: list[tuple[int, str]]) -> bytes:
        told = {
            "epoch": self._epoch,
            "first": missing[0][0],
            "last": missing[-1][0],
            "count": len(missing),
            "reason": missing[-1][1],
        }
        return encode_message((b"\0fanout.gap", msgpack.packb(told)))

    def _lose(self, message: Message, reason: str) -> None:
        self.lost.append((message, reason))
        if self.told >= LOSSES:
            self._untold_lost.append((message.number, reason))

    def _drop(self, kept: Amount, over: list[bool], reason: str, now: int) -> None:
        """The oldest go, until it is so much below each limit that it was over."""
        begun, waiting = self.queue[: bool(self.begun)], self.queue[bool(self.begun) :]
        self.apart = bool(begun)
        target = 0
        if over[2]:
            young = [one.number for one in self._published if now - one.time <= kept.lag_age]
            target = min(young, default=self._front)
        while waiting:
            size, count, _age = self._amount([*begun, *waiting], now)
            is_over = over[0] and size > kept.lag
            is_over = is_over or (over[1] and count > max(1, kept.lag_messages))
            if not is_over and waiting[0].number >= target:
                break
            gone = waiting.pop(0)
            self._lose(gone, reason)
            target = max(target, gone.number + 1)
        self.queue = [*begun, *waiting]
        if target >= self.pass_until:
            self.pass_until = 0

    def _thin(self) -> None:
        """What waits and is not begun becomes the newest of each topic, which are sent next."""
        begun, waiting = self.queue[: bool(self.begun)], self.queue[bool(self.begun) :]
        self.apart = bool(begun)
        if not waiting and not (begun and begun[0].number + 1 < self._front):
            return
        newest = {one.topic: one for one in waiting}
        gone = [one for one in waiting if newest[one.topic] is not one]
        self.queue = [*begun, *(one for one in waiting if newest[one.topic] is one)]
        self.conflated += gone
        if self.told == ALL:
            self._untold_conflated += [(one.number, "conflated") for one in gone]
        self.pass_until = self._front
