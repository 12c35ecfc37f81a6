"""The thread that reads for a blocking subscriber. Shell.

It alone touches the sockets and the core. Others leave orders for it, and take from the inbox; when
that is empty each waits for a bell of its own, which is rung for the next batch.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from fanout.errors import ClosedError, FanoutError, ForkedError
from fanout.subscriber.backoff import BackOff
from fanout.subscriber.changes import Change
from fanout.subscriber.core import Core
from fanout.subscriber.events import ReceiverEvent, ReceiverEventKind, ReceiverStatistics
from fanout.subscriber.inbox import Inbox
from fanout.subscriber.orders import Orders
from fanout.subscriber.polling import Polling

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.subscriber.connections import Connections
    from fanout.subscriber.message import Message
    from fanout.subscriber.settings import Settings
    from fanout.subscriber.since import Position

SLOW_TEXT = "messages come faster than they are taken: {} bytes wait, with the policy {!r}"


class Reading:
    """What a blocking subscriber and its thread share.

    Attributes:
        inbox: to be taken from by any thread.
        is_closed: nothing is received any more, and nothing can be taken.
    """

    def __init__(self, settings: Settings) -> None:
        self.inbox = Inbox(settings.queue_bytes, settings.queue_policy)
        self.is_closed = False
        self._core = Core(
            [BackOff(random.random) for _ in settings.endpoints],
            settings.topics,
            since=settings.since,
            max_message_bytes=settings.max_message_bytes,
            identity=settings.identity,
            last=settings.last,
            mechanisms=settings.mechanisms,
        )
        self._polling = Polling(
            *(self._core, settings.endpoints),
            on_event=settings.tell,
            wrappings=settings.wrappings,
        )
        self._tell = settings.tell
        self._orders = Orders[Change]()
        self._wakers: deque[Callable[[], object]] = deque()  # of those that wait
        self._why: Callable[[], FanoutError] | None = None  # nothing more can be taken
        self._failure: BaseException | None = None
        self.inbox.on_room = self._polling.wake
        self._thread = threading.Thread(target=self._run, name="fanout-subscriber", daemon=True)
        self._thread.start()

    # Any thread.

    @property
    def is_one_line(self) -> bool:
        """See `Core`."""
        return self._core.is_one_line

    def subscribe(self, prefix: bytes, start: bytes | Position) -> None:
        """Have the thread subscribe, soon.

        Raises:
            ClosedError: it is closed. ConfigError: too many topics, or changes. Nothing is done.
        """
        orders, core = self._orders, self._core
        self.check()
        core.check_room(prefix, len(orders), orders.waiting)
        self._order(Change(prefix, True, lambda: core.subscribe(prefix, start)))

    def unsubscribe(self, prefix: bytes) -> None:
        """Have the thread unsubscribe, soon; raises as `subscribe()`."""
        self.check()
        self._order(Change(prefix, False, lambda: self._core.unsubscribe(prefix)))

    def _order(self, change: Change) -> None:
        try:
            self._orders.add(change)
        finally:  # if it is interrupted behind that, it is ordered
            self._polling.wake()

    def check(self) -> None:
        """Refuse to go on if nothing more can come.

        Raises:
            ClosedError, ForkedError: it is closed, or its thread is in another process.
        """
        if self._why is not None:
            raise self._why() from self._failure

    def wait(self, timeout: float | None) -> Message:
        """Wait for a message, and take it.

        Raises:
            TimeoutError: none has come in time.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            self._until_some(deadline)
            try:
                return self.inbox.pop()
            except IndexError:
                pass  # another thread has taken it

    def wait_for_some(self, timeout: float | None) -> bool:
        """Wait until a message can be taken; False if none has come in time."""
        try:
            self._until_some(None if timeout is None else time.monotonic() + timeout)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """End the thread and its connections; what waits is gone. Idempotent."""
        self.end()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def end(self) -> None:
        """As `close`, but it does not wait."""
        self._end(lambda: ClosedError("the subscriber is closed"))

    def leave(self) -> None:
        """In a forked child: nothing here is of use."""
        self._why = lambda: ForkedError(
            "this subscriber belongs to the parent of this forked process: create a new one here"
        )
        self.is_closed = True
        self._wakers = deque()  # who waited there waits in no thread of this process
        self.inbox.leave()
        self._polling.close()

    def statistics(self) -> ReceiverStatistics:
        """Counters as they are now."""
        return statistics_of(self._core, self.inbox)

    def _until_some(self, deadline: float | None) -> None:
        # Each has a bell of its own, and none holds anything that the thread needs: whoever is
        # interrupted, at whatever line, is in nobody's way.
        while not self.inbox.messages:
            bell = threading.Lock()
            bell.acquire()
            waker = bell.release
            self._wakers.append(waker)
            try:
                self.check()
                if self.inbox.messages:
                    return
                if self.inbox.is_stalled:  # who took the last one did not say so, or not yet
                    self.inbox.taken()
                left = -1 if deadline is None else max(deadline - time.monotonic(), 0)
                if not bell.acquire(timeout=left):
                    raise self._tell.late()
            finally:
                with suppress(ValueError):  # it has rung
                    self._wakers.remove(waker)

    def _wake_all(self) -> None:
        wakers = self._wakers
        with suppress(IndexError):
            while True:
                wakers.popleft()()

    def _end(self, why: Callable[[], FanoutError]) -> None:
        self._why = self._why or why
        self.is_closed = True
        self.inbox.messages.clear()
        self._wake_all()
        self._polling.wake()

    # The thread.

    def _run(self) -> None:
        try:
            while not self.is_closed:
                self._turn()
        except BaseException as error:
            self._failure = error
            text = f"the subscriber has failed: {error}"
            self._end(lambda: ClosedError(text))
        finally:
            self._polling.close()

    def _turn(self) -> None:
        if self._orders.carry_out():
            self._polling.wake()
        inbox, before = self.inbox, self._core.taken_bytes
        messages = self._polling.turn()
        if messages and not self.is_closed:
            inbox.put(messages, self._core.taken_bytes - before)
            if self._wakers:
                self._wake_all()
        hold_back(inbox, self._polling.connections, self._tell)


