"""Sockets for asyncio: the same verbs, awaitable where they can wait. Shell.

Every method is cancel-safe: what is handed over goes in one step with no await in it or behind it.
Cancelled before that nothing has happened; a cancellation that comes later reaches the caller at
its next await.
"""

from __future__ import annotations

import asyncio
import warnings
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from fanout.basics.loop_executor import in_thread
from fanout.errors import ClosedError
from fanout.sockets.actor import LINGER_S
from fanout.sockets.answering import Rep as RepRole
from fanout.sockets.asking import Req as ReqRole
from fanout.sockets.dealing import Dealer as DealerRole
from fanout.sockets.dealing import Router as RouterRole
from fanout.sockets.face import (
    BACKLOG,
    NO_PEERS,
    NO_ROOM,
    NOT_SENT,
    NOTHING,
    AnsweringFace,
    AskingFace,
    Face,
    ReceivingFace,
    SendingFace,
    SubscribingFace,
)
from fanout.sockets.frames import frames_of
from fanout.sockets.limits import Limits
from fanout.sockets.loop import LoopActor
from fanout.sockets.pipeline import Pull as PullRole
from fanout.sockets.pipeline import Push as PushRole
from fanout.sockets.pipeline import Sub as SubRole
from fanout.sockets.refusals import refuse_flags
from fanout.subscriber.settings import prefixes_of
from fanout.terms.arguments import as_timeout
from fanout.transport.opening import open_listener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Self

    from fanout.sockets.frames import Sendable
    from fanout.sockets.problems import Problems
    from fanout.sockets.role import Role
    from fanout.subscriber.parsing import Frames
    from fanout.terms.arguments import TopicLike
    from fanout.terms.refusals import NotHere

_AWAITED = "this socket is for asyncio: use it in `async with`, or one of fanout.sockets in `with`"


class Socket(Face):
    """What all of them have. Belongs to the event loop on which it is made, which must run."""

    __slots__ = ()

    _actor: LoopActor

    def __init__(
        self, make_role: Callable[[Limits, Problems], Role], limits: Limits | None
    ) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(f"no event loop runs here; {_AWAITED}") from None
        self._actor = LoopActor(make_role, limits or Limits())
        self._role = self._actor.role
        self._actor.start()

    def __del__(self) -> None:
        if hasattr(self, "_actor") and not self._actor.is_over:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)

    async def bind(self, endpoint: str) -> str:
        """Listen on an endpoint; see `fanout.sockets.Socket.bind()`. Cancelled, it is not bound."""
        self._actor.check()
        listener = await in_thread(
            lambda: open_listener(endpoint, BACKLOG), undo=lambda listener: listener.close()
        )
        try:
            self._actor.order(lambda: self._actor.wiring.listen(listener))
        except ClosedError:
            listener.close()
            raise
        return listener.endpoint

    async def wait_for_peers(self, count: int = 1, timeout: float | None = None) -> None:
        """Wait until so many connections are ready; raises as that of threads."""

        def are_there() -> bool:
            self._actor.check()
            return self.peers >= count

        await self._actor.until(are_there, as_timeout(timeout), NO_PEERS)

    # The end.

    async def drain(self, timeout: float | None = None) -> None:
        """Wait until all that was sent so far is in the hands of the kernel.

        Raises:
            TimeoutError: it was not in time; nothing is lost, and it may be called again.
        """
        actor = self._actor
        await actor.until(
            lambda: actor.is_closed or actor.core.is_through, as_timeout(timeout), NOT_SENT
        )

    async def close(self, timeout: float | None = LINGER_S) -> int:
        """Take nothing more over, send what waits, and end; see that of threads.

        Cancelled, it goes on without who called it, who may call it again to wait.
        """
        self._actor.close(as_timeout(timeout))
        await self._actor.until(lambda: self._actor.is_closed, None, NOT_SENT)
        return self._actor.dropped_at_end

    async def stop(self) -> int:
        """As `close(0)`: end at once; does not wait."""
        return await self.close(0)

    async def __aenter__(self) -> Self:
        self._actor.check()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    if not TYPE_CHECKING:  # type checkers refuse it by themselves

        def __enter__(self) -> NoReturn:
            raise TypeError(_AWAITED)

        __exit__ = __enter__


