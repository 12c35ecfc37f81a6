"""The publisher and the subscriber for asyncio: the same verbs, awaitable where they can wait.

Sending normally completes without suspending. Only without room in the log (`slow_policy="block"`)
a task waits, for the doorbell that the workers ring; tasks that wait are served in their order.
Whatever else may take a while (starting, binding, statistics, closing) runs on a thread of its own.

Every method is cancel-safe: cancelled at any await, a message was sent whole or not at all, what
was being started or bound is undone, and a close becomes a stop. What has to be undone is waited
for before the cancellation goes on.
"""

from __future__ import annotations

import asyncio
import warnings
import weakref
from functools import partial
from typing import TYPE_CHECKING, NoReturn, Unpack

from fanout.basics.loop_executor import begin, in_thread, outlast
from fanout.engine import engine as engines
from fanout.engine.undelivered import warn_of_undelivered
from fanout.faces.awaited_answering import AwaitedAnswering
from fanout.faces.awaited_audience import AwaitedAudience
from fanout.faces.awaited_binding import AwaitedBinding
from fanout.faces.awaited_intake import AwaitedIntake
from fanout.reporting.event_iterators import AwaitedEvents
from fanout.reporting.loop_callback import LoopCallback
from fanout.send.awaited_batch import Batch
from fanout.send.awaited_publishing import AwaitedPublishing
from fanout.send.making import batch_type, with_awaited_verbs
from fanout.send.own_batches import OwnBatches
from fanout.send.queue import SendQueue
from fanout.terms.arguments import as_timeout, check_callback
from fanout.terms.refusals import refuse_linger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from fanout.engine.engine import Engine
    from fanout.events import Event
    from fanout.faces.awaited_producer import Producer
    from fanout.options import Options
    from fanout.security.endpoints import Security
    from fanout.security.tls import Tls
    from fanout.send.path import SendPath
    from fanout.send.wire import Encoder
    from fanout.statistics import Undelivered
    from fanout.subscriber.awaited import Subscriber
    from fanout.terms.option_arguments import OptionArguments
    from fanout.terms.refusals import NotHere

_AWAITED = "this publisher is for asyncio: use it in `async with`, or await Publisher.start()"


