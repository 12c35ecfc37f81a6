"""The actor as callbacks on an event loop. Shell.

There is no thread, and no task: the loop reads and writes when a socket says that it can. Who waits
waits for a bare future that carries nothing: what it waited for is done when its task runs again,
with no await in between, so a cancellation comes before it, or at the caller's next await.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

from fanout.basics.loop_executor import begin
from fanout.sockets.actor import Actor
from fanout.sockets.errors import NotNowError
from fanout.subscriber.connections import addresses_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.sockets.dial import Dial
    from fanout.sockets.limits import Limits
    from fanout.sockets.plug import Plug
    from fanout.sockets.problems import Problems
    from fanout.sockets.role import Role
    from fanout.subscriber.plug import Address

T = TypeVar("T")


class Waiters:
    """Tasks that wait for one kind of thing, in their order."""

    def __init__(self) -> None:
        self._futures: dict[asyncio.Future[None], None] = {}

    def __len__(self) -> int:
        return len(self._futures)

    def open(self) -> None:
        """Have all of them look again."""
        for future in self._futures:
            if not future.done():
                future.set_result(None)

    async def wait(self) -> None:
        """Until it is opened."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._futures[future] = None
        try:
            await future
        finally:
            del self._futures[future]


class LoopActor(Actor):
    """Belongs to the loop that it is started on.

    Attributes:
        items: opened when messages have come.
        room: opened when there may be room to send.
        changes: opened in each turn.
    """

    def __init__(self, make_role: Callable[[Limits, Problems], Role], limits: Limits) -> None:
        super().__init__(make_role, limits, self)
        self.items, self.room, self.changes = Waiters(), Waiters(), Waiters()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None

    @property
    def is_started(self) -> bool:
        """Whether it belongs to a loop."""
        return self._loop is not None

    def start(self) -> None:
        """Belong to the running loop from now on."""
        self._loop = asyncio.get_running_loop()
        self.ring()

    def check(self) -> None:
        """Refuse what needs a socket that is open, and the loop that it belongs to.

        Raises:
            ClosedError, ForkedError: it is closed, or belongs to another process.
            RuntimeError: it belongs to another loop; nothing was done.
        """
        super().check()
        if self._loop is not None and _running_loop() is not self._loop:
            raise RuntimeError(
                "this socket belongs to the event loop on which it was made: make one on each loop,"
                " or use those of fanout.sockets, which any thread may call"
            )

    def leave(self) -> None:
        """See `Actor`. The loop is left alone: what it waits with is the parent's, too."""
        self._loop = self._timer = self._soon = None
        super().leave()

    def ring(self) -> None:
        """Have the actor look, soon."""
        if self._soon is None and self._loop is not None and not self.is_closed:
            self._soon = self._loop.call_soon(self._turn)

    def order(self, order: Callable[[], object]) -> None:
        """Do something, whole, and look at what follows from it.

        Raises:
            ClosedError: it is not done.
        """
        self.check()
        order()
        self.wiring.changed()
        self.ring()

    async def attempt(
        self, gate: Waiters, attempt: Callable[[], T], timeout: float | None, what: str
    ) -> T:
        """Do something as soon as it is possible; there is no await behind the doing.

        Raises:
            TimeoutError: it was not possible in time; nothing was done.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            self.check()
            try:
                return attempt()
            except NotNowError:
                pass
            self.ring()
            await _wait(gate, deadline, timeout, what)

    async def until(self, look: Callable[[], bool], timeout: float | None, what: str) -> None:
        """Wait for something, which `look` says; also while it is closing.

        Raises:
            TimeoutError: it was not so in time.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not look():
            self.ring()
            await _wait(self.changes, deadline, timeout, what)

    def close(self, timeout: float | None) -> None:
        """Have it end, at the latest after so many seconds; does not wait."""
        self.begin_closing(None if timeout is None else time.monotonic() + timeout)
        if timeout == 0 or self._loop is None:
            self.end(time.monotonic())
        self._tell()
        self.ring()

    def end(self, now: float) -> None:
        try:
            super().end(now)
        finally:
            self._stop_timer()
            self._tell()

    # On the loop.

    def _turn(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        if self.is_closed:
            return
        now = time.monotonic()
        try:
            self.step(now)
        except Exception as error:  # nobody would see it: those who wait are to
            self.fail(error, now)
            return
        self._tell()
        self._stop_timer()
        if self._loop is None or self.is_closed:
            return
        if self.role.may_dispatch:
            self.ring()
        elif (due := self.next_at()) is not None:
            self._timer = self._loop.call_later(max(due - now, 0), self._turn)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self) -> None:
        if self.has_news() or self.is_closing:
            self.items.open()
        if len(self.room) and (self.is_closing or self.role.has_room_again()):
            self.room.open()
        self.changes.open()

    def _on_event(self, plug: Plug, read: bool) -> None:
        self._do(lambda now: self.wiring.ready(plug, now, read=read, write=not read))

    def _do(self, act: Callable[[float], object]) -> None:
        now = time.monotonic()
        try:
            act(now)
        except Exception as error:  # nobody would see it: those who wait are to
            self.fail(error, now)
            return
        self._turn()

    # What `Wiring` wants of its watcher.

    def watch(self, plug: Plug, *, read: bool, write: bool) -> None:
        loop = self._loop
        assert loop is not None, "it is started before it has a socket"
        if read:
            loop.add_reader(plug.sock, self._on_event, plug, True)
        else:
            loop.remove_reader(plug.sock)
        if write:
            loop.add_writer(plug.sock, self._on_event, plug, False)
        else:
            loop.remove_writer(plug.sock)

    def forget(self, plug: Plug) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(plug.sock)
            self._loop.remove_writer(plug.sock)

    def resolve(self, dial: Dial, host: str, port: int) -> None:
        def done(found: asyncio.Future[list[Address]]) -> None:
            if self.is_closed or found.cancelled():
                return
            error = found.exception()
            text = getattr(error, "strerror", None) or str(error)
            self._do(
                lambda now: (
                    self.wiring.failed(dial, text, now)
                    if error is not None
                    else self.wiring.connect(dial, found.result(), now)
                )
            )

        begin(lambda: addresses_of(host, port)).add_done_callback(done)


async def _wait(gate: Waiters, deadline: float | None, timeout: float | None, what: str) -> None:
    left = None if deadline is None else max(deadline - time.monotonic(), 0)
    try:
        async with asyncio.timeout(left):
            await gate.wait()
    except TimeoutError:
        raise TimeoutError(f"{what} within {timeout:g} s") from None


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
