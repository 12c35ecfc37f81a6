"""What each verb of fanout costs its caller, against `publish()`: a child process of its own.

A call is too short to be timed alone, and the speed of a machine changes from one second to the
next. So stretches of calls of the verb and of `publish()` alternate, in CPU time of the thread, and
the ratio is the median of that of neighbours. Between them is a stretch of the `publish()` of the
same kind, awaited or in a batch. Nobody subscribes: what is measured is the call.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from typing import TYPE_CHECKING, Any

import msgpack

import fanout.asyncio
from benchmarks.children import run_child
from benchmarks.verbs import (
    ASYNCIO,
    BATCH,
    BYTES,
    CALLS,
    ENCODINGS,
    IN_A_BATCH,
    PAYLOAD,
    TEXT,
    TOPIC,
    VERBS,
)
from fanout import Publisher

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from benchmarks.channel import Channel, Message

    Timer = Callable[[], float]  # CPU seconds of a stretch


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Measures the verb of this name in so many pairs of stretches, and sends the figures."""
    name, pairs = arguments[0], int(arguments[1])
    with Publisher(workers=1) as publisher:
        baseline = timer_of(loop_of(BYTES["publish"]), publisher)
        if name.startswith(ASYNCIO):
            channel.send(**asyncio.run(_with_asyncio(name, pairs, baseline)))
            return
        verb, own = (timer_of(loop_of_verb(one), publisher) for one in (name, own_publish(name)))
        channel.send(**compare(name, pairs, baseline, verb, own))


async def _with_asyncio(name: str, pairs: int, baseline: Timer) -> Message:
    async with fanout.asyncio.Publisher(workers=1) as publisher:
        verb, own = (_driven(loop_of_verb(one), publisher) for one in (name, own_publish(name)))
        return compare(name, pairs, baseline, verb, own)


def _driven(loop: Callable[[Any], Coroutine[Any, Any, None]], publisher: object) -> Timer:
    """As `timer_of`, of a stretch that is awaited."""

    def drive() -> float:
        start = time.thread_time()
        try:
            loop(publisher).send(None)  # with room in the log nothing of it suspends
        except StopIteration:
            return time.thread_time() - start
        raise RuntimeError("it waits for room in the log, and nobody reads")

    return drive


def own_publish(name: str) -> str:
    """The `publish()` of the same kind as this verb: awaited, in a batch, or both."""
    kinds = (ASYNCIO + BATCH, ASYNCIO, BATCH)
    return next((kind for kind in kinds if name.startswith(kind)), "") + "publish"


def compare(
    name: str, pairs: int, baseline: Timer, verb: Timer, own: Timer | None = None
) -> Message:
    """The figures of a verb, each for one call, in seconds.

    Args:
        baseline, own: stretches of `publish()`, and of that of the same kind; None = it is that.
    """
    code = next((ENCODINGS[each] for each in ENCODINGS if each in name), "")
    encode = timer_of(loop_of(code), None) if code else None
    costs, ratios, own_ratios, encodings = [], [], [], []
    for number in range(pairs):
        # Each begins in turn: what one leaves behind must not always hit the same.
        if number % 2:
            reference, beside, cost = baseline(), own and own(), verb()
        else:
            cost, beside, reference = verb(), own and own(), baseline()
        if encode is not None:
            encodings.append(encode())
            cost -= encodings[-1]
        costs.append(cost / CALLS)
        ratios.append(cost / reference)
        own_ratios.append(cost / (beside or reference))
    return {
        "seconds": statistics.median(costs),
        "ratio": statistics.median(ratios),
        "own_ratio": statistics.median(own_ratios),
        "encoding_seconds": statistics.median(encodings) / CALLS if encodings else 0.0,
    }


def timer_of(loop: Callable[[Any], object], subject: object) -> Timer:
    """What times one stretch: CPU seconds of this thread."""

    def timed() -> float:
        start = time.thread_time()
        loop(subject)
        return time.thread_time() - start

    return timed


def loop_of_verb(name: str) -> Callable[[Any], Any]:
    """A function of a publisher that makes a stretch of calls of this verb."""
    call = VERBS[name]
    if BATCH not in name:
        return loop_of(call)
    block = "async with" if name.startswith(ASYNCIO) else "with"
    code = f"{block} publisher.batch() as p:\n   for _ in range({IN_A_BATCH}): {call}"
    return loop_of(code, IN_A_BATCH)


def loop_of(code: str, calls: int = 1) -> Callable[[Any], Any]:
    """A function of a publisher that runs the code again and again, `calls` calls at a time."""
    kind = "async def" if "await" in code or "async with" in code else "def"
    names: dict[str, Any] = {"TOPIC": TOPIC, "PAYLOAD": PAYLOAD, "TEXT": TEXT}
    names |= {"json": json, "msgpack": msgpack}
    body = f"{kind} loop(publisher):\n p = publisher\n for _ in range({CALLS // calls}):\n  {code}"
    exec(body, names)  # as users write it: a lambda for each call would be one call more
    made: Callable[[Any], Any] = names["loop"]
    return made


if __name__ == "__main__":
    run_child(main)