@with_awaited_verbs
class Publisher(
    AwaitedPublishing, AwaitedAudience, AwaitedBinding, AwaitedIntake, AwaitedAnswering
):
    """As `fanout.Publisher`; belongs to the event loop that starts it.

    It is started by `async with Publisher(...)` or by `await Publisher.start(...)`, which take the
    same arguments; the constructor itself does nothing. `on_event` is called on the loop: it must
    not block, and while the loop is busy, events wait as for any other slow callback. What the
    blocking publisher raises when it is made is raised by the start. Methods take, return and raise
    what those of the blocking publisher do, and are called on that loop alone.
    """

    __slots__ = (
        *("__weakref__", "_endpoint", "_is_started", "_keywords", "_on_event"),
        *("_options", "_own", "_path", "_queue", "_security"),
    )

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
        self._engine: Engine | None = None
        self._queue: SendQueue | None = None
        self._own: OwnBatches[Batch] | None = None
        self._path: SendPath | SendQueue | OwnBatches[Batch] | None = None  # what it sends by
        self._endpoint = endpoint
        self._on_event = on_event
        self._options = options
        self._security = security, tls
        self._keywords = keywords
        self._is_started = False

    def __repr__(self) -> str:
        condition = "not started" if self._engine is None else self._engine.condition
        return f"<fanout.asyncio.Publisher {condition}>"

    def __del__(self) -> None:
        is_made = hasattr(self, "_engine")  # its `__init__` was not interrupted
        if is_made and self._engine is not None and self._engine.is_unclosed:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)

    @classmethod
    async def start(
        cls,
        endpoint: str | Iterable[str] | None = None,
        *,
        on_event: Callable[[Event], None] | None = None,
        security: Security | None = None,
        tls: Tls | None = None,
        options: Options | None = None,
        **keywords: Unpack[OptionArguments],
    ) -> Publisher:
        """A publisher that is started; `close()` it."""
        publisher = cls(
            endpoint, on_event=on_event, security=security, tls=tls, options=options, **keywords
        )
        await publisher._start()
        return publisher

    async def __aenter__(self) -> Publisher:
        await self._start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.closed:  # by a call of the program, which was told
            await self.close()
        else:
            warn_of_undelivered(await self.close(), self.options.drain_timeout)

    # Sending: the verbs are in `fanout/send/awaited_publishing.py`.

    def batch(self, *, timeout: float | None = None) -> Batch:
        """A batch for an `async with` block, committed when the block ends."""
        if timeout is not None:
            as_timeout(timeout)  # before anything is added to it
        self._running().gate.check()
        own = self._own
        assert own is not None, "it is made with the engine"
        return own.kind(own, timeout)

    # Queries.

    @property
    def options(self) -> Options:
        """The options in effect."""
        return self._running().options

    @property
    def poisoned(self) -> bool:
        """Whether an interrupted send must be rolled back by `recover()` before the next."""
        return self._running().path.poisoned

    async def recover(self) -> None:
        """Roll back to the last commit after a PoisonedError."""
        await in_thread(self._running().path.recover)

    # Workers.

    async def restart_workers(self) -> int:
        """Replace all workers, one after another; subscribers do not notice."""
        return await in_thread(self._running().workforce.restart)

    async def resize(self, workers: int) -> None:
        """Have so many workers from now on; subscribers do not notice."""
        engine = self._running()
        await in_thread(lambda: engine.workforce.resize(workers))

    # The end.

    @property
    def closed(self) -> bool:
        """Whether `close()` or `stop()` was called."""
        return self._engine is not None and self._engine.gate.closed

    async def drain(self, timeout: float | None = None) -> tuple[Undelivered, ...]:
        """Wait until everything published so far has been handed to the kernel."""
        engine = self._running()
        questions = engine.questions
        target = engine.path.log.head
        for pause in questions.pauses_until_drained(target, engine.seconds(timeout)):
            await asyncio.sleep(pause)
        found = await in_thread(lambda: questions.look(target), questions.untell)
        return (*found.lost, *found.queued)

    async def close(
        self,
        timeout: float | None = None,
        *,
        spread: float = 0.0,
        linger: NotHere | None = None,
    ) -> tuple[Undelivered, ...]:
        """Deliver what is queued and end; cancelled, it ends at once. Idempotent."""
        refuse_linger(linger)
        engine = self._engine
        if engine is None:
            return ()
        closing = begin(lambda: engine.close(timeout, spread))
        try:
            return await asyncio.shield(closing)
        except asyncio.CancelledError:
            await outlast(in_thread(lambda: engine.close(0.0)))
            raise

    async def stop(self) -> tuple[Undelivered, ...]:
        """End at once; returns what was not delivered. Idempotent."""
        return await self.close(0.0)

    if not TYPE_CHECKING:  # type checkers refuse it by themselves

        def __enter__(self) -> NoReturn:
            raise TypeError(_AWAITED)

        __exit__ = __enter__

    # Inside.

    async def _start(self) -> None:
        if self._is_started:
            raise RuntimeError("this publisher was started before; make a new one")
        self._is_started = True
        check_callback(self._on_event)
        on_event = self._on_event
        if on_event is not None:
            on_event = LoopCallback(on_event, asyncio.get_running_loop())
        self._use(
            await in_thread(
                lambda: engines.start(
                    self._endpoint, on_event, self._keywords, self._options, *self._security
                ),
                undo=lambda engine: engine.close(0.0),
            ),
            asyncio.get_running_loop(),
        )

    def _use(self, engine: Engine, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._engine, path = engine, engine.path
        self._queue = queue = SendQueue(path, engine.in_the_way, self._wait)
        who = partial(asyncio.current_task, loop)  # to find the loop is a system call until 3.12
        kind = batch_type(Batch, path)
        self._own = OwnBatches(weakref.ref(self), path, who, kind, engine.batches, queue.send)
        self._path = path

    def _started(self) -> SendQueue:
        self._running()
        assert self._queue is not None, "it is made with the engine"
        return self._queue

    def _encoding(self) -> Encoder:
        return self._running().encoder

    def _values_path(self) -> SendPath:
        return self._running().path

    def _wait(self, is_waiting: bool) -> None:
        """Send by the tasks that wait while there are some: none goes before them."""
        assert self._own is not None, "it is made with the engine"
        self._own.send_by(self._started() if is_waiting else self._running().path)


if not TYPE_CHECKING:  # type checkers are to find misspelt names

    def __getattr__(name: str) -> object:
        """What a publisher has no use for, imported when it is first asked for."""
        if name == "Producer":
            from fanout.faces.awaited_producer import Producer as found
        elif name == "Subscriber":
            from fanout.subscriber.awaited import Subscriber as found
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found  # the next time it is found without us
        return found


__all__ = ["AwaitedEvents", "Batch", "Producer", "Publisher", "Subscriber"]