class Sending(SendingFace, Socket):
    """Those that send."""

    __slots__ = ()

    async def send(
        self,
        message: Sendable,
        timeout: float | None = None,
        flags: NotHere | None = None,
        copy: NotHere | None = None,
        track: NotHere | None = None,
    ) -> None:
        """Hand a message over; waits for room. Cancelled or too late, it was not sent."""
        if not (flags is copy is track is None):
            refuse_flags("send", flags, copy, track)
        prepared = self._role.prepare(frames_of(message))
        actor, send = self._actor, self._role.try_send
        await actor.attempt(actor.room, lambda: send(prepared), as_timeout(timeout), NO_ROOM)
        actor.ring()


class Receiving(ReceivingFace, Socket):
    """Those that receive."""

    __slots__ = ()

    async def recv(
        self,
        timeout: float | None = None,
        flags: NotHere | None = None,
        copy: NotHere | None = None,
        track: NotHere | None = None,
    ) -> Frames:
        """The next message; waits for it. Cancelled or too late, it stays for the next call."""
        if not (flags is copy is track is None):
            refuse_flags("recv", flags, copy, track)
        self._resume()
        return await self._actor.attempt(
            self._actor.items, self._role.try_recv, as_timeout(timeout), NOTHING
        )

    def __aiter__(self) -> Self:
        """The messages as they come, until it is closed."""
        return self

    async def __anext__(self) -> Frames:
        try:
            return await self.recv()
        except ClosedError as error:
            if type(error) is ClosedError and error.__cause__ is None:
                raise StopAsyncIteration from None  # somebody has closed it
            raise


class Push(Sending):
    """As `fanout.sockets.Push`."""

    __slots__ = ()

    def __init__(self, *, limits: Limits | None = None) -> None:
        super().__init__(PushRole, limits)


class Pull(Receiving):
    """As `fanout.sockets.Pull`."""

    __slots__ = ()

    def __init__(self, *, limits: Limits | None = None) -> None:
        super().__init__(PullRole, limits)


class Sub(SubscribingFace, Receiving):
    """As `fanout.sockets.Sub`."""

    __slots__ = ()

    def __init__(
        self, topics: TopicLike | Iterable[TopicLike] = (), *, limits: Limits | None = None
    ) -> None:
        prefixes = prefixes_of(topics)
        super().__init__(SubRole, limits)
        for prefix in prefixes:
            self.subscribe(prefix)


class Dealer(Sending, Receiving):
    """As `fanout.sockets.Dealer`."""

    __slots__ = ()

    def __init__(self, *, identity: bytes = b"", limits: Limits | None = None) -> None:
        super().__init__(partial(DealerRole, identity=identity), limits)


class Router(Sending, Receiving):
    """As `fanout.sockets.Router`."""

    __slots__ = ()

    def __init__(
        self,
        *,
        mandatory: bool = False,
        handover: bool = False,
        identity: bytes = b"",
        limits: Limits | None = None,
    ) -> None:
        role = partial(RouterRole, mandatory=mandatory, handover=handover, identity=identity)
        super().__init__(role, limits)


class Req(AskingFace, Sending, Receiving):
    """As `fanout.sockets.Req`."""

    __slots__ = ()

    def __init__(
        self, *, correlate: bool = True, identity: bytes = b"", limits: Limits | None = None
    ) -> None:
        super().__init__(partial(ReqRole, correlate=correlate, identity=identity), limits)


class Rep(AnsweringFace, Sending, Receiving):
    """As `fanout.sockets.Rep`."""

    __slots__ = ()

    def __init__(self, *, limits: Limits | None = None) -> None:
        super().__init__(RepRole, limits)


__all__ = ["Dealer", "Pull", "Push", "Rep", "Req", "Router", "Sub"]
