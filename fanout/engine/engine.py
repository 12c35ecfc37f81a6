"""The engine: one running publisher, whichever face it has.

It makes the shared memory, the send path that writes to it and the coordinator that serves from it,
and is the only file that knows both of the latter: neither knows the other.
"""

from __future__ import annotations

import logging
import time
import weakref
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from fanout._platform import check_machine
from fanout.basics.grace import END_GRACE
from fanout.basics.system_calls import explain
from fanout.coordinator import reports
from fanout.coordinator.access_calls import AccessCalls
from fanout.coordinator.announcer import Announcer
from fanout.coordinator.coordinator import Coordinator
from fanout.coordinator.interest import Interest
from fanout.coordinator.spawn import check_python
from fanout.engine.desks import Desks
from fanout.engine.parts import end, enlarge
from fanout.engine.questions import Questions
from fanout.engine.workforce import Workforce
from fanout.errors import ConfigError, StartupError
from fanout.ingress.ingress import Ingress
from fanout.ingress.terms import Terms
from fanout.observe.reader import Reader
from fanout.options import make_options
from fanout.send.gate import BROKEN
from fanout.send.making import make_path
from fanout.send.own_batches import BatchRules
from fanout.send.wire import Encoder
from fanout.shm.bells import Bells, ring_all
from fanout.shm.doorbell import Doorbell
from fanout.shm.header import Header, PublisherState
from fanout.shm.layout import MESSAGE_PART, WORKERS_MAX, Layout
from fanout.shm.segment import Segment
from fanout.terms.arguments import (
    as_endpoints,
    as_timeout,
    check_callback,
    check_spread,
    check_subscriber,
)
from fanout.terms.refusals import refuse_others
from fanout.terms.slow_options import as_policy, check_limits
from fanout.transport.advice import own_endpoints_named
from fanout.transport.endpoints import parse_endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fanout.events import Event
    from fanout.options import Options
    from fanout.reporting.event_queue import EventQueue
    from fanout.security.endpoints import Security
    from fanout.security.tls import Tls
    from fanout.statistics import InTheWay, Undelivered
    from fanout.transport.listener import Listener

log = logging.getLogger("fanout")
log.addHandler(logging.NullHandler())


