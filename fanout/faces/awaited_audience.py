"""What a publisher for asyncio says of its subscribers: as `Audience`, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from fanout.basics.loop_executor import in_thread
from fanout.errors import ClosedError
from fanout.reporting.event_iterators import AwaitedEvents
from fanout.send.verbs import Verbs
from fanout.terms.arguments import as_timeout, as_topic_or_any
from fanout.terms.refusals import name_as

if TYPE_CHECKING:
    from fanout.engine.engine import Engine
    from fanout.statistics import ClosedSubscriber, PublisherStatistics, SubscriberStatistics
    from fanout.terms.arguments import TopicLike
    from fanout.terms.slow_policy import Action, SlowPolicy


class AwaitedAudience(Verbs[Coroutine[Any, Any, int]]):
    """Sends to subscribers, and is asked about them; the subclass makes the engine."""

    __slots__ = ("_engine",)
    _engine: Engine | None

    async def wait_for_subscribers(
        self, count: int, topic: TopicLike | None = None, timeout: float | None = None
    ) -> None:
        """Wait until a message would reach so many; see `fanout.Publisher`."""
        name = as_topic_or_any(topic)
        for pause in self._running().questions.pauses_until(count, name, timeout):
            await asyncio.sleep(pause)

    def has_subscribers(self, topic: TopicLike | None = None) -> bool:
        """Whether a message on this topic would reach any subscriber now."""
        name = as_topic_or_any(topic)
        engine = self._running()
        engine.gate.check_use()
        return engine.interest.count(name) > 0

    async def set_slow_policy(self, subscriber: int, policy: SlowPolicy | Action | None) -> None:
        """Choose what happens to one subscriber when it is behind; None = choose nothing."""
        engine = self._running()
        await in_thread(lambda: engine.set_slow_policy(subscriber, policy))

    async def subscribers(self) -> tuple[SubscriberStatistics, ...]:
        """Exact figures of every connected subscriber."""
        return await in_thread(self._running().questions.subscribers)

    async def closed_subscribers(self) -> tuple[ClosedSubscriber, ...]:
        """Final figures, and the reason, of the last subscribers that have ended."""
        return await in_thread(self._running().questions.closed_subscribers)

    async def statistics(self) -> PublisherStatistics:
        """Totals of the publisher."""
        return await in_thread(self._running().questions.statistics)

    def events(self, timeout: float | None = None) -> AwaitedEvents:
        """What happens from now on, for `async for`; see `fanout.Publisher.events()`.

        Cancelled while it waits for an event, the iterator has lost none, and may be asked again.
        `async with publisher.events() as events:` closes it.
        """
        seconds = as_timeout(timeout)
        engine = self._running()
        return AwaitedEvents(engine.open_queue(), seconds, engine.gate.check_fork)

    async def disconnect(
        self,
        subscriber: int | None = None,
        reason: str = "",
        *,
        user: str | None = None,
        key: str | bytes | None = None,
    ) -> bool:
        """Have the connection of a subscriber, or all of a user, ended; once begun it is done."""
        access = self._running().access
        return await in_thread(lambda: access.disconnect(subscriber, reason, user, key))

    async def permit(self, user: str, prefixes: Iterable[str | bytes] | None) -> None:
        """Say what a user may have from now on; once begun it is done."""
        access = self._running().access
        await in_thread(lambda: access.permit(user, prefixes))

    async def wait_for_workers(self, timeout: float | None = None) -> None:
        """Wait until what `restart_workers()` or `resize()` has begun is done, and all serve."""
        pauses = self._running().workforce.pauses_until_done(timeout)
        pause = await in_thread(lambda: next(pauses, None))
        while pause is not None:
            await asyncio.sleep(pause)
            pause = await in_thread(lambda: next(pauses, None))

    async def move(self, subscriber: int, worker: int) -> None:
        """Have another worker serve a subscriber, which does not notice. Once begun it is done."""
        engine = self._running()
        await in_thread(lambda: engine.workforce.move(subscriber, worker))

    def _running(self) -> Engine:
        if self._engine is None:
            raise ClosedError(
                "this publisher is not started: use it in `async with`, or "
                "make it by `await Publisher.start(...)`"
            )
        return self._engine


name_as("Publisher", AwaitedAudience)
