"""Looking at a publisher again and again: readings, rates between them, and what is to be shown."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.basics.units import NS
from fanout.cli.top.ends import Ends
from fanout.cli.top.figures import (
    EndFigures,
    Frame,
    PublisherFigures,
    Rates,
    Reading,
    SubscriberFigures,
    WorkerFigures,
    age_s,
)
from fanout.cli.top.ordering import matches, order, window
from fanout.errors import ClosedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout.cli.top.columns import Column
    from fanout.observe.publishers import FoundPublisher
    from fanout.observe.reader import Reader
    from fanout.observe.rows import WorkerRow
    from fanout.observe.survey import Survey
    from fanout.statistics import PublisherStatistics

RATE_S = 1.0  # a rate is over so long, or over one interval if that is longer
CHECKPOINT_S = 0.1  # a worker brings so many figures up to date in so much time
CHECKPOINT_SUBSCRIBERS = 1_000
CHECKPOINTS = 3  # rates of sums are over so many of these times: else they would jump up and down


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which subscribers are to be shown, and in what order.

    Attributes:
        sort: by this column; None = by id, upwards.
        rows: so many at most, None = all.
        first: begin at this place.
        selected: have this one, by its id, among them.
        ended: those that have ended, the newest first; of these
        after: only ends with a number above this one.
    """

    sort: Column | None = None
    descending: bool = False
    filter: str = ""
    rows: int | None = None
    first: int = 0
    selected: int | None = None
    ended: bool = False
    after: int = 0


@dataclass(frozen=True, slots=True)
class _Look:
    totals: PublisherStatistics
    workers: Sequence[WorkerRow]
    survey: Survey
    reading: Reading