class Engine:
    """One running publisher; any thread.

    Dropped without `close()`, it ends as if closed with `drain_timeout`.

    Attributes:
        options: what it was made with.
        gate: whether it is open, closed, broken, or another process's.
        path: where sends go.
        encoder: turns arguments into what `path` takes.
        batches: how its batches are encoded and committed.
        interest: who wants which topics.
        workforce: what users have done about workers.
        ingress: what users have done about producers.
        desks: what users have done about questions from outside.
        access: what users have done about who may subscribe, and to what.

    Raises:
        StartupError: no memory, no descriptors; nothing is left.
    """

    def __init__(self, options: Options, on_event: Callable[[Event], None] | None) -> None:
        self.options = options
        resources = ExitStack()  # what the coordinator gives back when it has ended
        try:
            self._make(on_event, resources)
        except BaseException as error:
            resources.close()
            if isinstance(error, OSError):
                raise StartupError(f"the system gives no resources: {explain(error)}") from error
            raise
        self._parts = self.gate, self._header, self._coordinator, self.ingress, self.desks
        self._finalizer = weakref.finalize(self, end, *self._parts, options.drain_timeout)

    def _make(self, on_event: Callable[[Event], None] | None, resources: ExitStack) -> None:
        """Make all of it, in this order; `resources` undoes it in reverse."""
        options = self.options
        sizes = options.log_bytes, options.max_subscribers, options.value_table
        segment = Segment.create(Layout.for_options(*sizes))
        resources.callback(segment.close)
        resources.callback(segment.discard)
        self._header = header = Header(segment)
        header.name = options.name
        header.workers = workers = options.worker_count
        header.started = time.time_ns()
        header.state = PublisherState.STARTING
        resources.callback(setattr, header, "state", PublisherState.ENDED)
        room = Doorbell()
        resources.callback(room.close)
        bells = Bells(segment)
        resources.callback(bells.close)
        bells.enlarge(workers)
        self.interest = Interest(lambda: time.sleep(0))  # lets another thread have the interpreter
        numbered = options.sequence_frame
        given = segment, bells.all, room, self.interest, options.max_topics
        self.path = path = make_path(*given, numbered=numbered, kept=options.value_topics)
        self.gate = gate = path.gate
        limit, messages = options.max_message_bytes, segment.layout.entries // MESSAGE_PART
        encoder = partial(Encoder, path.topics, path.intern, numbered=numbered)
        self.encoder = encoder(limit, in_pieces=True)
        unlimited = encoder(None, in_pieces=False)
        self.batches = BatchRules(path, unlimited, limit, messages)
        # Nothing below refers to us: the log's memory goes with the last reference to the
        # publisher, not with some later garbage collection.
        self._announcer = Announcer(on_event, log)
        self._coordinator = Coordinator(
            *(options, segment, bells.all, room, self.interest, self._announcer),
            on_broken=lambda: gate.shut(BROKEN),
            on_mended=gate.mend,
            on_ended=resources.close,
        )
        self.ingress = self._make_ingress(limit, messages)
        self.desks = self._make_desks(segment)
        more = partial(enlarge, bells, self._coordinator, path, header)
        checks = gate.check_use, gate.check
        self.access = AccessCalls(self._coordinator.act, gate.check_use)
        self.workforce = Workforce(self._coordinator, more, WORKERS_MAX, *checks)
        self._questions = Questions(
            Reader(segment),
            self.interest,
            self._coordinator,
            nudge=lambda: ring_all(path.bells),
            check_gate=gate.check,
        )

    def _make_ingress(self, limit: int, messages: int) -> Ingress:
        options, reception = self.options, self._coordinator.reception
        peer = options.handshake_timeout, options.max_inbound_bytes
        return Ingress(
            self.path,
            Terms(options.sequence_frame, limit, messages, *peer),
            reception.open,
            lambda: reception.endpoints,
            self._coordinator.tell,
            self._announcer.complain,
        )

    def _make_desks(self, segment: Segment) -> Desks:
        reception, ingress = self._coordinator.reception, self.ingress
        return Desks(
            *(segment, self.path, self.options.sequence_frame, reception.open),
            lambda: (*reception.endpoints, *ingress.endpoints),
            *(self._coordinator.tell, self._announcer.complain),
        )

    def start(
        self, endpoints: Iterable[str], security: Security | None = None, tls: Tls | None = None
    ) -> None:
        """Listen, start the coordinator and the workers, and serve; once.

        What cannot be bound is found before any process is started. Who connects meanwhile waits
        in the kernel's queue. A worker inherits no listener: they are closed when it is executed.

        Raises:
            StartupError, ConfigError, BindError: all of it has ended.
        """
        try:
            with ExitStack() as undo:
                listeners: list[Listener] = []
                for each in endpoints:
                    with own_endpoints_named(each, lambda: [one.endpoint for one in listeners]):
                        listeners.append(self._coordinator.reception.open(each, security, tls))
                    undo.callback(listeners[-1].close)
                self._coordinator.start()
                for listener in listeners:
                    self._coordinator.reception.add(listener)
                undo.pop_all()
            self._header.state = PublisherState.SERVING
        except BaseException:
            with suppress(TimeoutError):
                self.close(0.0)
            raise

    @property
    def condition(self) -> str:
        """For a `repr`: where it listens, or that it is closed."""
        return "closed" if self.gate.closed else ", ".join(self.endpoints) or "not bound"

    @property
    def is_unclosed(self) -> bool:
        """Whether nobody has closed it, for who complains of that when it is dropped.

        False when the interpreter ends, where names of modules may be gone: the finalizer was
        called before.
        """
        return self._finalizer.alive and not self.gate.forked

    # Endpoints.

    def bind(self, endpoint: str, security: Security | None = None, tls: Tls | None = None) -> str:
        """Listen on one more endpoint; returns it as it is bound. Raises as `Publisher.bind()`."""
        self.gate.check_use()
        with own_endpoints_named(endpoint, lambda: self.endpoints):
            return self._coordinator.reception.bind(endpoint, security, tls)

    def unbind(self, endpoint: str) -> None:
        """Stop listening on an endpoint; its subscribers stay. Raises as `Publisher.unbind()`."""
        self.gate.check_use()
        refuse_others(endpoint, self.ingress.endpoints, self.desks.endpoints)
        self._coordinator.call(lambda: self._coordinator.reception.unbind(endpoint))

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The bound endpoints, in the order of binding."""
        return self._coordinator.reception.endpoints

    # Subscribers.

    def set_slow_policy(self, subscriber: int, policy: object) -> None:
        """See `fanout.Publisher.set_slow_policy()`."""
        check_subscriber(subscriber)
        self.gate.check_use()
        chosen = None if policy is None else as_policy("policy", policy)
        if chosen is not None:
            options = self.options
            check_limits("policy", chosen, options.log_bytes, options.log_entries)
        self._coordinator.act(lambda state: reports.set_slow_policy(state, subscriber, chosen))

    # Questions.

    @property
    def questions(self) -> Questions:
        """Who answers questions.

        Raises:
            ForkedError, ClosedError: nobody any more.
        """
        self.gate.check_use()
        return self._questions

    def in_the_way(self) -> InTheWay | None:
        """Who holds a send up, as far as is known; it asks nobody, and never raises."""
        return self._questions.in_the_way()

    def open_queue(self) -> EventQueue:
        """The events from now on.

        Raises:
            ForkedError, ClosedError, RuntimeError (too many are open): there is none.
        """
        self.gate.check_use()
        return self._announcer.open_queue()

    # The end.

    def seconds(self, timeout: float | None) -> float:
        """How long a drain or a close may take; None = `drain_timeout`.

        Raises:
            TypeError, ValueError: it is no time to wait.
        """
        seconds = as_timeout(timeout, "for drain_timeout")
        return self.options.drain_timeout if seconds is None else seconds

    def close(self, timeout: float | None, spread: float = 0.0) -> tuple[Undelivered, ...]:
        """End everything; returns what was not delivered. Idempotent; does nothing in a fork.

        Raises:
            TimeoutError: it has not ended in time; it goes on, and may be waited for again.
        """
        seconds = self.seconds(timeout)
        spread = check_spread(spread)
        if self.gate.forked:
            return ()
        has_ended = end(*self._parts, seconds, spread)
        self._finalizer.detach()
        state = self._coordinator.state
        if not has_ended:
            raise TimeoutError(
                f"the publisher has not ended {END_GRACE:g} s after the {seconds + spread:g} s "
                "that it had, or later: its thread, or the machine, hangs. "
                f"{len(state.roster.connections)} subscribers are connected, and what they "
                "were sent is not known; close() waits again"
            )
        return (*state.ledger.lost, *state.ledger.undelivered)


def start(
    endpoint: str | Iterable[str] | None,
    on_event: Callable[[Event], None] | None,
    options: Mapping[str, Any],
    base: Options | None = None,
    security: Security | None = None,
    tls: Tls | None = None,
) -> Engine:
    """An engine that runs, from what users pass; see `fanout.Publisher` for what it raises."""
    check_machine()
    check_python()
    checked = make_options(options, base)
    check_callback(on_event)
    endpoints = as_endpoints(endpoint)
    for name, given in (("security", security), ("tls", tls)):
        if given is not None and not endpoints:
            raise ConfigError(f"{name} is of an endpoint, and none is given: say it to bind()")
    for each in endpoints:
        parse_endpoint(each, may_encrypt=True)  # before anything is started
    engine = Engine(checked, on_event)
    engine.start(endpoints, security, tls)
    return engine
