"""What one is sent of the topics that are new to it from one message on: exactly what, by topic.

It depends on what there is of a topic when a worker looks for that, between two times that the
simulation knows. If the publisher changed that very topic just then, more than one answer is right,
for which of its stores came first only the worker knows: these are *undecided*, and are counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.shown.feed import Feed, State


class Outcome(NamedTuple):
    """Of one topic.

    Args:
        chain: it is sent these, from the last keyframe on.
        value: or this message alone; -1 = it is not.
        lost: how often it is counted that there is no keyframe.
    """

    chain: tuple[int, ...] = ()
    value: int = -1
    lost: int = 0

    @property
    def messages(self) -> tuple[int, ...]:
        """What it is sent."""
        return self.chain or ((self.value,) if self.value >= 0 else ())


NOTHING = Outcome()
LOST = Outcome(lost=1)


class Due:
    """One of them, and what has come of it.

    Attributes:
        at: from this message on these topics are sent by themselves.
        as_of: the message before which it is sent that; None = it has not begun.
        got: what it was sent of the past, in order.
        begun, found, ended: when it began, when the keyframes were found, and when it was sent all;
            by the clock of the feed, -1 = not yet.
        lows: from which message on keyframes were looked for, and where it has jumped meanwhile.
        lost: how often it was counted that there is no keyframe.
    """

    def __init__(self, feed: Feed, at: int) -> None:
        self._feed = feed
        self.at = at
        self.as_of: int | None = None
        self.got: list[int] = []
        self.begun = self.found = self.ended = -1
        self.lows: list[int] = []
        self.lost = 0
        self._jumps: list[tuple[int, int, int]] = []

    def jump(self, target: int, lost: int, *, has_begun: bool) -> None:
        """It loses what is before this message.

        Args:
            lost: how many that are, as was counted.
            has_begun: a message, of which it still gets the rest.
        """
        if self.found < 0:
            require(not lost, f"it loses {lost} before it is sent any")
            self.lows.append(max(target, *self.lows))
        else:
            self._jumps.append((len(self.got) + has_begun, target, lost))

    def judge(self, topics: list[bytes]) -> tuple[list[int], int]:
        """All of it was sent that is to be, of these topics; returns what it has lost of it.

        Returns:
            Those messages, and of how many topics there was more than one right answer.
        """
        chain, values, lost, undecided = list[int](), list[int](), [0, 0], 0
        feed, got = self._feed, set(self.got)
        for topic in topics:
            mine = tuple(one for one in self.got if feed.messages[one].topic == topic)
            allowed = set(self._outcomes(topic))
            fitting = [one for one in allowed if one.messages == mine]
            if self._jumps:
                fitting = fitting or [
                    one for one in allowed if one.chain and set(mine) < {*one.chain}
                ]
            where = f"of {topic!r} as of {self.as_of}"
            require(bool(fitting), f"it got {[*mine]} {where}, not one of {sorted(allowed)}")
            got.difference_update(mine)
            undecided += len(allowed) > 1
            each = [one.lost for one in fitting]
            lost = [lost[0] + min(each), lost[1] + max(each)]
            chain += fitting[0].chain
            values += [fitting[0].value] if fitting[0].value >= 0 else []
        require(not got, f"it got {sorted(got)}, of which there was nothing as of {self.as_of}")
        few, many = lost
        right = few <= self.lost <= many
        require(right, f"no keyframes of {few} to {many} topics, counted were {self.lost}")
        missing = self._missing(sorted(chain))
        kept = [one for one in sorted(chain) if one not in missing]
        require(self.got == kept + sorted(values), f"it got {self.got} in a wrong order")
        return sorted(missing), undecided

    def _missing(self, chain: list[int]) -> set[int]:
        """What it was to jump over of that, and nothing else."""
        missing: set[int] = set()
        for got, target, lost in self._jumps:
            left = [one for one in chain if one not in missing]
            over = [one for one in left[got:] if one < target]
            require(len(over) == lost, f"it jumps over {over} to {target}, counted were {lost}")
            missing.update(over)
        return missing

    # What it must get of a topic.

    def _outcomes(self, topic: bytes) -> Iterator[Outcome]:
        # Where nobody has any, it is not looked for keyframes, but sent at once what is there.
        is_found = self.found >= 0
        stop, since = (self.found, self.found) if is_found else (self.ended, self.begun)
        for state in self._feed.states(topic, self.begun, stop):
            for outcome in self._outcomes_in(topic, state):
                if outcome.value < 0:
                    yield outcome
                    continue
                for then in self._feed.states(topic, since, self.ended):
                    value, is_keyed = outcome.value, state.is_keyed
                    yield from self._of_value(topic, value, then, is_keyed=is_keyed)

    def _outcomes_in(self, topic: bytes, state: State) -> Iterator[Outcome]:
        """What is found of it in a state."""
        feed, as_of = self._feed, self.as_of
        assert as_of is not None
        every = feed.of(topic, state.begin, state.stop)
        past = [one for one in every if one < as_of]
        if not every or not (past or state.is_keyed):
            yield NOTHING
        elif not state.is_keyed:
            yield Outcome(value=past[-1]) if len(past) == len(every) else NOTHING
        elif self.found < 0:  # there was no topic with keyframes when it was looked
            yield NOTHING
        else:
            yield from self._of_keyed(every, past, as_of)

    def _of_keyed(self, every: list[int], past: list[int], as_of: int) -> Iterator[Outcome]:
        feed = self._feed
        keys = [one for one in past if feed.messages[one].is_keyframe]
        lows = self.lows or [as_of]
        if keys and keys[-1] >= lows[0]:
            if keys[-1] >= lows[-1]:
                yield Outcome(chain=tuple(one for one in past if one >= keys[-1]))
                return
            yield LOST  # it was found, and then it has jumped
        if every[-1] < as_of:
            is_alone = feed.messages[every[-1]].is_keyframe
            yield Outcome(value=every[-1]) if is_alone else LOST
        else:
            first = next(one for one in every if one >= as_of)
            yield LOST if as_of and not feed.messages[first].is_keyframe else NOTHING

    def _of_value(
        self, topic: bytes, value: int, state: State, *, is_keyed: bool
    ) -> Iterator[Outcome]:
        """What it is sent of one message that was found, if its topic is in this state then."""
        every = self._feed.of(topic, state.begin, state.stop)
        is_there = bool(every) and every[-1] == value and state.is_keyed == is_keyed
        if is_there:
            yield Outcome(value=value)
        if is_there and state.is_kept:
            return
        # It was its only keyframe, and is not there any more; or perhaps the log has it.
        is_lost = is_keyed and bool(every)
        yield LOST if is_lost else NOTHING
