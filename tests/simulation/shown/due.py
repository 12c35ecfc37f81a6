"""What one is sent of the topics that are new to it from one message on: exactly what, by topic.

It depends on what there is of a topic when a worker looks for that, between two times that the
simulation knows. If the publisher changed that very topic just then, more than one answer is right,
for which of its stores came first only the worker knows: these are *undecided*, and are counted.

Who jumps by its policy while it is sent last values is sent the rest of them as of where it goes
on, but for what is older than what it was sent: that is the next *stage*.
"""

from __future__ import annotations

from itertools import chain, islice, product
from typing import TYPE_CHECKING

from tests.simulation.shown.outcome import LOST, NOTHING, Outcome, Stage
from tests.simulation.violated import Violated, require

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.simulation.shown.feed import Feed, State


CHOICES_MAX = 20_000  # of what may have been right of all topics together


class Due:
    """One of them, and what has come of it.

    Attributes:
        at: from this message on these topics are sent by themselves.
        got: what it was sent of the past, in order.
        begun, found, ended: when it began, when the keyframes were found, and when it was sent all;
            by the clock of the feed, -1 = not yet.
        passed: it is sent the newest of what comes from this message on; None = it is sent all.
        until: the message at which keyframes were looked for.
        lows: from which message on keyframes were looked for, and where it has jumped meanwhile.
        lost: how often it was counted that there is no keyframe.
        above: of what is not newer than this message it is sent nothing; -1 = of nothing.
        is_asked: it has asked for what was published from `at` on, whatever that begins with.
        is_shared: it is sent what was joined for others who want the same from the same message on:
            that may have been before it was its own turn, and something newer comes by itself.
    """

    def __init__(self, feed: Feed, at: int) -> None:
        self._feed = feed
        self.at = at
        self.got: list[int] = []
        self.begun = self.found = self.ended = -1
        self.passed: int | None = None
        self.lows: list[int] = []
        self.lost = 0
        self.until = 0
        self.above = -1
        self.is_asked = self.is_shared = False
        self._cursors: list[int] = []  # where it stood meanwhile
        self._was_passed = False  # when keyframes were looked for
        self._chained: int | None = None  # how many messages it had got when last values came
        self._stages: list[Stage] = []
        self._jumps: list[tuple[int, int, int]] = []

    @property
    def as_of(self) -> int | None:
        """It is sent what was published before this message; None = it has not begun."""
        return self._stages[-1].as_of if self._stages else None

    @property
    def is_open(self) -> bool:
        """Whether it is to be sent, or is being sent."""
        return self.ended < 0

    def stand_at(self, cursor: int) -> None:
        """It is sent last values there: mostly it has been there before."""
        if self.found >= 0 and self._chained is None:
            self._chained = len(self.got)
        as_of = cursor if self.passed is None else self.passed
        if as_of == self.as_of:
            return
        time = self._feed.tick()
        if self.begun < 0:
            self.begun = time
        elif not self.got and self.found < 0:
            self._stages.clear()  # nothing was sent of that
        self._stages.append(Stage(as_of, len(self.got), time))

    def hold(self, first: int, until: int) -> None:
        """At message `until` keyframes are looked for, from the other one on."""
        self.until = until
        self._cursors = [until]
        self.lows.append(first)

    def find(self) -> None:
        """It is known what there is of topics with keyframes."""
        self.found = self._feed.tick()
        self._was_passed = self.passed is not None

    def pass_by(self, first: int, front: int) -> None:
        """It is sent the newest of what waits for it between these messages."""
        due = self.at if self.as_of is None else self.as_of
        if self.is_open and self.passed is None and due < front:
            self.passed = max(due, first)

    def go_on_at(self, target: int) -> None:
        """It has to jump beyond where keyframes are looked for."""
        if self.found < 0:
            self._cursors.append(target)

    def jump(self, target: int, lost: int, *, has_begun: bool) -> None:
        """While it is sent what was published before, it loses what is before this message.

        Args:
            lost: how many that are, as was counted.
            has_begun: a message, of which it still gets the rest.
        """
        if self.found < 0:
            require(not lost, f"it loses {lost} before it is sent any")
            self.lows.append(max(target, *self.lows))
        else:
            self._jumps.append((len(self.got) + has_begun, target, lost))

    @property
    def is_in_values(self) -> bool:
        """Whether what comes is not found any more, but looked at when it is sent."""
        return self.found < 0 or self._chained is not None

    def judge(self, topics: Mapping[bytes, int]) -> tuple[list[int], int]:
        """All of it was sent that is to be, of these topics; returns what it has lost of it.

        Args:
            topics: and until when each was wanted.

        Returns:
            Those messages, and of how many topics there was more than one right answer.
        """
        found = [self._fitting(topic, until) for topic, until in topics.items()]
        got = set(self.got).difference(*(self._got_of(topic) for topic in topics))
        require(not got, f"it got {sorted(got)}, of which there was nothing as of {self.as_of}")
        problem: Violated | None = None
        # What is right of one topic may depend on what was of another: they are looked at together.
        for chosen in islice(product(*(fitting for fitting, _is_open in found)), CHOICES_MAX):
            try:
                missing = self._missing_if(chosen)
            except Violated as error:
                problem = problem or error
            else:
                return missing, sum(is_open for _fitting, is_open in found)
        assert problem is not None
        raise problem

    def _fitting(self, topic: bytes, until: int) -> tuple[list[Outcome], bool]:
        """What of all that is right of a topic it may have got, and whether that is open."""
        mine, allowed = self._got_of(topic), {*self._if_wanted_until(topic, until)}
        fitting = [one for one in allowed if one.messages == mine]
        if self._jumps:  # over all or some of a chain; values of a later stage may follow that
            fitting += [one for one in allowed if _is_cut_short(one, mine)]
        where = f"of {topic!r} as of {[one.as_of for one in self._stages]}"
        require(bool(fitting), f"it got {[*mine]} {where}, not one of {sorted(allowed)}")
        # That it is alone is of no interest any more.
        fitting = [one._replace(is_alone=False) for one in fitting]
        is_open = len({(one.messages, one.lost) for one in allowed}) > 1
        return sorted({*fitting}), is_open

    def _got_of(self, topic: bytes) -> tuple[int, ...]:
        messages = self._feed.messages
        return tuple(one for one in self.got if messages[one].topic == topic)

    def _missing_if(self, chosen: Sequence[Outcome]) -> list[int]:
        """This is right of each topic; returns what it has lost of it."""
        lost = sum(one.lost for one in chosen)
        require(lost == self.lost, f"no keyframes of {lost} topics, counted were {self.lost}")
        keys = sorted(chain.from_iterable(one.chain for one in chosen))
        values = sorted(chain.from_iterable(one.values for one in chosen))
        missing = self._missing(keys)
        kept = [one for one in keys if one not in missing]
        require(self.got == kept + values, f"it got {self.got} in a wrong order")
        return sorted(missing)

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

    def _if_wanted_until(self, topic: bytes, until: int) -> Iterator[Outcome]:
        """What has been found of it is sent; of what is looked at then, what is wanted then."""
        if until > self.begun:
            yield from self._outcomes(topic)
        if until < max(self.found, self.begun) or (self.found < 0 and until < self.ended):
            yield NOTHING
        if until < self.ended:
            for one in self._outcomes(topic):
                for count in range(len(one.values)):
                    yield one._replace(values=one.values[:count])

    def _outcomes(self, topic: bytes) -> Iterator[Outcome]:
        found = {*self._first(topic)}
        if len(self._stages) > 1:
            highest = self._highest_of_stages()
            found = {self._cut(one, highest[1]) for one in found}
            for number in range(1, len(self._stages)):
                low, high = highest[number], highest[number + 1]
                found = {
                    then for one in found for then in self._next(topic, one, number, low, high)
                }
        yield from found

    def _highest_of_stages(self) -> list[int]:
        """The last value that it got before each stage; of the last one, more than there is."""
        values = self.got[self._chained or 0 :]
        ends = [one.got - (self._chained or 0) for one in self._stages[1:]]
        highest = [-1, *(max(values[:end], default=-1) for end in ends)]
        return [*highest, len(self._feed.messages)]

    def _cut(self, outcome: Outcome, most: int) -> Outcome:
        """As far as it was sent before it had to jump."""
        kept = tuple(one for one in outcome.values if one <= most)
        return outcome._replace(values=kept)

    def _next(
        self, topic: bytes, outcome: Outcome, number: int, low: int, high: int
    ) -> Iterator[Outcome]:
        """What it is sent in a later stage, of what is above `low` and not above `high`."""
        stage = self._stages[number]
        ends = [one.begun for one in self._stages[number + 1 :]]
        for state in self._feed.states(topic, stage.begun, min(ends, default=self.ended)):
            every = self._feed.of(topic, state.begin, state.stop)
            last = every[-1] if every else -1
            is_of_use = last < stage.as_of
            then = self._of_others(every, stage.as_of, state)
            if max(low, self.above) < then <= high:
                yield outcome.and_then(then)
            if outcome.is_alone:
                is_of_use = is_of_use and self._feed.messages[last].is_keyframe
            if not max(low, self.above) < last or state.is_keyed != outcome.is_alone:
                yield outcome
            elif last > high:  # before it was sent, it has jumped; but it may have been looked at
                yield outcome
                if outcome.is_alone and not is_of_use:
                    yield outcome.and_then(lost=1)
            elif not is_of_use:
                yield outcome.and_then(lost=1) if outcome.is_alone else outcome
            else:
                yield outcome.and_then(last)
                if not state.is_kept:  # perhaps the log has it
                    yield outcome.and_then(lost=1) if outcome.is_alone else outcome

    def _first(self, topic: bytes) -> Iterator[Outcome]:
        # Where nobody has any, it is not looked for keyframes, but sent at once what is there.
        is_found = self.found >= 0
        ended = self._stages[1].begun if len(self._stages) > 1 else self.ended
        stop, since = (self.found, self.found) if is_found else (ended, self.begun)
        for state in self._feed.states(topic, self.begun, stop):
            for outcome in self._in_state(topic, state):
                if not outcome.values:
                    yield outcome
                    continue
                for then in self._feed.states(topic, since, ended):
                    yield from self._of_value(topic, outcome, then)

    def _in_state(self, topic: bytes, state: State) -> Iterator[Outcome]:
        """What is found of it in a state."""
        feed, as_of = self._feed, self._stages[0].as_of
        every = feed.of(topic, state.begin, state.stop)
        past = [one for one in every if one < as_of]
        if not every or every[-1] <= self.above or not (past or state.is_keyed):
            yield NOTHING
        elif not state.is_keyed:
            yield Outcome(values=(past[-1],)) if len(past) == len(every) else NOTHING
            if self._of_others(every, as_of, state) > self.above:
                yield Outcome(values=(past[-1],))
        elif self.found < 0:  # there was no topic with keyframes when it was looked
            yield NOTHING
        elif self.is_asked:
            yield self._of_asked(every[-1])
        else:
            yield from self._of_keyed(every)

    def _of_others(self, every: list[int], as_of: int, state: State) -> int:
        """What others were sent of a topic of which there is something newer; -1 = nothing."""
        past = [one for one in every if one < as_of]
        is_right = self.is_shared and not state.is_keyed and len(past) < len(every)
        return past[-1] if past and is_right else -1

    def _of_asked(self, last: int) -> Outcome:
        if last >= self.at:
            return NOTHING  # it comes by itself
        is_alone = self._feed.messages[last].is_keyframe
        return Outcome(values=(last,), is_alone=True) if is_alone else LOST

    def _of_keyed(self, every: list[int]) -> Iterator[Outcome]:
        feed, until, last = self._feed, self.until, every[-1]
        past = [one for one in every if one < until]
        keys = [one for one in past if feed.messages[one].is_keyframe]
        lows = self.lows or [until]
        # Of what comes it was sent the newest: nothing older comes after that.
        is_passed = self._was_passed and last >= self._stages[0].as_of
        if keys and keys[-1] >= lows[0] and not is_passed:
            if keys[-1] >= lows[-1]:
                yield Outcome(chain=tuple(one for one in past if one >= keys[-1]))
                return
            yield LOST  # it was found, and then it has jumped
        if last < until and feed.messages[last].is_keyframe:
            yield NOTHING if is_passed else Outcome(values=(last,), is_alone=True)
        elif last < until:
            yield LOST
        else:
            for cursor in self._cursors:
                first = next((one for one in every if one >= cursor), None)
                comes = first is not None and feed.messages[first].is_keyframe
                yield NOTHING if comes or not until else LOST

    def _of_value(self, topic: bytes, outcome: Outcome, state: State) -> Iterator[Outcome]:
        """What it is sent of one message that was found, if its topic is in this state then."""
        every = self._feed.of(topic, state.begin, state.stop)
        is_there = bool(every) and every[-1] == outcome.values[-1]
        is_there = is_there and state.is_keyed == outcome.is_alone
        if is_there or self._of_others(every, self._stages[0].as_of, state) == outcome.values[-1]:
            yield outcome
        if is_there and state.is_kept:
            return
        # It was its only keyframe, and is not there any more; or perhaps the log has it.
        is_lost = outcome.is_alone and bool(every)
        yield LOST if is_lost else NOTHING


def _is_cut_short(outcome: Outcome, got: tuple[int, ...]) -> bool:
    """Whether that is some of its chain only, and then its values: which ones says each jump."""
    split = len(got) - len(outcome.values)
    return split >= 0 and {*got[:split]} < {*outcome.chain} and got[split:] == outcome.values
