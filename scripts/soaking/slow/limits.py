"""Whether what a slow subscriber got and lost is what its limit says. Pure.

Who stalls shows it best: what it got is what the kernel took, and then what was kept for it. What
the kernel took is what was counted as sent when the publishing ended, and nobody had read yet.

A message may be partly sent, and is sent to its end whatever becomes of the others. It counts as
one that waits, with the rest of its bytes. So what is kept behind it may be one message less than
fits, and what waits below a limit in bytes one more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from soaking.slow.people import AGE, BYTES, MESSAGES, STALLS, TOPICS, WATCHED
from soaking.slow.window import AHEAD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from soaking.slow.looks import Look
    from soaking.slow.people import Person
    from soaking.slow.runs import Runs

NS = 1_000_000_000
KEPT = 15 / 16  # of a limit: so much stays at least where the oldest are dropped
# Limits are looked at between the sends of a worker, and what one turn brings may be above them.
# On two cores with two hundred readers a turn may wait for its processor for so long.
TURN_S = 0.5
PASSES = 2  # with `conflate`: what is being sent, and the newest of what came meanwhile
TEXTS = {
    BYTES: "bytes wait for it",
    MESSAGES: "messages wait for it",
    AGE: "its oldest message has waited for",
}


def breaches(
    person: Person, end: Look, looks: Sequence[Look], runs: Runs, times: Sequence[float]
) -> Iterator[str]:
    """What is not as the limit of one that is still there says.

    Args:
        end: when all was published and nobody had begun to read what was left.
        looks: those before.
        times: before each message was published.
    """
    if person.policy == "conflate":
        yield from _conflated(person, end, runs)
        return
    if not person.kind:
        return
    yield from _over(person, end, times)
    holes = [(first, last) for first, last in runs.holes if first < end.published]
    if person.policy == "drop_oldest" and holes:
        yield from _oldest(person, holes, end, times)
        yield from _too_soon(person, runs, times)
    if person.policy == "drop_newest":
        for run, hole in zip(runs.all, holes, strict=False):
            yield from _whole(person, run.first, hole[0], times)
        if person.pace == STALLS:
            yield from _present(person, end, looks, runs, times)


def _over(person: Person, end: Look, times: Sequence[float]) -> Iterator[str]:
    """Nobody is over its limit once its worker has seen all, and nothing more comes.

    But what waited with `drop_newest` when its age was reached is sent, however old it becomes.
    """
    if person.kind == AGE:
        is_finishing = person.policy == "drop_newest" and end.dropped
        if end.queued and not is_finishing:
            oldest = person.wanted_before(end.published, end.queued)
            age = end.at - _after(times, oldest, end)
            if age > person.limit_age + TURN_S:
                yield f"message {oldest} waits for {age:.2f} s, its limit is {person.limit_age}"
    elif end.queued > person.limit_count + (person.kind == BYTES):
        yield f"{end.queued} messages wait for it, its limit is {person.limit_count}"


def _oldest(
    person: Person, holes: Sequence[tuple[int, int]], end: Look, times: Sequence[float]
) -> Iterator[str]:
    """After the last that it lost there came a tail of 15/16 of the limit at least."""
    if person.kind == AGE:
        # What waited then may have been lost since. What is before that was lost by then, or sent.
        before = person.wanted_before(end.published, end.queued + 1)
        gone = [min(last, before) for first, last in holes if first <= before]
        if end.queued and gone:
            age = end.at - times[gone[-1]]
            if age < person.limit_age * KEPT:
                yield f"message {gone[-1]} was lost when it was no more than {age:.2f} s old"
        return
    tail = person.wanted_between(holes[-1][1] + 1, end.published)
    least = person.kept_count(KEPT) - 1  # and one that was partly sent
    if tail < least:
        yield f"it got {tail} messages after the last that it lost, and {least} fit its limit"


def _too_soon(person: Person, runs: Runs, times: Sequence[float]) -> Iterator[str]:
    """None is lost by its age that is still younger than that when the next one arrives."""
    for (_, last), heard in zip(runs.holes, runs.hole_times, strict=True):
        if person.kind == AGE and heard - times[last] < person.limit_age * KEPT:
            yield f"it never got message {last}, and the next one {heard - times[last]:.2f} s later"
            return


def _whole(person: Person, first: int, hole: int, times: Sequence[float]) -> Iterator[str]:
    """What is lost comes after a whole limit of what is not."""
    if person.kind == AGE:
        span = times[hole] - times[person.next_after(first - 1)]
        if span < person.limit_age - TURN_S:
            yield f"it lost {hole}, {span:.2f} s after {first}, and its limit was not reached"
        return
    count = person.wanted_between(first, hole)
    if count < person.limit_count:
        yield f"it got {count} messages before it lost {hole}, and {person.limit_count} may wait"


def _present(
    person: Person, end: Look, looks: Sequence[Look], runs: Runs, times: Sequence[float]
) -> Iterator[str]:
    """Who stalls gets what the kernel took, what waited at the limit, and then the present."""
    if not runs.holes:
        return
    (hole, last), *more = runs.holes
    if more or person.next_after(last) < end.published:
        yield f"it lost {runs.holes[:3]}..., not one part up to message {end.published}"
    # What was sent when it was at its limit lies between the looks before and after.
    before = max((look.sent for look in looks if not look.dropped), default=0)
    if person.kind == AGE:
        oldest = runs.at(before)
        if times[hole] - times[oldest] < person.limit_age - TURN_S:
            yield f"it lost {hole}, and had {oldest} to get, which was not old yet"
        oldest, kept = runs.at(end.sent), runs.at(person.wanted_between(0, hole) - 1)
        if oldest < hole and times[kept] - times[oldest] > person.limit_age + 2 * TURN_S:
            yield f"it was kept {kept}, and had {oldest} to get, which was too old before"
        return
    came = person.wanted_between(0, hole)
    if came - before < person.limit_count:
        yield f"{came} came, {before} were sent before its limit: {person.limit_count} may wait"


def _conflated(person: Person, end: Look, runs: Runs) -> Iterator[str]:
    """The newest of each topic came, and of each no more than one or two that waited."""
    lap = end.published - TOPICS
    missing = [last for _, last in runs.holes if lap <= last < end.published]
    if missing:
        yield f"the newest on some topics are missing: {missing[-1]} of {end.published} messages"
    topics = TOPICS if person.first < 0 else WATCHED
    came = runs.below(end.published) - end.sent
    if came > PASSES * topics:
        yield f"{came} came that had waited, of {topics} topics"


def parted(person: Person, account: Any, times: Sequence[float]) -> Iterator[str]:
    """What is not as it must be with one that was closed at its limit."""
    if account.reason.label != "too_slow" or TEXTS.get(person.kind, "?") not in account.text:
        yield f"it was closed ({account.reason.label}): {account.text}"
    waited = account.discarded
    if person.kind == AGE:
        oldest = person.wanted_after(0, account.sent)
        age = account.closed / NS - times[oldest]
        if not person.limit_age <= age <= person.limit_age + 2 * TURN_S:
            yield f"it was closed when {oldest} had waited for {age:.2f} s"
        return
    if person.kind == BYTES and account.discarded_bytes <= person.limit:
        yield f"it was closed when {account.discarded_bytes} bytes waited: {person.limit} may"
    if person.kind == MESSAGES and waited <= person.limit_messages:
        yield f"it was closed when {waited} messages waited: {person.limit_messages} may"
    if waited > person.limit_count + AHEAD:  # what one turn may bring
        yield f"it was closed when {waited} messages waited, {person.limit_count} may"


def _after(times: Sequence[float], number: int, end: Look) -> float:
    """When this message had been published: before the next one was."""
    return times[number + 1] if number + 1 < end.published else end.at
