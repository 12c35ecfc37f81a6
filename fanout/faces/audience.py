"""What a blocking publisher says of its subscribers: how many there are, and how they fare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.reporting.event_iterators import Events
from fanout.send.verbs import Verbs
from fanout.terms.arguments import as_timeout, as_topic_or_any
from fanout.terms.awaiting import PUBLISHER, refuse_await
from fanout.terms.refusals import name_as

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.engine.engine import Engine
    from fanout.statistics import ClosedSubscriber, PublisherStatistics, SubscriberStatistics
    from fanout.terms.arguments import TopicLike
    from fanout.terms.slow_policy import Action, SlowPolicy


class Audience(Verbs[int]):
    """Sends to subscribers, and is asked about them; the subclass makes the engine."""

    __slots__ = ("_engine",)
    _engine: Engine

    def wait_for_subscribers(
        self, count: int, topic: TopicLike | None = None, timeout: float | None = None
    ) -> None:
        """Wait until a message would reach at least so many subscribers.

        What is published after this has returned reaches all of them.

        Args:
            topic: of that message; None = subscribers with any subscription at all.
            timeout: seconds; None = for ever.

        Raises:
            TimeoutError: there were not so many in time; the text says how many there were.
            ClosedError: the publisher was closed meanwhile.
            BrokenError: every worker is lost.
        """
        refuse_await(PUBLISHER)
        name = as_topic_or_any(topic)
        self._engine.questions.wait_for_subscribers(count, name, timeout)

    def has_subscribers(self, topic: TopicLike | None = None) -> bool:
        """Whether a message on this topic would reach any subscriber now."""
        name = as_topic_or_any(topic)
        self._engine.gate.check_use()
        return self._engine.interest.count(name) > 0

    def set_slow_policy(self, subscriber: int, policy: SlowPolicy | Action | None) -> None:
        """Choose what happens to one subscriber when it is behind, until its connection ends.

        It counts more than what the subscriber chooses for itself, and than any rule. It is in
        effect as soon as the worker has been told, which is not waited for.

        Args:
            subscriber: its id, as in `subscribers()`.
            policy: a `SlowPolicy`, or an action alone; None = as if it had never been chosen.

        Raises:
            ConfigError: nobody with this id is connected, or it is no policy for this log; nothing
                has changed.
            TypeError: `subscriber` is no id, or `policy` no policy.
            ClosedError: there is nobody to tell any more.
        """
        refuse_await(PUBLISHER)
        self._engine.set_slow_policy(subscriber, policy)

    def subscribers(self) -> tuple[SubscriberStatistics, ...]:
        """Exact figures of every connected subscriber, in the order of their ids.

        They take in all that was published before. Every worker is asked for them, for at most 1 s;
        one that does not answer is shown as it last was.

        Raises:
            ClosedError: there is nobody to ask any more.
        """
        refuse_await(PUBLISHER)
        return self._engine.questions.subscribers()

    def closed_subscribers(self) -> tuple[ClosedSubscriber, ...]:
        """Final figures, and the reason, of the last subscribers that have ended, oldest first.

        They are the last 10,000 connections, but for those whose handshake failed. Whose end was
        told of is among them.

        Raises:
            ClosedError: the publisher is closed.
        """
        refuse_await(PUBLISHER)
        return self._engine.questions.closed_subscribers()

    def statistics(self) -> PublisherStatistics:
        """Totals of the publisher, those who are connected in them; asked for as `subscribers()`.

        Raises:
            ClosedError: as `subscribers()`.
        """
        refuse_await(PUBLISHER)
        return self._engine.questions.statistics()

    def events(self, timeout: float | None = None) -> Events:
        """What happens from now on, to iterate over: the events that `on_event` gets.

        Each iterator has all of them, whatever becomes of the others, and may be read by any
        thread. Events that it is too slow for are counted (`EVENTS_LOST`); one that is not read
        holds nobody up. It ends when the publisher has been closed, after the last events, or by
        its `close()`, which `with publisher.events() as events:` does.

        Args:
            timeout: seconds to wait for each event; then TimeoutError is raised, and iterating may
                go on. None = for ever.

        Raises:
            TypeError, ValueError: `timeout` is no time to wait.
            ClosedError: there are no more events.
            RuntimeError: 64 iterators are open.
        """
        seconds = as_timeout(timeout)
        return Events(self._engine.open_queue(), seconds, self._engine.gate.check_fork)

    def disconnect(
        self,
        subscriber: int | None = None,
        reason: str = "",
        *,
        user: str | None = None,
        key: str | bytes | None = None,
    ) -> bool:
        """Have the connection of a subscriber ended, soon; or all of a user, at once and for good.

        What is queued for it is discarded, and counted so. When its end is told of
        (`SUBSCRIBER_EVICTED`, cause `DISCONNECTED_BY_CALL`), it is booked. A SUB socket comes back
        by itself. With `user` or `key`, over TCP, not even what the kernel holds for it is
        delivered; and who comes back is denied, whatever a check says of him, until
        `permit(user, …)` or the end of this publisher.

        Args:
            subscriber: the id that `subscribers()` and events show.
            reason: for people, up to 256 bytes of UTF-8.
            user: as a check has named him, or as he has named himself.
            key: his public one, in Z85 (CURVE). One of these three.

        Returns:
            Whether anybody was connected; False: nobody is ended.

        Raises:
            TypeError, ValueError: an argument cannot be that; nothing has changed.
            ConfigError: of 10,000 users something was said already; nothing has changed.
            ClosedError: the publisher was closed; nothing has changed.
            TimeoutError: our thread, or the machine, hangs: it may be done later.
        """
        refuse_await(PUBLISHER)
        return self._engine.access.disconnect(subscriber, reason, user, key)

    def permit(self, user: str, prefixes: Iterable[str | bytes] | None) -> None:
        """Say what a user may have, now and whenever he comes again; returns when it holds.

        All connections that he has go on, without those of their topics that are not among these
        any more, and with those that they had asked for in vain. Nothing that is published after
        this has returned reaches him beyond them; what was published before, and waits for him,
        still does: `disconnect(user=...)` ends that.

        Args:
            user: as a check has named him, or as he has named himself. He may be nobody yet.
            prefixes: of the topics that he may have, `str` or bytes, up to 1,000 with 64 KiB
                together; [""] = all. None = from now on again what the check says of him. Both let
                in again who was sent away by `disconnect(user=...)`.

        Raises:
            TypeError, ValueError: an argument cannot be that; nothing has changed.
            ConfigError: of 10,000 users something was said already; nothing has changed.
            ClosedError: the publisher was closed; nothing has changed.
            TimeoutError: a worker, or the machine, hangs: it holds as soon as that goes on.
        """
        refuse_await(PUBLISHER)
        self._engine.access.permit(user, prefixes)

    def wait_for_workers(self, timeout: float | None = None) -> None:
        """Wait until what `restart_workers()` or `resize()` has begun is done, and all serve.

        Args:
            timeout: seconds; None = for ever.

        Raises:
            TypeError, ValueError: it is no time to wait.
            TimeoutError: it is not done in time, and goes on; the text says how many serve. Or our
                thread, or the machine, hangs.
            StartupError: a new process did not serve, the text says why: those that were not
                replaced yet were left alone, and serve on. Or a worker was given up, see
                `WORKER_GIVEN_UP`. So until one of these calls is made again.
            ClosedError: the publisher was closed meanwhile.
            BrokenError: it is broken for good, by a bug of ours: close it.
        """
        refuse_await(PUBLISHER)
        self._engine.workforce.wait(timeout)

    def move(self, subscriber: int, worker: int) -> None:
        """Have another worker serve a subscriber, which does not notice; returns when it does.

        Its stream goes on at the next byte, and its counters go on. If it cannot be given up just
        then, since a part of something that it says has come, for example, that is tried again for
        some seconds. Nothing is done if it is there already.

        Args:
            subscriber: its id, as `subscribers()` shows it.
            worker: the index of the one that is to serve it, as in `statistics().workers`.

        Raises:
            TypeError: one is no int.
            ConfigError: no such subscriber is connected, or there is no such worker.
            NotMovedError: it cannot be moved now: the text says why. It is served as before, unless
                it has left, or a worker was lost meanwhile; the text says that, too.
            ClosedError: the publisher is closed.
            TimeoutError: a worker, or the machine, hangs; the move goes on.
        """
        refuse_await(PUBLISHER)
        self._engine.workforce.move(subscriber, worker)


name_as("Publisher", Audience)
