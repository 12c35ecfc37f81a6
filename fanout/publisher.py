"""Publisher: the class that users hold."""

from __future__ import annotations

import warnings
import weakref
from typing import TYPE_CHECKING, NoReturn, Unpack

from fanout.engine.engine import start
from fanout.engine.undelivered import warn_of_undelivered
from fanout.faces.answering import Answering
from fanout.faces.audience import Audience
from fanout.faces.binding import Binding
from fanout.faces.intake import Intake
from fanout.send.batch import Batch
from fanout.send.making import batch_type, with_compiled_verbs
from fanout.send.own_batches import OwnBatches, running
from fanout.send.publishing import Publishing
from fanout.send.waiting import Waiter
from fanout.terms.arguments import as_timeout
from fanout.terms.awaiting import PUBLISHER, refuse_await
from fanout.terms.refusals import refuse_linger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fanout.events import Event
    from fanout.options import Options
    from fanout.security.endpoints import Security
    from fanout.security.tls import Tls
    from fanout.send.path import SendPath
    from fanout.send.wire import Encoder
    from fanout.statistics import Undelivered
    from fanout.terms.option_arguments import OptionArguments
    from fanout.terms.refusals import NotHere

_BLOCKING = (
    "this publisher blocks, nothing is awaited: use `with`, or fanout.asyncio.Publisher and `async`"
)


