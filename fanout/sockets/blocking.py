"""Sockets for threads: what users hold. Shell."""

from __future__ import annotations

import warnings
import weakref
from functools import partial
from typing import TYPE_CHECKING, NoReturn

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
from fanout.sockets.first import FirstRole
from fanout.sockets.frames import frames_of
from fanout.sockets.limits import Limits
from fanout.sockets.pipeline import Pull as PullRole
from fanout.sockets.pipeline import Push as PushRole
from fanout.sockets.pipeline import Sub as SubRole
from fanout.sockets.refusals import refuse_flags
from fanout.sockets.threads import ThreadActor
from fanout.subscriber.settings import prefixes_of
from fanout.terms.arguments import as_timeout
from fanout.terms.awaiting import SOCKET, refuse_await
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

_BLOCKING = "this socket blocks: use it in `with`, or one of fanout.sockets.asyncio in `async with`"


class Socket(Face):
    """What all of them have. A thread of its own does the I/O; any other may call."""

    __slots__ = ()

    _actor: ThreadActor

    def __init__(
        self, make_role: Callable[[Limits, Problems], Role], limits: Limits | None
    ) -> None:
        name = f"fanout-{type(self).__name__.lower()}"
        self._actor = ThreadActor(make_role, limits or Limits(), name)
        self._role = FirstRole(weakref.ref(self), self._actor.role)

    def __del__(self) -> None:
        if hasattr(self, "_actor") and not self._actor.is_over:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)
            self._actor.close(0)

    def bind(self, endpoint: str) -> str:
        """Listen on an endpoint, as the publisher does; returns it with its real port.

        Raises:
            ConfigError, TypeError: it is no endpoint.
            BindError: it cannot be bound.
            ClosedError, ForkedError: nothing was done.
        """
        refuse_await(SOCKET)
        self._actor.check()
        listener = open_listener(endpoint, BACKLOG)
        try:
            self._actor.order(lambda: self._actor.wiring.listen(listener))
        except ClosedError:
            listener.close()
            raise
        return listener.endpoint

    def wait_for_peers(self, count: int = 1, timeout: float | None = None) -> None:
        """Wait until so many connections are ready.

        Raises:
            TimeoutError: they were not in time.
            ClosedError, ForkedError: there will be none.
        """
        refuse_await(SOCKET)

        def are_there() -> bool:
            self._actor.check()
            return self.peers >= count

        self._actor.until(are_there, as_timeout(timeout), NO_PEERS)

    # The end.

    def drain(self, timeout: float | None = None) -> None:
        """Wait until all that was sent so far is in the hands of the kernel.

        Raises:
            TimeoutError: it was not in time; nothing is lost, and it may be called again.
        """
        refuse_await(SOCKET)
        actor = self._actor
        self._actor.until(
            lambda: actor.is_closed or actor.core.is_through, as_timeout(timeout), NOT_SENT
        )

    def close(self, timeout: float | None = LINGER_S) -> int:
        """Take nothing more over, send what waits, and end; idempotent.

        What waits for the program is gone. Interrupted, it goes on without who called it, who may
        call it again to wait.

        Args:
            timeout: seconds after which what was not sent is dropped; None = as long as it takes.

        Returns:
            How many messages were dropped by that.
        """
        refuse_await(SOCKET)
        self._actor.close(as_timeout(timeout))
        self._actor.until(lambda: self._actor.is_closed, None, NOT_SENT)
        self._actor.join()
        return self._actor.dropped_at_end

    def stop(self) -> int:
        """As `close(0)`: end at once."""
        return self.close(0)

    def __enter__(self) -> Self:
        self._actor.check()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    if not TYPE_CHECKING:  # type checkers refuse it by themselves

        async def __aenter__(self) -> NoReturn:
            raise TypeError(_BLOCKING)

        __aexit__ = __aenter__


class Sending(SendingFace, Socket):
    """Those that send."""

    __slots__ = ()

    def send(
        self,
        message: Sendable,
        timeout: float | None = None,
        flags: NotHere | None = None,
        copy: NotHere | None = None,
        track: NotHere | None = None,
    ) -> None:
        """Hand a message over to be sent; waits for room, and for somebody to send to.

        Args:
            message: one frame, or several in a list.
            timeout: seconds, 0 or more; None = as long as it takes.

        Raises:
            TimeoutError: it was not possible in time; it was not sent.
            ClosedError, ForkedError: it was not sent.
            TypeError, ValueError: an argument cannot work.
        """
        if not (flags is copy is track is None):
            refuse_flags("send", flags, copy, track)
        prepared = self._role.prepare(frames_of(message))
        actor, send = self._actor, self._role.try_send
        if timeout is not None:
            timeout = as_timeout(timeout)
        try:
            actor.attempt(actor.room, lambda: send(prepared), timeout, NO_ROOM)
        finally:  # if it is interrupted behind the handing over, it has been handed over
            actor.ring()


