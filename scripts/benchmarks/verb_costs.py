"""What each verb of fanout costs its caller, against `publish()`: a child process of its own.

A call is too short to be timed alone, and the speed of a machine changes from one second to the
next. So stretches of calls of the verb and of `publish()` alternate, in CPU time of the thread, and
the ratio is the median of that of neighbours. Nobody subscribes: what is measured is the call.
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


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Measures the verb of this name in so many pairs of stretches, and sends the figures."""
    name, pairs = arguments[0], int(arguments[1])
    with Publisher(workers=1) as publisher:
        baseline = timer_of(loop_of(BYTES["publish"]), publisher)
        if name.startswith(ASYNCIO):
            channel.send(**asyncio.run(_with_asyncio(name, pairs, baseline)))
        else:
            channel.send(**compare(name, pairs, baseline, timer_of(loop_of_verb(name), publisher)))


async def _with_asyncio(name: str, pairs: int, baseline: Callable[[], float]) -> Message:
    loop = loop_of_verb(name)
    async with fanout.asyncio.Publisher(workers=1) as publisher:

        def drive() -> float:
            start = time.thread_time()
            running: Coroutine[Any, Any, None] = loop(publisher)
            try:
                running.send(None)  # with room in the log nothing of it suspends
            except StopIteration:
                return time.thread_time() - start
            raise RuntimeError("it waits for room in the log, and nobody reads")

        return compare(name, pairs, baseline, drive)


def compare(
    name: str, pairs: int, baseline: Callable[[], float], verb: Callable[[], float]
) -> Message:
    """The figures of a verb, each for one call, in seconds."""
    code = next((ENCODINGS[each] for each in ENCODINGS if each in name), "")
    encode = timer_of(loop_of(code), None) if code else None
    costs, ratios, encodings = [], [], []
    for number in range(pairs):
        # Each begins every other time: what one leaves behind must not always hit the other.
        first, second = (baseline(), verb()) if number % 2 else (verb(), baseline())
        reference, cost = (first, second) if number % 2 else (second, first)
        if encode is not None:
            encodings.append(encode())
            cost -= encodings[-1]
        costs.append(cost / CALLS)
        ratios.append(cost / reference)
    return {
        "seconds": statistics.median(costs),
        "ratio": statistics.median(ratios),
        "encoding_seconds": statistics.median(encodings) / CALLS if encodings else 0.0,
    }


def timer_of(loop: Callable[[Any], object], subject: object) -> Callable[[], float]:
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
