"""The actor as a thread that polls. Shell.

Others hand over by appending to a queue, and ring; they wait at a `Turnstile`, which is a number
that grows: who has seen that something is not possible goes on as soon as the number is another
one. So nobody misses what happens between looking and waiting, and what is waited for is taken
after the waiting, with nothing behind it.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from fanout.basics.descriptors import standard_taken
from fanout.sockets.actor import Actor
from fanout.sockets.errors import NotNowError
from fanout.subscriber.changes import Change
from fanout.subscriber.connections import addresses_of
from fanout.subscriber.orders import Orders

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.sockets.dial import Dial
    from fanout.sockets.limits import Limits
    from fanout.sockets.plug import Plug
    from fanout.sockets.problems import Problems
    from fanout.sockets.role import Role

T = TypeVar("T")


class Turnstile:
    """Where threads wait for one kind of thing.

    Each has a bell of its own, and none holds anything that others need: whoever is interrupted, at
    whatever line, is in nobody's way.

    Attributes:
        number: of what has happened so far.
    """

    def __init__(self) -> None:
        self.number = 0
        self._wakers: deque[Callable[[], object]] = deque()

    @property
    def waiters(self) -> int:
        """How many threads wait."""
        return len(self._wakers)

    def open(self) -> None:
        """Something has happened; by the actor alone."""
        self.number += 1
        with suppress(IndexError):
            while True:
                self._wakers.popleft()()

    def wait(self, seen: int, deadline: float | None, ring: Callable[[], None]) -> None:
        """Wait until something else has happened than what was seen.

        Raises:
            TimeoutError: nothing did in time.
        """
        bell = threading.Lock()
        bell.acquire()
        waker = bell.release
        self._wakers.append(waker)
        try:
            ring()  # the actor looks whether anybody waits
            if self.number == seen:
                left = -1 if deadline is None else max(deadline - time.monotonic(), 0)
                if not bell.acquire(timeout=left):
                    raise TimeoutError("it was not possible in time")
        finally:
            with suppress(ValueError):  # it has rung
                self._wakers.remove(waker)


class ThreadActor(Actor):
    """Owned by its thread, but for what says "any thread".

    Attributes:
        items: opened when messages have come.
        room: opened when there may be room to send.
        changes: opened in each turn in which anybody waits.
    """

    def __init__(
        self, make_role: Callable[[Limits, Problems], Role], limits: Limits, name: str
    ) -> None:
        super().__init__(make_role, limits, self)
        self.items, self.room, self.changes = Turnstile(), Turnstile(), Turnstile()
        self._orders: Orders[Callable[[], object]] = Orders()
        self._poll = select.poll()
        self._plugs: dict[int, Plug] = {}  # by their descriptors
        self._is_asleep = False
        self._turns = 0
        with standard_taken():
            self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll.register(self._wake_fd, select.POLLIN)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def __del__(self) -> None:
        if hasattr(self, "_wake_fd"):
            os.close(self._wake_fd)

    # Any thread.

    def ring(self) -> None:
        """Have the actor look."""
        if self._is_asleep:
            with suppress(BlockingIOError):  # it is full: then it is awake anyway
                os.eventfd_write(self._wake_fd, 1)

    def order(self, order: Callable[[], object]) -> None:
        """Have the actor do something, soon; it is done whole, or not at all.

        Raises:
            ClosedError, ForkedError: it is not done.
            ConfigError: it is not, for too many wait.
        """
        self.check()
        self._orders.add(order)
        self.ring()

    @property
    def waiting_orders(self) -> int:
        return len(self._orders)

    def waiting_changes(self) -> list[Change]:
        return [order for order in self._orders.waiting() if isinstance(order, Change)]

    def attempt(
        self, turnstile: Turnstile, attempt: Callable[[], T], timeout: float | None, what: str
    ) -> T:
        """Do something as soon as it is possible; nothing follows the doing.

        Raises:
            TimeoutError: it was not possible in time; nothing was done.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            seen = turnstile.number
            self.check()
            try:
                return attempt()
            except NotNowError:
                pass
            try:
                turnstile.wait(seen, deadline, self.ring)
            except TimeoutError:
                raise TimeoutError(f"{what} within {timeout:g} s") from None

    def until(self, look: Callable[[], bool], timeout: float | None, what: str) -> None:
        """Wait for something, which `look` says; also while it is closing.

        Raises:
            TimeoutError: it was not so in time.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            seen = self.changes.number
            if look():
                return
            try:
                self.changes.wait(seen, deadline, self.ring)
            except TimeoutError:
                raise TimeoutError(f"{what} within {timeout:g} s") from None

    def close(self, timeout: float | None) -> None:
        """Have it end, at the latest after so many seconds; does not wait."""
        if self.is_closed:
            return
        deadline = None if timeout is None else time.monotonic() + timeout
        self.refuse()
        self._orders.put(lambda: self.begin_closing(deadline))
        self.ring()

    def join(self) -> None:
        """Wait for the thread, which has ended or is about to."""
        if self._thread is not threading.current_thread():
            self._thread.join()

    def leave(self) -> None:
        """See `Actor`; who waited there waits in no thread of this process."""
        self.items, self.room, self.changes = Turnstile(), Turnstile(), Turnstile()
        super().leave()

    # The thread.

    def _run(self) -> None:
        try:
            while not self.is_closed:
                self._turn()
        except BaseException as error:
            self.fail(error, time.monotonic())
        finally:
            for turnstile in (self.items, self.room, self.changes):
                turnstile.open()

    def _turn(self) -> None:
        if self._orders:
            self._orders.carry_out()
            self.wiring.changed()
        now = time.monotonic()
        self.step(now)
        self._tell()
        if self.is_closed:
            return
        self._is_asleep = True  # first: who hands over from here on rings
        due = self.next_at()
        if self._orders or self.role.may_dispatch:
            due = 0.0
        # Rounded up: poll counts whole milliseconds, and 0 would spin until it is due.
        timeout = None if due is None else max(0, int((due - now) * 1000 + 1))
        ready = self._poll.poll(timeout)
        self._is_asleep = False
        self._serve(ready)

    def _serve(self, ready: list[tuple[int, int]]) -> None:
        now = time.monotonic()
        self._turns += 1
        first = self._turns % len(ready) if ready else 0  # another one begins in each turn
        for descriptor, events in ready[first:] + ready[:first]:
            plug = self._plugs.get(descriptor)
            if plug is not None:
                read = bool(events & ~select.POLLOUT)
                self.wiring.ready(plug, now, read=read, write=bool(events & select.POLLOUT))
            elif descriptor == self._wake_fd:
                with suppress(BlockingIOError):
                    os.eventfd_read(descriptor)

    def _tell(self) -> None:
        if self.has_news():
            self.items.open()
        if self.room.waiters and (self.is_closing or self.role.has_room_again()):
            self.room.open()
        if self.changes.waiters:
            self.changes.open()
        if self.is_closing and self.items.waiters:
            self.items.open()

    # What `Wiring` wants of its watcher.

    def watch(self, plug: Plug, *, read: bool, write: bool) -> None:
        events = (select.POLLIN if read else 0) | (select.POLLOUT if write else 0)
        descriptor = plug.sock.fileno()
        if events:
            self._plugs[descriptor] = plug
            self._poll.register(descriptor, events)
        else:  # else the end of a connection that is not read would be told for ever
            self.forget(plug)

    def forget(self, plug: Plug) -> None:
        if self._plugs.pop(plug.sock.fileno(), None) is not None:
            self._poll.unregister(plug.sock)

    def resolve(self, dial: Dial, host: str, port: int) -> None:
        """On a thread of its own: name servers may take long, and others are to be served."""

        def look_up() -> None:
            try:
                found = addresses_of(host, port)
            except OSError as error:
                text = error.strerror or str(error)
                self._orders.put(lambda: self.wiring.failed(dial, text, time.monotonic()))
            else:
                self._orders.put(lambda: self.wiring.connect(dial, found, time.monotonic()))
            self.ring()

        threading.Thread(target=look_up, name="fanout-look-up", daemon=True).start()