class Receiving(ReceivingFace, Socket):
    """Those that receive."""

    __slots__ = ()

    def recv(
        self,
        timeout: float | None = None,
        flags: NotHere | None = None,
        copy: NotHere | None = None,
        track: NotHere | None = None,
    ) -> Frames:
        """The next message, all its frames; waits for it.

        Args:
            timeout: seconds, 0 or more; None = as long as it takes.

        Raises:
            TimeoutError: none has come in time.
            ClosedError, ForkedError: none can come any more.
        """
        if not (flags is copy is track is None):
            refuse_flags("recv", flags, copy, track)
        if timeout is not None:
            timeout = as_timeout(timeout)
        self._resume()
        return self._actor.attempt(self._actor.items, self._role.try_recv, timeout, NOTHING)

    def __iter__(self) -> Self:
        """The messages as they come, until it is closed."""
        return self

    def __next__(self) -> Frames:
        try:
            return self.recv()
        except ClosedError as error:
            if type(error) is ClosedError and error.__cause__ is None:
                raise StopIteration from None  # somebody has closed it
            raise


class Push(Sending):
    """Sends each message to one of its peers, PULL sockets, in turn.

    What was not sent when a connection is lost goes to another one, or to the same when it is back.
    """

    __slots__ = ()

    def __init__(self, *, limits: Limits | None = None) -> None:
        super().__init__(PushRole, limits)


class Pull(Receiving):
    """Receives what its peers push, PUSH sockets: whole messages, of each in turn."""

    __slots__ = ()

    def __init__(self, *, limits: Limits | None = None) -> None:
        super().__init__(PullRole, limits)


class Sub(SubscribingFace, Receiving):
    """Receives what PUB and XPUB sockets publish on topics that begin with what it subscribes to.

    `fanout.Subscriber` is made for that, tells what is missing, and is faster. This one binds, too.
    """

    __slots__ = ()

    def __init__(
        self, topics: TopicLike | Iterable[TopicLike] = (), *, limits: Limits | None = None
    ) -> None:
        prefixes = prefixes_of(topics)
        super().__init__(SubRole, limits)
        for prefix in prefixes:
            self.subscribe(prefix)


class Dealer(Sending, Receiving):
    """Sends as `Push` and receives as `Pull`, to and from DEALER, ROUTER and REP sockets.

    Args:
        identity: what a ROUTER knows it by, 1 to 255 bytes; b"" = what that chooses.
    """

    __slots__ = ()

    def __init__(self, *, identity: bytes = b"", limits: Limits | None = None) -> None:
        super().__init__(partial(DealerRole, identity=identity), limits)


class Router(Sending, Receiving):
    """Receives of all its peers in turn, and sends to the one that is named.

    Each message begins with the identity of a peer: of who has sent it, or is to get it.

    Args:
        mandatory: a message to nobody raises `RouterError`; else it is dropped, counted, and told
            by `errors()`.
        handover: who comes with the identity of another takes its place; else it is refused.
        identity: what another ROUTER knows it by; b"" = what that chooses.
    """

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
    """Asks one of its peers, REP or ROUTER sockets, and receives its reply.

    Who has asked and does not want to wait may ask again: the old reply is dropped. If the
    connection to the peer that was asked is lost, `recv()` raises `NoReplyError`.

    Args:
        correlate: requests carry a number, by which old replies are known (REQ_CORRELATE of
            libzmq). Without, asking again closes the connection of who was asked before.
        identity: what a ROUTER knows it by; b"" = what that chooses.
    """

    __slots__ = ()

    def __init__(
        self, *, correlate: bool = True, identity: bytes = b"", limits: Limits | None = None
    ) -> None:
        super().__init__(partial(ReqRole, correlate=correlate, identity=identity), limits)


class Rep(AnsweringFace, Sending, Receiving):
    """Receives requests of its peers, REQ and DEALER sockets, and replies to each.

    `recv()` and `send()` take turns. A `send()` that was cut short still owes its reply; a `recv()`
    in its place gives that up, which is counted in `statistics().dropped`.
    """

    __slots__ = ()

    def __init__(self, *, limits: Limits | None = None) -> None:
        super().__init__(RepRole, limits)
