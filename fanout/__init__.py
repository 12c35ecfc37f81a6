"""fanout: a publisher for large PUB/SUB fan-out to stock ZeroMQ subscribers.

Publisher           publish, send, batch, bind, wait_for_subscribers, drain, close
fanout.asyncio      the same verbs, awaitable where they can wait
Options             every limit and default
Event, EventKind    what happened, to whom
"""

from __future__ import annotations

from fanout.errors import (
    Again,
    BindError,
    BrokenError,
    ClosedError,
    ConfigError,
    FanoutError,
    ForkedError,
    MessageTooLarge,
    NestedSendError,
    PoisonedError,
    StartupError,
)
from fanout.events import Event, EventKind
from fanout.options import Options
from fanout.publisher import Publisher
from fanout.send.batch import Batch
from fanout.statistics import (
    PublisherStatistics,
    SubscriberStatistics,
    Undelivered,
    WorkerStatistics,
)

__version__ = "0.1.0"

__all__ = [
    "Again",
    "Batch",
    "BindError",
    "BrokenError",
    "ClosedError",
    "ConfigError",
    "Event",
    "EventKind",
    "FanoutError",
    "ForkedError",
    "MessageTooLarge",
    "NestedSendError",
    "Options",
    "PoisonedError",
    "Publisher",
    "PublisherStatistics",
    "StartupError",
    "SubscriberStatistics",
    "Undelivered",
    "WorkerStatistics",
]
