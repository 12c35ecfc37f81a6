"""The compiled send path interrupted: at each step of Python around it, and by signals anywhere."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

import pytest

import fanout.asyncio
from tests.faults.subject import Subject, send_batch
from tests.helpers.built import needs_compiled
from tests.helpers.interrupting import untraced

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = needs_compiled

SIGNALS = 500
LONGEST_S = 0.0004  # some 2,000 sends
# Python drops what is raised where nobody can get it, as in a callback of a weak reference to what
# the garbage collector takes, and tells `sys.unraisablehook`: then the sends go on until this is
# over.
LOST_S = 0.5
MESSAGE = 100  # bytes; more than any that is sent here


def finish(publisher: fanout.asyncio.Publisher, message: list[bytes]) -> None:
    """Send it as a task does, to the end; without a loop, where an interruption would end more."""

    async def send() -> None:
        await publisher.publish(message[0], message[1])

    running = send()
    try:
        running.send(None)
    except StopIteration:
        return
    finally:
        running.close()
    raise AssertionError("it waits for room")


@pytest.mark.parametrize("name", ["new_topic", "no_room", "batch"])
def test_interrupted_at_each_step(compiled_subject: Subject, name: str) -> None:
    compiled_subject.is_interrupted_anywhere(name, KeyboardInterrupt, opcodes=True)


def send_for(seconds: float, send: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        send()


def interrupt_often(
    send: Callable[[], None], has_few: Callable[[], bool], random: Random
) -> tuple[int, int]:
    """Send again and again until a signal comes, SIGNALS times, and as long as that were few.

    Returns:
        How often, and how many of these signals no send has heard of.
    """
    interrupts = lost = 0

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    with untraced():
        before = signal.signal(signal.SIGALRM, interrupt)
        limit = signal.setitimer(signal.ITIMER_REAL, 0)  # the time limit of this test
        try:
            while interrupts < SIGNALS or has_few():
                interrupts += 1
                with suppress(KeyboardInterrupt):
                    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, LONGEST_S))
                    send_for(LOST_S, send)  # a loop in here would let it through: see the guards
                    lost += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            signal.setitimer(signal.ITIMER_REAL, *limit)
    return interrupts, lost


@pytest.mark.parametrize("kind", ["publish", "frames", "batch", "awaited"])
def test_interrupted_by_signals(
    compiled_subject: Subject, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each message is sent whole or not at all, and once, wherever a signal comes."""
    subject, random = compiled_subject, Random(kind)
    path = subject.publisher._engine.path
    log = path.log
    assert subject.publisher.statistics().compiled
    awaited = fanout.asyncio.Publisher()
    awaited._use(subject.publisher._engine)
    first = log.head
    dropped: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda about: dropped.append(about.exc_type))

    def send() -> None:
        """What it says is where it is to be, so that nobody has to note what was sent."""
        head = log.head
        if kind == "batch":
            batch = [[b"known", b"%d" % head], [b"known", b"%d" % (head + 1)]]
            send_batch(subject.publisher, batch)
        elif kind == "frames":
            subject.publisher.send_multipart([b"known", b"%d" % head, b""])
        elif kind == "awaited":
            if path.make_room(MESSAGE):
                finish(awaited, [b"known", b"%d" % head])
            else:
                path.wait_for_room(LOST_S)
        else:
            subject.publisher.publish(b"known", b"%d" % head)

    interrupts, lost = interrupt_often(send, lambda: log.head - first <= SIGNALS, random)

    assert set(dropped) <= {KeyboardInterrupt}
    assert lost < interrupts // 50, "hardly a send was interrupted"
    awaited._engine = None  # it is not its own
    more = [b""] if kind == "frames" else []
    subject.expected += [[b"known", b"%d" % number, *more] for number in range(first, log.head)]
    subject.works_everywhere()
