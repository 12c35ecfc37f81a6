"""Which topics the log has, how often they come, and when the last time: looked through at times.

A message has the number of its topic beside it, so most of it is counting numbers, thousands in a
call. A number belongs to one topic for ever, so its name is read once. Pure.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, NamedTuple

from fanout.terms.question_terms import (
    RATE_S,
    STRIDE,
    SURVEY_S,
    SURVEY_TOPICS_MAX,
    SURVEY_WORK_S,
    SURVEYS_KEPT,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.answers.view import View, Watch

LOOK_EACH = 64  # topics between looks at the clock: a name is read in some 5 us
SHORTEST_WINDOW_S = 0.1  # notes of the log's length are so far apart: less says nothing


class Row(NamedTuple):
    """A topic."""

    name: bytes
    sequence: int  # of its last message
    messages: int  # of it in the window


class Survey(NamedTuple):
    """All of them, as of some time."""

    number: int  # of this survey
    made: float  # seconds of the clock
    first: int  # what was published before was not looked at
    window: float  # seconds over which they were counted
    rows: list[Row]
    is_complete: bool  # False: there was no time for some, which the next one may have


class Surveyor:
    """Makes surveys, and keeps the last ones. Owned by one thread.

    Args:
        clock: seconds.
    """

    def __init__(self, view: View, clock: Callable[[], float]) -> None:
        self._view = view
        self._clock = clock
        self._kept: deque[Survey] = deque(maxlen=SURVEYS_KEPT)
        self._numbers = 0
        self._names: dict[int, bytes] = {}  # by the numbers of topics

    def current(self, watch: Watch) -> Survey:
        """The last one, or a new one if that is too old."""
        now = self._clock()
        if not self._kept or now - self._kept[-1].made >= SURVEY_S:
            watch.allow(SURVEY_WORK_S)
            self._kept.append(self._make(watch))
        return self._kept[-1]

    def find(self, number: int) -> Survey | None:
        """One that was made before; None: it is not kept any more."""
        return next((one for one in self._kept if one.number == number), None)

    def name_of(self, identifier: int, sequence: int) -> bytes | None:
        """The topic with this number, which that message is on; None: it is gone."""
        name = self._names.get(identifier)
        if name is not None:
            return name
        told = self._view.message(sequence)
        if told is None:
            return None
        if identifier:
            if len(self._names) >= SURVEY_TOPICS_MAX:
                self._names.clear()
            self._names[identifier] = told.topic
        return told.topic

    def _make(self, watch: Watch) -> Survey:
        view = self._view
        head, first = view.head(), view.oldest()
        begin, window = view.window(RATE_S)
        last: dict[int, int] = {}
        counts: Counter[int] = Counter()
        at = first
        while at < head and not watch.is_over():
            # It is looked through towards the head, which is what is overwritten last.
            stop = min(head, at + STRIDE)
            if at < begin < stop:
                stop = begin
            ids = view.topic_ids(at, stop)
            if view.oldest() > at:  # the writer has come round
                first = at = max(stop, view.oldest())
                continue
            if len(last) > SURVEY_TOPICS_MAX:
                last.clear()
                first = at
            last.update(zip(ids, range(at, stop), strict=True))
            if at >= begin:
                counts.update(ids)
            at = stop
        if first > begin:
            window = view.age(first)
        window = max(SHORTEST_WINDOW_S, window)
        last.pop(0, None)  # those that have no number are no topics
        self._numbers += 1
        rows, has_all = self._rows(last, counts, watch)
        is_complete = has_all and at >= head
        return Survey(self._numbers, self._clock(), first, window, rows, is_complete)

    def _rows(
        self, last: dict[int, int], counts: Counter[int], watch: Watch
    ) -> tuple[list[Row], bool]:
        """The topics with these numbers, and whether that are all of them."""
        found: dict[bytes, Row] = {}
        for index, (identifier, sequence) in enumerate(last.items()):
            if index % LOOK_EACH == 0 and watch.is_over():
                return list(found.values()), False
            name = self.name_of(identifier, sequence)
            if name is None:
                continue
            other = found.get(name)  # it was forgotten meanwhile, and has got another number
            row = Row(name, sequence, counts[identifier])
            if other is not None:
                row = Row(name, max(sequence, other.sequence), row.messages + other.messages)
            found[name] = row
        return list(found.values()), True