class Watcher:
    """Looks at one publisher; each look is a reading that rates are made of.

    Args:
        found: the publisher; it must have a reader.
        clock: monotonic ns.
        wall: s since 1970.
        is_alive: whether the process of this id is there.

    Attributes:
        pid: of the publisher.
        interval_s: seconds between two looks.

    Raises:
        ClosedError: from `look()` and `frame()`, when the publisher has ended.
    """

    def __init__(
        self,
        found: FoundPublisher,
        *,
        interval_s: float,
        clock: Callable[[], int],
        wall: Callable[[], float],
        is_alive: Callable[[int], bool],
    ) -> None:
        assert found.reader is not None
        self.pid = found.pid
        self._reader: Reader = found.reader
        self._clock = clock
        self._wall = wall
        self._is_alive = is_alive
        self.interval_s = interval_s
        self._ends = Ends(self._reader)
        self._readings: deque[Reading] = deque()
        self._last: _Look | None = None

    @property
    def last_end(self) -> int:
        """The number of the newest end that was read."""
        return self._ends.last

    def look(self) -> None:
        """Read the counters."""
        if not self._is_alive(self.pid):
            raise ClosedError(f"process {self.pid} is gone, and its publisher with it")
        totals = self._reader.totals()
        workers = [row for row in self._reader.workers() if not row.is_retired]
        survey = self._reader.survey()
        reading = Reading(
            now=self._clock(),
            published=totals.published,
            published_bytes=totals.published_bytes,
            sent=totals.sent,
            dropped=totals.dropped,
            workers={row.index: (row.sent, row.sent_bytes) for row in workers},
        )
        self._last = _Look(totals, workers, survey, reading)
        self._readings.append(reading)
        largest = max((row.subscribers for row in workers), default=0)
        self._forget(largest)

    def frame(self, wanted: Wanted) -> Frame:
        """What the last look has found; of those subscribers that are shown, how they are now."""
        if self._last is None:
            self.look()
        assert self._last is not None
        look = self._last
        before = self._readings[0] if len(self._readings) > 1 else None
        rates = Rates(before, look.reading)
        if wanted.ended:
            return self._frame_of_ends(look, rates, wanted)
        places = self._places(look, wanted)
        rows = len(places) if wanted.rows is None else wanted.rows
        first = window(len(places), rows, wanted.first, self._place_of(look, places, wanted))
        return Frame(
            publisher=self._publisher(look, rates),
            workers=[self._worker(row, look, rates) for row in look.workers],
            subscribers=self._subscribers(look, places[first : first + rows]),
            first=first,
            order=[look.survey.ids[place] for place in places],
        )

    def _frame_of_ends(self, look: _Look, rates: Rates, wanted: Wanted) -> Frame:
        self._ends.look(self._clock(), self._wall())
        found = self._ends.newest(wanted.filter, wanted.after)
        ids = [one.statistics.id for one in found]
        rows = len(found) if wanted.rows is None else wanted.rows
        place = ids.index(wanted.selected) if wanted.selected in ids else None
        first = window(len(found), rows, wanted.first, place)
        return Frame(
            publisher=self._publisher(look, rates),
            workers=[self._worker(row, look, rates) for row in look.workers],
            subscribers=(),
            first=first,
            order=ids,
            ended=found[first : first + rows],
        )

    def ended(self, subscriber: int) -> EndFigures | None:
        """The end of one of those that the last frame of them had; None if it is not kept."""
        return self._ends.of(subscriber)

    def subscriber(self, subscriber: int) -> SubscriberFigures | None:
        """One of those of the last look, as it is now; None if it is not there any more."""
        look = self._last
        if look is None or subscriber not in look.survey.ids:
            return None
        found = self._subscribers(look, [look.survey.ids.index(subscriber)])
        return found[0] if found else None

    def end_of(self, subscriber: int) -> str:
        """Why it left, if that is known; it may take a moment."""
        ends = [end for _number, end in self._reader.closed() if end.subscriber == subscriber]
        return ends[-1].text if ends else ""

    def _forget(self, largest: int) -> None:
        """Let go of readings that no rate is made of any more.

        Args:
            largest: subscribers of the worker that has most.
        """
        needed_s = CHECKPOINTS * CHECKPOINT_S * largest / CHECKPOINT_SUBSCRIBERS
        span = int(max(RATE_S, self.interval_s, needed_s) * NS * 0.9)  # timers are not exact
        newest = self._readings[-1].now
        while len(self._readings) > 2 and newest - self._readings[1].now >= span:
            self._readings.popleft()

    def _places(self, look: _Look, wanted: Wanted) -> list[int]:
        survey = look.survey
        chosen = None
        if wanted.filter.strip():
            chosen = [matches(wanted.filter, texts) for texts in survey.texts()]
        keys = survey.ids if wanted.sort is None else wanted.sort.sort_by(survey)
        return order(survey.ids, keys, chosen, descending=wanted.descending)

    def _place_of(self, look: _Look, places: list[int], wanted: Wanted) -> int | None:
        ids = look.survey.ids
        found = (place for place, index in enumerate(places) if ids[index] == wanted.selected)
        return next(found, None)

    def _subscribers(self, look: _Look, places: list[int]) -> list[SubscriberFigures]:
        survey = look.survey
        now = {one.id: one for one in self._reader.subscribers(survey.slots[i] for i in places)}
        who = survey.identities_at(places)
        return [
            SubscriberFigures(
                now[survey.ids[index]], age_s(it.since, look.reading.now) if it else None
            )
            for index, it in zip(places, who, strict=True)
            if survey.ids[index] in now  # else it has left since
        ]

    def _worker(self, row: WorkerRow, look: _Look, rates: Rates) -> WorkerFigures:
        return WorkerFigures(
            row,
            max(0, look.totals.published - row.front),
            age_s(row.heartbeat, look.reading.now),
            *rates.worker(row.index),
        )

    def _publisher(self, look: _Look, rates: Rates) -> PublisherFigures:
        reader = self._reader
        return PublisherFigures(
            name=reader.name,
            pid=self.pid,
            epoch=reader.epoch,
            state=reader.state.name.lower(),
            started=reader.started / NS,
            now=self._wall(),
            heartbeat_age_s=age_s(reader.heartbeat, self._clock()),
            poisoned=reader.poisoned,
            log_bytes=reader.log_bytes,
            log_used_bytes=reader.log_used(),
            statistics=look.totals,
            rates=rates,
        )
