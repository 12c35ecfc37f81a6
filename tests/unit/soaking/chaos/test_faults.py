"""Which worker is hit next."""

from __future__ import annotations

import random
import signal
from collections import Counter

from soaking.chaos.faults import BETWEEN_S, WEIGHTS, Event, Faults, Worker

TWO = [Worker(0, 100, True, 50), Worker(1, 101, True, 50)]
ONE = [Worker(0, 100, True, 50), Worker(1, 101, False, 0)]


def run(workers: list[Worker], seconds: float, calls: tuple[str, ...] = ()) -> list[Event]:
    faults = Faults(random.Random(1), 2, calls)
    seen = [faults.due(step / 500, workers) for step in range(int(seconds * 500))]
    return [event for event in seen if event is not None]


def test_everything_happens_at_the_rate_that_is_wanted() -> None:
    events = [event for event in run(TWO, 500, ("move", "resize")) if event.what]
    kinds = Counter(event.what.partition(",")[0] for event in events)

    assert 500 / BETWEEN_S[1] < len(events) < 500 / BETWEEN_S[0]
    assert kinds.keys() == {*WEIGHTS, "move", "resize"}
    assert all(event.call == event.what for event in events if event.what in ("move", "resize"))


def test_a_survivor_is_killed_during_the_takeover_and_who_is_paused_goes_on() -> None:
    events = run(TWO, 300)
    later = [event for event in events if not event.what]
    by = Counter(hit.by for event in later for hit in event.hits)

    assert by.keys() == {signal.SIGKILL, signal.SIGCONT}
    all_at_once = [event for event in events if event.what == "all"]
    assert {len(event.hits) for event in all_at_once} == {2}


def test_where_workers_take_long_to_start_they_are_mostly_left_alone() -> None:
    events = run(ONE, 100)

    assert 0 < len(events) < len(run(TWO, 100))
    assert {event.what.partition(", ")[2] for event in events if "kill" in event.what} == {
        "the only one"
    }


def test_where_no_worker_is_nothing_happens() -> None:
    assert run([], 10) == []
    assert {event.what for event in run([Worker(0, 1, False, 0)], 300)} == {"while starting"}
