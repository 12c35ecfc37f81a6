"""Ways to break what workers do when the publisher is dead, and when their task is cancelled."""

from __future__ import annotations

from typing import Any

from fanout.reasons import Reason
from fanout.shm import layout as at
from fanout.shm.reader import LogReader
from fanout.workers.connections.ending import Ending
from fanout.workers.worker import Worker
from tests.simulation.takeovers.mistakes.known import replaces


@replaces(LogReader, "head")
def send_what_is_reserved(_original: Any, self: Any) -> int:
    """As if the flag were the commit."""
    return max(int(self._words[at.H_HEAD]), int(self._words[at.H_POISON]))


@replaces(Worker, "orphaned")
def end_at_once_without_a_publisher(_original: Any, self: Any) -> None:
    self._end(0.0)


@replaces(Worker, "orphaned")
def go_on_without_a_publisher(_original: Any, self: Any) -> None:
    del self


@replaces(Worker, "orphaned")
def take_the_time_that_was_left_to_close(original: Any, self: Any) -> None:
    if self._ending is None:
        original(self)


@replaces(Ending, "_see_off")
def say_goodbye_before_all_is_sent(_original: Any, self: Any, peer: Any, now: int) -> bool:
    del self, now
    peer.finish_sending()
    return True


@replaces(Worker, "run")
async def close_all_when_it_is_cancelled(original: Any, self: Any) -> None:
    try:
        await original(self)
    finally:
        for peer in list(self.desk.peers.values()):
            self.desk.close(peer, Reason.PUBLISHER_CLOSED)
        self._channel.flush()
