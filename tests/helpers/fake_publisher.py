"""A publisher that keeps what it is given: for tests of what is built on one."""

from __future__ import annotations

import dataclasses
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fanout.statistics import (
    PublisherStatistics,
    SubscriberStatistics,
    Undelivered,
)
from fanout.terms.slow_policy import SlowPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fanout.auth import Security, Tls

Message = tuple[bytes, ...]


def statistics(**counters: int) -> PublisherStatistics:
    """Returns statistics that are zero but for `counters`."""
    names = [field.name for field in dataclasses.fields(PublisherStatistics)]
    values: dict[str, Any] = dict.fromkeys(names, 0) | counters
    none: dict[str, Any] = {"workers": (), "held_by": ()}
    return PublisherStatistics(**values | none)


def subscriber(id: int = 1, peer: str = "10.0.0.1:7", lag_bytes: int = 0) -> SubscriberStatistics:
    """Returns a subscriber that has done nothing yet."""
    names = [field.name for field in dataclasses.fields(SubscriberStatistics)]
    known = {"id": id, "peer": peer, "lag_bytes": lag_bytes, "subscriptions": 1}
    told = {"endpoint": "tcp://10.0.0.9:5556", "version": "3.1", "name": "", "user": ""}
    values: dict[str, Any] = {
        **dict.fromkeys(names, 0),
        **known,
        **told,
        "policy": SlowPolicy("block"),
    }
    return SubscriberStatistics(**values)


class FakeBatch:
    """Collects messages for one commit."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def publish(self, topic: bytes, payload: bytes) -> None:
        self.messages.append((topic, payload))

    def send_multipart(self, frames: Sequence[bytes]) -> None:
        self.messages.append(tuple(frames))


class FakePublisher:
    """Keeps what was published, commit by commit, and the calls that end it.

    Attributes:
        commits: the messages of each batch.
        committed: set at each commit; a test clears it and waits for it.
        undelivered: what `drain` returns.
        subscriber_count: what `wait_for_subscribers` finds.
    """

    def __init__(self) -> None:
        self.commits: list[list[Message]] = []
        self.committed = threading.Event()
        self.undelivered: tuple[Undelivered, ...] = ()
        self.subscriber_count = 0
        self.calls: list[str] = []
        self._bound: list[str] = []
        self.encrypted: list[tuple[str, Tls | None]] = []
        self.securities: list[Security | None] = []  # for each that is bound
        self.allowed: Sequence[bytes] | None = None  # of the topics of producers
        self.places: dict[str, dict[str, float]] = {}  # how many may connect, by endpoint

    @property
    def messages(self) -> list[Message]:
        return [message for commit in self.commits for message in commit]

    @property
    def endpoints(self) -> tuple[str, ...]:
        return tuple(self._bound)

    def bind(
        self, endpoint: str, *, security: Security | None = None, tls: Tls | None = None
    ) -> str:
        self.securities.append(security)
        self.encrypted.append((endpoint, tls))
        self._bound.append(endpoint)
        return endpoint

    def answer(self, endpoint: str, **places: float) -> str:
        self.places[endpoint] = places
        self.calls.append(f"answer {endpoint}")
        return endpoint

    def ingest(
        self, endpoint: str, *, allowed_topics: Sequence[bytes] | None = None, **places: float
    ) -> str:
        self.places[endpoint] = places
        self.allowed = allowed_topics
        self.calls.append(f"ingest {endpoint}")
        return endpoint

    @contextmanager
    def batch(self) -> Iterator[FakeBatch]:
        batch = FakeBatch()
        yield batch
        self.commits.append(batch.messages)
        self.committed.set()

    def statistics(self) -> PublisherStatistics:
        return statistics(published=len(self.messages))

    def subscribers(self) -> tuple[SubscriberStatistics, ...]:
        return ()

    def wait_for_subscribers(
        self, count: int, topic: bytes | None = None, timeout: float | None = None
    ) -> None:
        self.calls.append("wait_for_subscribers")
        if self.subscriber_count < count:
            raise TimeoutError(f"{self.subscriber_count} of {count} subscribers")

    def drain(self, timeout: float | None = None) -> tuple[Undelivered, ...]:
        self.calls.append("drain")
        return self.undelivered

    def close(self, timeout: float | None = None) -> tuple[Undelivered, ...]:
        self.calls.append("close")
        return self.undelivered

    def stop(self) -> None:
        self.calls.append("stop")