def hold_back(
    inbox: Inbox, connections: Connections, tell: Callable[[ReceiverEvent], None]
) -> None:
    """Stop reading while the inbox is full, or go on if it is not any more."""
    if inbox.is_stalled or inbox.policy not in ("block", "disconnect"):
        return
    is_full = inbox.is_full
    if is_full == connections.paused:
        if is_full:  # what was taken was the smaller part
            inbox.stall()
        return
    now = time.monotonic()
    if is_full:
        text = SLOW_TEXT.format(f"{inbox.waiting_bytes:,}", inbox.policy)
        tell(ReceiverEvent(ReceiverEventKind.QUEUE_FULL, "", text))
        if inbox.policy == "disconnect":
            connections.give_up("the queue is full", now)
        connections.pause(True, now)
        inbox.stall()
    else:
        connections.pause(False, now)


def statistics_of(core: Core, inbox: Inbox) -> ReceiverStatistics:
    """Counters as they are now."""
    streams, losses = core.streams, core.losses
    return ReceiverStatistics(
        received=inbox.received,
        received_bytes=core.bytes,
        queued=len(inbox.messages),
        queued_bytes=inbox.queued_bytes,
        missing=sum(one.missing for one in losses),
        unknown_gaps=sum(one.holes for one in losses),
        dropped=inbox.dropped,
        conflated=inbox.conflated + sum(one.conflated for one in losses),
        doubles=core.doubles,
        unwanted=sum(stream.unwanted for stream in streams),
        connections=core.connections,
        connected=sum(line.is_up for line in core.lines),
        too_large=sum(stream.too_large for stream in streams),
    )
