"""Reception: listeners, accepting, and the duplicates of accepted sockets. Shell.

The coordinator keeps a duplicate of every subscriber's socket: that is what a connection survives
its worker by. So a worker ends a connection with shutdown(2), and says so, and the duplicate is
closed here.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import weakref
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from fanout.basics.descriptors import duplicate, standard_taken
from fanout.control.judging import Secure
from fanout.coordinator.actions import HandOver, Tell
from fanout.coordinator.asked import EndpointTerms
from fanout.coordinator.crowding import queue_full
from fanout.coordinator.exposure import exposed_by
from fanout.coordinator.listening import Listening
from fanout.errors import ConfigError
from fanout.events import Event, EventKind
from fanout.reasons import Reason
from fanout.security.judges import Judges
from fanout.terms.addresses import OF_ADDRESS, REFUSED_HELD, AddressRefusal
from fanout.transport.accepting import (
    ACCEPTS_PER_TURN,
    ExhaustedError,
    explain_exhausted,
    sparing,
    waiting_at,
)
from fanout.transport.held import HeldBack
from fanout.transport.kernel import prepare_listener
from fanout.transport.kernel_queues import KernelQueues, memory_for_tcp
from fanout.transport.listener import Listener, peer_name
from fanout.transport.opening import open_listener
from fanout.transport.reserve import allowed_descriptors, first_kept, leave_reserve

if TYPE_CHECKING:
    import selectors
    import socket
    from collections.abc import Callable, Iterator, Sequence

    from fanout.coordinator.actions import Action
    from fanout.coordinator.calls import Calls
    from fanout.coordinator.roster import Accepted
    from fanout.coordinator.state import State
    from fanout.options import Options
    from fanout.security.endpoints import Security
    from fanout.security.tls import Tls

OTHER_DESCRIPTORS = 256  # beside one for each subscriber: ours, and what the user has open


class Moment(NamedTuple):
    """What is the same for all who are accepted in one turn."""

    now: float
    ready: list[int]  # the workers that serve
    loads: Sequence[int]
    allowed: int  # open files of this process


class Reception:
    """Accepts for the coordinator; on its thread, but for `bind()` and `endpoints`.

    Its mutable state: the listeners by endpoint, and those who are held before the end of their
    connection, with its time.

    Args:
        state: who is admitted is entered there, with our duplicate of the socket.
        calls: to the coordinator's thread.
        selector: that thread's. A listener is watched there with a function that accepts, and
            returns what to do about who came.
        now: seconds, see `Supervision`.
        loads: the measured load of each worker, in thousandths of a core.
        options: the length of the queue of connections not yet accepted, and what they get.
    """

    def __init__(
        self,
        state: State,
        calls: Calls,
        selector: selectors.BaseSelector,
        now: Callable[[], float],
        loads: Callable[[], Sequence[int]],
        options: Options,
    ) -> None:
        self._state = state
        self._calls = calls
        self._now = now
        self._loads = loads
        self._options = options
        self._queues = KernelQueues(options.kernel_queue_bytes, memory_for_tcp())
        self._listeners: dict[str, Listener] = {}
        self._listening = Listening(self._listeners, selector, state.ledger, now)
        self._held = HeldBack()
        self._highest = 0  # the last descriptor that we kept; all below it were in use
        self._asking: dict[Listener, Security] = {}  # those on whose connections somebody judges
        self._numbers = itertools.count(1)  # of endpoints with keys
        self.judges = Judges()
        self.tell: Callable[[Event], object] = lambda _event: None  # until somebody can
        _receptions.add(self)

    def post(self, function: Callable[[], object]) -> None:
        """Have this done on the coordinator's thread; any thread."""
        self._calls.post(function)

    def reserve(self, count: int) -> None:
        """Let the kernel make room for so many descriptors now, or for as many as are allowed.

        It doubles the table of a process with threads by and by, and each time whoever opens a
        descriptor waits some 10 ms for all cores to let go of the old one: in a storm, us.
        """
        with suppress(OSError):  # if it fails, it grows later
            highest = min(count + OTHER_DESCRIPTORS, allowed_descriptors() - 1)
            os.close(fcntl.fcntl(self._calls.fd, fcntl.F_DUPFD_CLOEXEC, highest))

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Resolved endpoints, in the order of their binding."""
        return tuple(self._listeners)

    def bind(self, endpoint: str, security: Security | None = None, tls: Tls | None = None) -> str:
        """Listen on an endpoint; returns it with the real port. Any thread.

        The address is looked up and bound by the calling thread: a resolver may take its time.

        Raises:
            TypeError, ConfigError, BindError, ClosedError: nothing has changed.
            TimeoutError as from `Calls.call()`, anything that interrupts: it is undone.
        """
        return self.add(self.open(endpoint, security, tls))

    def open(
        self, endpoint: str, security: Security | None = None, tls: Tls | None = None
    ) -> Listener:
        """Listen on an endpoint, for who will `add()` it; any thread.

        Raises:
            TypeError, ConfigError, BindError: nothing has changed.
        """
        options, asked = self._options, EndpointTerms.of(endpoint, security, tls)
        if options.require_security and not asked.asks:
            raise ConfigError(
                f"require_security: {endpoint!r} asks nobody who he is; give it security=, as "
                "auth.Plain(…), which ingest() and answer() cannot have"
            )
        prepare = partial(
            prepare_listener,
            queue_bytes=options.kernel_queue_bytes,
            user_timeout_s=options.tcp_user_timeout,
        )
        listener = open_listener(endpoint, options.backlog, prepare, may_encrypt=True)
        try:
            asked.check_place(listener.endpoint, is_local=listener.is_local)
        except BaseException:
            listener.close()
            raise
        listener.protocol, listener.asks = asked.protocol, asked.asks
        self._calls.post(self._state.socket_files.noting(listener))
        secrets = asked.secrets
        if secrets:  # keys of its own: no other endpoint has this protocol
            listener.protocol += f"#{next(self._numbers)}"
            self._state.secure[listener.protocol] = Secure(listener.protocol, secrets)
        judge = asked.judge
        if judge is not None:
            self._asking[listener] = judge
        return listener

    def add(self, listener: Listener) -> str:
        """Accept from a listener, and own it; returns its endpoint. Any thread.

        Raises:
            ClosedError, TimeoutError as from `Calls.call()`, what interrupts: it is closed.
        """
        try:
            return self._calls.call(lambda: self._add(listener))
        except BaseException:
            self._calls.post(lambda: self._drop(listener))
            if self._calls.ended:
                listener.close()
            raise

    def _add(self, listener: Listener) -> str:
        for event in exposed_by(listener, self._listeners.values()):
            self.tell(event)
        self._listeners[listener.endpoint] = listener
        self._listening.begin(listener, self._accept_some)
        return listener.endpoint

    def unbind(self, endpoint: str) -> None:
        """Stop listening; connections stay.

        Raises:
            ConfigError: not an endpoint of this publisher.
        """
        listener = self._listeners.pop(endpoint, None)
        if listener is None:
            bound = ", ".join(self._listeners) or "none"
            raise ConfigError(f"{endpoint!r} is not bound; bound are: {bound}")
        self._forget(listener)
        try:
            self._listening.end(listener)
        finally:
            listener.close()

    def _drop(self, listener: Listener) -> None:
        """Close a listener, whether it was added or not."""
        if self._listeners.get(listener.endpoint) is listener:
            self.unbind(listener.endpoint)
        self._forget(listener)
        listener.close()

    def _forget(self, listener: Listener) -> None:
        """Nobody comes by it any more: its keys are let go, by workers when they are told so."""
        self._asking.pop(listener, None)
        self._state.secure.pop(listener.protocol, None)

    def close(self) -> None:
        """Stop listening everywhere; what one raises, is raised when all are closed."""
        with ExitStack() as steps:
            steps.callback(self._held.end)
            steps.callback(self.judges.end)
            for endpoint in self.endpoints:
                steps.callback(self.unbind, endpoint)

    def leave(self) -> None:
        """In a forked child: close the copies of connections, or they would outlive the parent."""
        self._held.end()
        duplicates = self._state.duplicates
        while duplicates:
            with suppress(OSError):
                os.close(duplicates.popitem()[1])

    def hold(self, descriptor: int, seconds: float) -> None:
        """End the connection of this duplicate after a while; takes it over."""
        self._held.hold(descriptor, self._now() + seconds)

    def look(self, now: float) -> list[Action]:
        """End what was held for long enough, and accept again if the pause is over."""
        self._held.end(now)
        return self._listening.look(now, self._accept_some)

    def _accept_some(self, listener: Listener) -> list[Action]:
        with standard_taken():
            return self._accept(listener)

    def _accept(self, listener: Listener) -> list[Action]:
        actions = queue_full(listener, self._state.ledger)
        moment = self._moment()
        try:
            for connection, address in self._coming(listener, moment):
                actions += self._welcome(connection, address, listener, moment)
                if self._listening.is_paused:
                    break  # the rest waits in the listen queue
        except ExhaustedError as error:
            actions += self._exhausted(error)
        return actions

    def _coming(self, listener: Listener, moment: Moment) -> Iterator[tuple[socket.socket, object]]:
        """Who waits there. To look ahead costs some 10 us for each: only near the limit."""
        if self._highest + 2 * ACCEPTS_PER_TURN < first_kept(moment.allowed):
            return waiting_at(listener.socket)
        return sparing(listener.socket, moment.allowed, doubled=True)

    def _moment(self) -> Moment:
        ready = self._state.supervision.taking
        return Moment(self._now(), ready, self._loads(), allowed_descriptors())

    def _welcome(
        self, sock: socket.socket, address: object, listener: Listener, moment: Moment
    ) -> list[Action]:
        state = self._state
        state.ledger.accepted += 1
        with sock:
            try:
                peer = peer_name(sock, address)
            except OSError:
                peer = "unknown"  # it has left already; its worker will notice
            of_listener = listener.endpoint, listener.protocol
            admitted = state.roster.admit(
                peer, *of_listener, moment.ready, moment.loads, moment.now
            )
            if isinstance(admitted, AddressRefusal):
                if admitted.cause in OF_ADDRESS:
                    self._highest = sock.fileno()
                    self.hold(sock.detach(), REFUSED_HELD)
                return [self._refuse(peer, admitted)]
            security = self._asking.get(listener)
            if security is not None:
                state.judging.admitted(admitted.subscriber, security)
            self._queues.fit(sock, len(state.duplicates) + 1)
            return self._hand_over(sock, admitted, moment)

    def _refuse(self, peer: str, refusal: AddressRefusal) -> Action:
        self._state.ledger.refuse(refusal.cause)
        kind = EventKind.CONNECTION_REFUSED
        return Tell(Event(kind, refusal.text, peer=peer, cause=refusal.cause))

    def _hand_over(self, sock: socket.socket, connection: Accepted, moment: Moment) -> list[Action]:
        try:
            ours = duplicate(sock.fileno())
            try:  # its number may be much higher: those who were handed over have left theirs
                leave_reserve(ours, moment.allowed)
            except OSError:
                os.close(ours)
                raise
        except OSError as error:
            self._state.roster.addresses.owes(connection.peer, connection.debt, self._now())
            self._state.roster.remove(connection.subscriber)
            self._state.judging.end(connection.subscriber)
            refusal = AddressRefusal(Reason.NO_RESOURCES, error.strerror or str(error))
            return [self._refuse(connection.peer, refusal), *self._exhausted(error)]
        self._state.duplicates[connection.subscriber] = self._highest = ours
        return [
            HandOver(connection, sock.detach()),
            *self._state.choices.admit(connection),
        ]

    def pause(self, why: str) -> list[Action]:
        """Accept nobody for a while, if somebody is."""
        return [] if self._listening.is_paused else self._listening.pause(why)

    def _exhausted(self, error: OSError) -> list[Action]:
        return [] if self._held.make_room() else self._listening.pause(explain_exhausted(error))


_receptions: weakref.WeakSet[Reception] = weakref.WeakSet()


def _leave_all() -> None:
    for reception in list(_receptions):
        reception.leave()


os.register_at_fork(after_in_child=_leave_all)
