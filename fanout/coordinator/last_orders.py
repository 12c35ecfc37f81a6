"""Last orders: what is committed is sent, though the coordinator's thread has failed. Shell.

It is as when the publisher's process dies: workers deliver for a moment, and end. But here somebody
is left to hear what they say of it, as far as what has failed lets him.
"""

from __future__ import annotations

import select
from functools import partial
from typing import TYPE_CHECKING

from fanout.control.messages import Finish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fanout.coordinator.actions import Action
    from fanout.coordinator.links import WorkerLink
    from fanout.coordinator.pool import Pool
    from fanout.coordinator.state import State

DELIVERY = 0.3  # seconds, as long as workers take whose publisher was killed
LATE = 0.5  # seconds beyond that, in which they say how it went, and end
LOOK = 0.05  # seconds between two tries to say something to one that does not read


def let_deliver(
    state: State,
    pool: Pool,
    carry_out: Callable[[Iterable[Action]], object],
    now: Callable[[], float],
    complain: Callable[[str, BaseException], object],
) -> None:
    """Have the workers that serve send what is committed, within a bound, and end.

    What fails about one of them concerns that one: it finds its channel closed, and does the same.
    Nobody is left afterwards of whom a worker has said what has become of him.

    Args:
        now: seconds of a clock that never goes back.
        complain: is told of what fails.
    """

    def attempt(link: WorkerLink, step: Callable[[], object]) -> None:
        try:
            step()
        except Exception as error:
            complain(f"worker {link.index} cannot be heard to its end", error)
            link.hang_up()

    def take(link: WorkerLink) -> None:
        carry_out(pool.take_last_reports(link))

    left = [pool.links[index] for index in state.supervision.ready]
    left = [link for link in left if link.process is not None]
    state.ledger.closing = True
    try:
        for link in left:
            attempt(link, partial(link.say, Finish(DELIVERY)))
        until = now() + DELIVERY + LATE
        while left and now() < until:
            for link in left:
                attempt(link, partial(_flush, link))
            has_ended = _wait(left)
            for link in left:
                if link.channel is not None:  # else it was given up already
                    attempt(link, partial(take, link))
            left = [link for link in left if link not in has_ended]
    finally:
        state.ledger.closing = False  # who is left now was lost with its worker


def _flush(link: WorkerLink) -> None:
    if link.channel is not None:
        link.flush(link.channel)


def _wait(links: list[WorkerLink]) -> list[WorkerLink]:
    """Wait until one has said something, or has ended; returns who has ended."""
    poller = select.poll()
    ends: dict[int, WorkerLink] = {}
    for link in links:
        if link.process is not None:
            ends[link.process.sentinel] = link
            poller.register(link.process.sentinel, select.POLLIN)
        if link.channel is not None and not link.channel.closed:
            poller.register(link.channel.socket, select.POLLIN)
    ready = [descriptor for descriptor, _events in poller.poll(LOOK * 1000)]
    return [link for descriptor, link in ends.items() if descriptor in ready]
