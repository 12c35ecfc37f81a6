"""Signals: the first asks, the second ends at once, by force if it must."""

from __future__ import annotations

import select
import signal
import threading

from fanout.cli.stopping import REPEAT_S, Stopper
from tests.helpers.waiting import DEADLINE_S


def never(status: int) -> None:
    raise AssertionError(f"exit {status} of a block that was left in time")


def is_readable(fd: int, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))


def test_the_first_signal_wakes_and_nothing_more() -> None:
    stops: list[str] = []
    with Stopper(lambda: stops.append("stop"), never) as stopper:
        assert not is_readable(stopper.wake_fd, 0)
        signal.raise_signal(signal.SIGTERM)
        assert is_readable(stopper.wake_fd, DEADLINE_S)
        assert stopper.requested
        assert not stopper.is_at_once
    assert stops == []


def test_a_repeat_after_the_end_does_nothing_and_a_later_signal_what_it_did_before() -> None:
    """One that is quick has left before GNU timeout signals the group."""
    now = [7.0]
    before = signal.getsignal(signal.SIGTERM)
    heard: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with Stopper(lambda: None, never, lambda: now[0]) as stopper:
            signal.raise_signal(signal.SIGTERM)
            assert is_readable(stopper.wake_fd, DEADLINE_S)
        now[0] += REPEAT_S / 2
        signal.raise_signal(signal.SIGTERM)
        assert heard == []
        now[0] += REPEAT_S
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert heard == [signal.SIGTERM] * 2
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_signals_are_none_of_its_business() -> None:
    before = signal.signal(signal.SIGUSR1, lambda number, frame: None)
    try:
        with Stopper(lambda: None, never) as stopper:
            signal.raise_signal(signal.SIGUSR1)
            signal.raise_signal(signal.SIGINT)  # read after the other one
            assert is_readable(stopper.wake_fd, DEADLINE_S)
            assert not stopper.is_at_once
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_repeat_of_the_first_signal_is_not_a_second_one() -> None:
    """As GNU timeout sends it: to its child, and then to the group."""
    asked = threading.Event()
    times = iter((7.0, 7.0, 7.4))

    def clock() -> float:
        now = next(times)
        if now > 7.3:
            asked.set()
        return now

    stops: list[str] = []
    with Stopper(lambda: stops.append("stop"), never, clock) as stopper:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            signal.raise_signal(number)
        assert asked.wait(DEADLINE_S)
        assert stopper.requested
        assert not stopper.is_at_once
    assert stops == []


def test_the_second_signal_stops_and_a_block_that_hangs_is_ended() -> None:
    stopped, ended = threading.Event(), threading.Event()
    statuses: list[int] = []

    def exit_now(status: int) -> None:
        statuses.append(status)
        ended.set()

    clock = iter((0.0, 0.5))  # asked by the first and the second
    with Stopper(stopped.set, exit_now, lambda: next(clock)) as stopper:
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
        assert stopped.wait(DEADLINE_S)
        assert stopper.is_at_once
        assert ended.wait(DEADLINE_S)  # the block is not left: that is the hang
    assert statuses == [1]
