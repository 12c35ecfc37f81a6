"""fanout: a publisher for large PUB/SUB fan-out to stock ZeroMQ subscribers.

Publisher           publish, send, batch, bind, wait_for_subscribers, drain, close
Producer            publish, send, send_multipart, from another process
Subscriber          recv, recv_many, poll, subscribe, unsubscribe, close
Message, Gap        what a subscriber gets, and what is missing before it
fanout.asyncio      the same verbs, awaitable where they can wait
fanout.sockets      Push, Pull, Req, Rep, Dealer, Router, Sub: roles besides PUB
Options             every limit and default
LastValues          of which topics the last message is kept; LastValue, one of them
SlowPolicy          what happens to subscribers that are behind; SlowRule, to which of them
Event, EventKind    what happened, to whom; Events, an iterator over what happens
Reason, Fault       why, and who can do something about it

A name is imported when it is first asked for: a worker process imports this package too, and has
no use for the publishing side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout import _platform as _platform  # first of all: elsewhere than on Linux it says so

if TYPE_CHECKING:
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
        NotMovedError,
        PoisonedError,
        StartupError,
    )
    from fanout.events import Event, EventKind
    from fanout.faces.producer import Producer
    from fanout.options import Options
    from fanout.publisher import Publisher
    from fanout.reasons import Fault, Reason
    from fanout.reporting.event_iterators import Events
    from fanout.send.batch import Batch
    from fanout.send.kept_path import LastValue
    from fanout.statistics import (
        AnswerStatistics,
        AskerStatistics,
        ClosedSubscriber,
        IngestStatistics,
        ProducerStatistics,
        PublisherStatistics,
        SubscriberStatistics,
        Undelivered,
        WorkerStatistics,
    )
    from fanout.subscriber.blocking import Subscriber
    from fanout.subscriber.events import ReceiverEvent, ReceiverEventKind, ReceiverStatistics
    from fanout.subscriber.message import Gap, Message
    from fanout.terms.last_values import LastValues
    from fanout.terms.slow_policy import SlowPolicy, SlowRule

__version__ = "0.1.0"

__all__ = [
    "Again",
    "AnswerStatistics",
    "AskerStatistics",
    "Batch",
    "BindError",
    "BrokenError",
    "ClosedError",
    "ClosedSubscriber",
    "ConfigError",
    "Event",
    "EventKind",
    "Events",
    "FanoutError",
    "Fault",
    "ForkedError",
    "Gap",
    "IngestStatistics",
    "LastValue",
    "LastValues",
    "Message",
    "MessageTooLarge",
    "NestedSendError",
    "NotMovedError",
    "Options",
    "PoisonedError",
    "Producer",
    "ProducerStatistics",
    "Publisher",
    "PublisherStatistics",
    "Reason",
    "ReceiverEvent",
    "ReceiverEventKind",
    "ReceiverStatistics",
    "SlowPolicy",
    "SlowRule",
    "StartupError",
    "Subscriber",
    "SubscriberStatistics",
    "Undelivered",
    "WorkerStatistics",
]

_DEFINED_IN = {
    "fanout.errors": (
        *("Again", "BindError", "BrokenError", "ClosedError", "ConfigError", "FanoutError"),
        *("ForkedError", "MessageTooLarge", "NestedSendError", "NotMovedError"),
        *("PoisonedError", "StartupError"),
    ),
    "fanout.reporting.event_iterators": ("Events",),
    "fanout.events": ("Event", "EventKind"),
    "fanout.terms.last_values": ("LastValues",),
    "fanout.options": ("Options",),
    "fanout.faces.producer": ("Producer",),
    "fanout.publisher": ("Publisher",),
    "fanout.reasons": ("Fault", "Reason"),
    "fanout.send.batch": ("Batch",),
    "fanout.send.kept_path": ("LastValue",),
    "fanout.terms.slow_policy": ("SlowPolicy", "SlowRule"),
    "fanout.statistics": (
        *("AnswerStatistics", "AskerStatistics"),
        *("ClosedSubscriber", "IngestStatistics", "ProducerStatistics", "PublisherStatistics"),
        *("SubscriberStatistics", "Undelivered", "WorkerStatistics"),
    ),
    "fanout.subscriber.blocking": ("Subscriber",),
    "fanout.subscriber.events": ("ReceiverEvent", "ReceiverEventKind", "ReceiverStatistics"),
    "fanout.subscriber.message": ("Gap", "Message"),
}
_HOME = {name: module for module, names in _DEFINED_IN.items() for name in names}
_MODULES = (
    "errors",
    "events",
    "options",
    "publisher",
    "reasons",
    "sockets",
    "statistics",
)  # `fanout.options` and so on


if not TYPE_CHECKING:  # type checkers are to find misspelt names, not to be told that all exist

    def __getattr__(name: str) -> object:
        """A public name, or one of the modules that define them, imported now."""
        from importlib import import_module

        if name in _MODULES:
            return import_module(f"fanout.{name}")
        if name not in _HOME:
            raise AttributeError(f"module 'fanout' has no attribute {name!r}")
        value = getattr(import_module(_HOME[name]), name)
        globals()[name] = value  # the next time it is found without us
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
