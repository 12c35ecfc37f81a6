"""All that was published on topics with last values and keyframes, and what was done with it.

A topic has had a number of *states*, one after the other. The publisher changes one in several
stores, and a worker may look between any two of these: so whoever looks while it changes may find
it as it was before, as it is afterwards, or as it is in between, and only then.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Message:
    """One that was published."""

    topic: bytes
    is_keyframe: bool


class State(NamedTuple):
    """What there is of a topic.

    Args:
        begin: what was published of it before this message was forgotten.
        stop: what was published of it from this message on is not there yet.
        is_keyed: whether it is known to have keyframes.
        is_kept: whether its last value was not evicted.
    """

    begin: int = 0
    stop: int = 0
    is_keyed: bool = False
    is_kept: bool = True


class Change(NamedTuple):
    """A change of what there is of a topic, and what it may be taken for meanwhile.

    Args:
        begun, done: by the clock of the feed.
    """

    begun: int
    done: int
    between: tuple[State, ...]
    after: State


@dataclass
class Feed:
    """What was published, and what has become of it.

    Attributes:
        size: bytes of the log that may be asked for.
        log_bytes, entries: bytes and messages that it holds.
        clock: of all that happens, one thing after the other.
    """

    size: int
    log_bytes: int
    entries: int
    messages: list[Message] = field(default_factory=list)
    starts: list[int] = field(default_factory=lambda: [0])
    times: list[int] = field(default_factory=list)
    clock: int = 0
    _numbers: dict[bytes, list[int]] = field(default_factory=dict)  # of messages, by topic
    _changes: dict[bytes, list[Change]] = field(default_factory=dict)
    _under_way: tuple[bytes, tuple[State, ...], int] | None = None

    # What the publisher does.

    def begin(self, message: Message, size: int, now: int, *, is_value: bool) -> None:
        """The next message is about to be committed."""
        head = len(self.messages)
        self.messages.append(message)
        self._numbers.setdefault(message.topic, []).append(head)
        self.times.append(now)
        self.starts.append(self.starts[-1] + size)
        if is_value:
            state = self._now(message.topic)
            marked = state._replace(is_keyed=state.is_keyed or message.is_keyframe)
            self._begin(message.topic, marked, marked._replace(stop=head + 1))

    def end(self, head: int, *, is_value: bool) -> None:
        """It was, or there is nothing from this message on."""
        is_committed = head == len(self.messages)
        topic = self.messages[-1].topic
        for message in self.messages[head:]:
            self._numbers[message.topic].pop()
        del self.messages[head:], self.times[head:], self.starts[head + 1 :]
        if not is_value:
            return
        state = self._now(topic)
        if is_committed:
            assert self._under_way is not None
            state = self._under_way[1][-1]._replace(is_kept=True)
        self._end(state)

    def begin_to_forget(self, topic: bytes) -> None:
        """A topic has no value any more from now on, or a little later; nor its place."""
        self._begin(topic, State(len(self.messages), len(self.messages)))

    def has_forgotten(self) -> None:
        """It is done."""
        assert self._under_way is not None
        self._end(self._under_way[1][-1])

    def evict(self, topic: bytes) -> None:
        """Its last value is not kept; this may happen while another message is published."""
        now = self._now(topic)
        after = now._replace(is_kept=False)
        self._add(topic, Change(self.tick(), self.tick(), (after,), after))

    def tick(self) -> int:
        """One thing more happens; returns its number."""
        self.clock += 1
        return self.clock

    def _begin(self, topic: bytes, *states: State) -> None:
        assert self._under_way is None, "the publisher does one thing after the other"
        self._under_way = topic, states, self.tick()

    def _end(self, state: State) -> None:
        assert self._under_way is not None
        topic, between, begun = self._under_way
        self._add(topic, Change(begun, self.tick(), between, state))
        self._under_way = None

    def _add(self, topic: bytes, change: Change) -> None:
        self._changes.setdefault(topic, []).append(change)

    def _now(self, topic: bytes) -> State:
        changes = self._changes.get(topic)
        return changes[-1].after if changes else State()

    # What there is.

    @property
    def topics(self) -> list[bytes]:
        """Those that have had a value."""
        return sorted(self._changes)

    def is_kept(self, topic: bytes) -> bool:
        """Whether its last value was kept all the time."""
        changes = self._changes.get(topic, ())
        return all(change.after.is_kept and not change.after.begin for change in changes)

    def states(self, topic: bytes, first: int, last: int) -> list[State]:
        """What it may have been taken for between two times."""
        found = [State()]
        for change in self._changes.get(topic, ()):
            if change.done < first:
                found = [change.after]
            elif change.begun <= last:
                found += [*change.between, change.after]
        if self._under_way is not None:
            changes, between, begun = self._under_way
            found += between if changes == topic and begun <= last else ()
        return list(dict.fromkeys(found))

    def of(self, topic: bytes, first: int, stop: int) -> list[int]:
        """The messages of a topic between two."""
        numbers = self._numbers.get(topic, [])
        return numbers[bisect_left(numbers, first) : bisect_left(numbers, stop)]

    def bytes_between(self, first: int, stop: int) -> int:
        """Of these messages."""
        return self.starts[min(stop, len(self.messages))] - self.starts[first]

    def bytes_of(self, messages: Iterable[int]) -> int:
        """Of these."""
        return sum(self.bytes_between(one, one + 1) for one in messages)

    def asked_from(self, until: int, floor: int) -> int:
        """The first message that may be asked for by who comes at `until`, if `floor` is there."""
        first = min(max(until - self.entries // 2, floor), until)
        while first < until and self.bytes_between(first, until) > self.size:
            first += 1
        return first

    def is_behind(self, first: int, front: int, part: float) -> bool:
        """Whether more than a part of the log lies between a message and the front."""
        is_far = front - first > int(self.entries * part)
        return is_far or self.bytes_between(first, front) > int(self.log_bytes * part)
