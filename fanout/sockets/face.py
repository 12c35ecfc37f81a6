"""What users hold of a socket, as far as it does not wait: for threads and for asyncio. Shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.sockets.errors import NotNowError
from fanout.sockets.frames import frames_of
from fanout.sockets.pipeline import Push
from fanout.sockets.refusals import NotAZmqSocket
from fanout.subscriber.changes import Change, check_room
from fanout.subscriber.settings import endpoint_of
from fanout.terms.arguments import as_topic
from fanout.zmtp.cutting import FRAMES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.sockets.actor import SocketStatistics
    from fanout.sockets.frames import Sendable
    from fanout.sockets.loop import LoopActor
    from fanout.sockets.problems import Problem
    from fanout.sockets.threads import ThreadActor
    from fanout.subscriber.parsing import Frames
    from fanout.subscriber.prefixes import Prefixes
    from fanout.terms.arguments import TopicLike

BACKLOG = 1024  # connections that the kernel holds until they are accepted; it allows 4,096
NOTHING = "no message has come"
NO_ROOM = "there was no room, or nobody to send to,"
NO_PEERS = "not so many peers were there"
NOT_SENT = "not all was sent"


class Face(NotAZmqSocket):
    """All kinds of sockets, in both faces."""

    __slots__ = ("__weakref__", "_actor", "_role")

    _actor: ThreadActor | LoopActor
    _role: Any  # what of a role it needs depends on the kind of socket

    def __repr__(self) -> str:
        condition = "closed" if self.closed else f"with {self.peers} peers"
        return f"<{type(self).__module__}.{type(self).__name__} {condition}>"

    def connect(self, endpoint: str) -> None:
        """Connect to this, now and whenever the connection is lost; does not wait.

        Args:
            endpoint: "tcp://10.0.0.7:5556" or "ipc:///run/feed".

        Raises:
            TypeError, ConfigError: it is no endpoint, or one for binding.
            ClosedError, ForkedError: nothing was done.
        """
        parsed = endpoint_of(endpoint)
        self._actor.check()
        try:
            self._actor.core.connect(parsed)
        finally:
            self._actor.wiring.changed()
            self._actor.ring()

    @property
    def peers(self) -> int:
        """How many connections are ready."""
        return self._actor.core.ready

    @property
    def closed(self) -> bool:
        """Whether all is over."""
        return self._actor.is_closed

    def errors(self) -> list[Problem]:
        """What went wrong since it was asked last, the oldest first; 256 are kept.

        More are counted, `statistics().problems_lost`.
        """
        return self._actor.problems.take()

    def statistics(self) -> SocketStatistics:
        """Counters since it was made; also when it is closed."""
        return self._actor.statistics()


def refuse_too_many(frames: list[bytes]) -> None:
    """Refuse a message of more frames than `ingest()` takes, which would be sent to it for ever.

    Raises:
        ValueError: there are more.
    """
    if len(frames) > FRAMES_MAX:
        text = f"a message has at most {FRAMES_MAX:,} frames, not {len(frames):,}"
        raise ValueError(f"{text}; nothing was sent")


def tell_given_up(face: Face, tell: Callable[[int, int], None]) -> None:
    """Have this called when a PUSH socket gives a message up; see `pipeline.Push`."""
    role = face._actor.role
    assert isinstance(role, Push), "only that gives any up"
    role.on_given_up = tell


def tell_problems(face: Face, tell: Callable[[Problem], None]) -> None:
    """Have this called with each of its `errors()` as it comes, on its thread or loop."""
    face._actor.problems.tell = tell


def call_it(face: Face, what: str) -> None:
    """Have its user told of the end of what he has, which is not this socket but made of it."""
    face._actor.called = what


def is_over(face: Face) -> bool:
    """Whether somebody has had it end, or a fork or a failure has."""
    return face._actor.is_over


def abandon(face: Face) -> None:
    """Have it end, and do not wait; that it was not closed is told by who has held it."""
    face._actor.close(0)


def last_problem_of(face: Face) -> str:
    """The text of the newest of its `errors()`, asked for before or not; "" = there was none."""
    problem = face._actor.problems.last
    return "" if problem is None else problem.text


class SendingFace(Face):
    """Those that send."""

    __slots__ = ()

    def try_send(self, message: Sendable) -> bool:
        """Send a message if that is possible without waiting; False: it was not sent.

        Raises: as `send()`, but for TimeoutError.
        """
        prepared = self._role.prepare(frames_of(message))
        self._actor.check()
        try:
            self._role.try_send(prepared)
        except NotNowError:
            return False
        finally:
            self._actor.ring()
        return True


class ReceivingFace(Face):
    """Those that receive."""

    __slots__ = ()

    def try_recv(self) -> Frames | None:
        """The next message if there is one; None: there is none.

        Raises: as `recv()`, but for TimeoutError.
        """
        self._actor.check()
        self._resume()
        try:
            return self._role.try_recv()  # type: ignore[no-any-return]  # frames
        except NotNowError:
            return None

    def _resume(self) -> None:
        """Before a message is taken: who reads may go on then."""
        inbox = self._actor.inbox
        if inbox is not None and inbox.is_stalled and inbox.may_resume():
            self._actor.ring()


class SubscribingFace(ReceivingFace):
    """Those that subscribe."""

    __slots__ = ()

    def subscribe(self, topic: TopicLike) -> None:
        """Want messages whose first frame begins with this; no effect if they are wanted.

        Raises:
            TypeError: it is no topic.
            ConfigError: it has a million topics, or as many changes are not made yet.
            ClosedError, ForkedError: nothing has changed, whatever was raised.
        """
        prefix = as_topic(topic)
        actor, role = self._actor, self._role
        actor.check()
        wants: Prefixes = role.wants
        there = wants.__len__, wants.__contains__
        check_room(prefix, *there, actor.waiting_orders, actor.waiting_changes)
        actor.order(Change(prefix, True, lambda: role.subscribe(prefix)))

    def unsubscribe(self, topic: TopicLike) -> None:
        """Take a subscription back; what waits in the inbox stays. Raises as `subscribe()`."""
        prefix, role = as_topic(topic), self._role
        self._actor.order(Change(prefix, False, lambda: role.unsubscribe(prefix)))


class AskingFace(Face):
    """Those that ask."""

    __slots__ = ()

    @property
    def is_waiting(self) -> bool:
        """Whether something was asked whose reply was not received yet."""
        return bool(self._role.is_waiting)


class AnsweringFace(Face):
    """Those that answer."""

    __slots__ = ()

    @property
    def owes_reply(self) -> bool:
        """Whether a request was received that was not answered yet."""
        return bool(self._role.owes_reply)