@with_compiled_verbs
class Publisher(Publishing, Binding, Audience, Intake, Answering):
    """Publishes messages to ZeroMQ SUB sockets through a pool of worker processes.

    Every method may be called from any thread. Messages are delivered in the order of their
    sequence numbers, which is the order of their commits.

    Args:
        endpoint: what to listen on, as with libzmq ("tcp://*:5556", "tcp://127.0.0.1:*",
            "ipc:///run/feed"), one or several; None = nothing yet, `bind()` later.
        on_event: called with every `Event`, on a thread of its own, and may use the publisher.
            What it raises is logged; it holds nobody up, and events that it is too slow for are
            counted (`EVENTS_LOST`).
        security: what `endpoint` asks of subscribers, see `fanout.auth`; None = nothing.
        tls: what encrypts it, if it is `tls://`, `fanout.auth.Tls`; None = it is another one.
        options: what is not among the keywords; None = the defaults.
        keywords: options by name, see `fanout.options.Options`; sizes as text as well, "64M".

    Raises:
        TypeError: an argument is of a wrong type, or there is no such option.
        ConfigError: an option or an endpoint cannot work.
        BindError: an endpoint could not be bound.
        StartupError: no memory for the log, or the workers do not start.
        After any of them nothing is left running.
    """

    __slots__ = ("__weakref__", "_own", "_path", "_waiter")

    def __init__(
        self,
        endpoint: str | Iterable[str] | None = None,
        *,
        on_event: Callable[[Event], None] | None = None,
        security: Security | None = None,
        tls: Tls | None = None,
        options: Options | None = None,
        **keywords: Unpack[OptionArguments],
    ) -> None:
        self._engine = engine = start(endpoint, on_event, keywords, options, security, tls)
        self._path: SendPath | OwnBatches[Batch] = engine.path
        self._waiter = Waiter(engine.path, engine.in_the_way)
        kind, given = batch_type(Batch, engine.path), (engine.batches, self._waiter.send)
        self._own: OwnBatches[Batch] = OwnBatches(
            weakref.ref(self), engine.path, running, kind, *given
        )
        self._own.look_at_first()

    def __repr__(self) -> str:
        return f"<fanout.Publisher {self._engine.condition}>"

    def __del__(self) -> None:
        if hasattr(self, "_engine") and self._engine.is_unclosed:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)

    # Sending: the verbs are in `fanout/send/publishing.py`.

    def batch(self, *, timeout: float | None = None) -> Batch:
        """A batch for a `with` block: its messages are committed together when the block ends.

        Args:
            timeout: seconds to wait for room in the log, as in `publish()`.

        Raises:
            TypeError, ValueError: `timeout` is no time to wait.
            ClosedError, BrokenError: nothing can be sent any more.
        """
        if timeout is not None:
            as_timeout(timeout)  # before anything is added to it
        self._engine.gate.check()
        own = self._own
        return own.kind(own, timeout)

    # Queries.

    @property
    def options(self) -> Options:
        """The options in effect, which cannot be changed."""
        return self._engine.options

    @property
    def poisoned(self) -> bool:
        """Whether an interrupted send must be rolled back by `recover()` before the next."""
        return self._engine.path.poisoned

    def recover(self) -> None:
        """Roll back to the last commit after a PoisonedError; harmless if not poisoned.

        Raises:
            PoisonedError: the log itself is damaged; close the publisher.
        """
        refuse_await(PUBLISHER)
        self._engine.path.recover()

    # Workers.

    def restart_workers(self) -> int:
        """Replace all workers, one after another; subscribers do not notice.

        Each that serves gets a new process, to which others have moved its subscribers by then; one
        worker more serves meanwhile. Those that were given up, or wait for their next try, are
        started at once, and nothing is held against them any more. If a new process does not
        serve, those that were not replaced yet are left alone.

        It does not wait until all that is done, see `wait_for_workers()`: a publisher that was
        broken sends again from the first of these on.

        Who cannot be moved is closed, when nobody could be moved for 5 s; see the reference.

        Returns:
            How many are replaced or started.

        Raises:
            ClosedError: the publisher was closed.
            BrokenError: it is broken for good, by a bug of ours: close it.
            TimeoutError: our thread, or the machine, hangs.
            NestedSendError: this thread is in the middle of a send.
            PoisonedError: see `recover()`. OSError: no descriptors. Nothing is replaced.
        """
        refuse_await(PUBLISHER)
        return self._engine.workforce.restart()

    def resize(self, workers: int) -> None:
        """Have so many workers from now on; subscribers do not notice.

        Those that are started take new connections; those that are too many, the last ones, are
        ended when their subscribers have moved to the others. It does not wait until that is done,
        see `wait_for_workers()`.

        Who cannot be moved is closed, as by `restart_workers()`.

        Args:
            workers: from 1 to 256.

        Raises:
            TypeError, ConfigError: it is no such number. Others as `restart_workers()`.
        """
        refuse_await(PUBLISHER)
        self._engine.workforce.resize(workers)

    # The end.

    @property
    def closed(self) -> bool:
        """Whether `close()` or `stop()` was called."""
        return self._engine.gate.closed

    def drain(self, timeout: float | None = None) -> tuple[Undelivered, ...]:
        """Wait until everything published so far has been handed to the kernel.

        Args:
            timeout: seconds; None = `drain_timeout`.

        Returns:
            What was not, for each subscriber; empty if all of it was. What was lost with a worker
            since the last `drain()` is in it, too.

        Raises:
            TypeError, ValueError: `timeout` is no time to wait.
            ClosedError: the publisher is closed.
        """
        refuse_await(PUBLISHER)
        return self._engine.questions.drain(self._engine.seconds(timeout))

    def close(
        self,
        timeout: float | None = None,
        *,
        spread: float = 0.0,
        linger: NotHere | None = None,
    ) -> tuple[Undelivered, ...]:
        """Stop accepting, deliver what is queued, end all connections and workers. Idempotent.

        Args:
            timeout: seconds that delivery may take; None = `drain_timeout`, `math.inf` = as long
                as it takes.
            spread: seconds over which the connections are closed of those who have everything, in
                any order, besides: so they do not all connect again, elsewhere, at once. Another
                `close()` meanwhile, or `stop()`, closes them at once, whatever its timeout.

        Returns:
            What was not delivered, for each subscriber; empty if everything was. What was lost
            with a worker since the last `drain()` is in it, too.

        Raises:
            TypeError, ValueError: one is no time to wait; nothing has changed.
            TimeoutError: it has not ended 5 s after them (15 s if it gets on), for our thread or
                the machine hangs; what was delivered is not known. It is closed and goes on: call
                this again to wait.
        """
        refuse_await(PUBLISHER)
        refuse_linger(linger)
        return self._engine.close(timeout, spread)

    def stop(self) -> tuple[Undelivered, ...]:
        """End at once; returns what was not delivered. Idempotent."""
        return self.close(0.0)

    def __enter__(self) -> Publisher:
        self._engine.gate.check_use()
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if self.closed:  # by a call of the program, which was told
            self.close()
        else:
            warn_of_undelivered(self.close(), self.options.drain_timeout)

    if not TYPE_CHECKING:  # type checkers refuse it by themselves

        async def __aenter__(self) -> NoReturn:
            raise TypeError(_BLOCKING)

        __aexit__ = __aenter__

    def _encoding(self) -> Encoder:
        return self._engine.encoder

    def _values_path(self) -> SendPath:
        return self._engine.path
