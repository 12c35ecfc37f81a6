"""What happened, and to whom: what `events()`, `on_event` and the logger of a publisher report."""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanout.reasons import Reason


class EventKind(str, enum.Enum):
    """Kinds of events; the values are stable and may be stored."""

    SUBSCRIBER_CONNECTED = "subscriber_connected"  # handshake done
    SUBSCRIBER_SUBSCRIBED = "subscriber_subscribed"  # it has changed what it wants
    SUBSCRIPTION_REFUSED = "subscription_refused"  # its user may not have it; `reason` says what
    SUBSCRIBER_NAMED = "subscriber_named"  # it has said what it is called; `reason` is the name
    POLICY_CHANGED = "policy_changed"  # another one for this subscriber; `reason` says which
    CHOICE_DECLINED = "choice_declined"  # it wants what it cannot have; `reason` says what
    SUBSCRIBER_SLOW = "subscriber_slow"  # far behind by its policy; before it loses anything
    SUBSCRIBER_DROPPED = "subscriber_dropped"  # it has lost messages: at once, then each 10 s
    SUBSCRIBER_STALLED = "subscriber_stalled"  # it takes nothing, and has lost nothing by that yet
    SUBSCRIBER_RECOVERED = "subscriber_recovered"  # a slow or stalled one has caught up
    SUBSCRIBER_THROTTLED = "subscriber_throttled"  # says too much: left unread a while
    SUBSCRIBER_HALF_CLOSED = "subscriber_half_closed"  # has ended its side; it is served on
    SUBSCRIBER_MOVED = "subscriber_moved"  # it goes on with another worker; both serve
    SUBSCRIBER_EVICTED = "subscriber_evicted"  # closed by us: timeout, violation, lost worker
    SUBSCRIBER_DISCONNECTED = "subscriber_disconnected"  # closed by the peer or by close()
    HANDSHAKE_FAILED = "handshake_failed"  # a connection ended before it was a subscriber
    CONNECTION_REFUSED = "connection_refused"  # over a limit, or no worker to serve it
    ACCEPT_PAUSED = "accept_paused"  # out of descriptors or memory; resumes by itself
    ACCEPT_QUEUE_FULL = "accept_queue_full"  # who connects is not answered, and tries again later
    PRODUCER_CONNECTED = (
        "producer_connected"  # who sends to an endpoint of ingest(): handshake done
    )
    PRODUCER_EVICTED = "producer_evicted"  # closed by us, for what it has sent
    PRODUCER_DISCONNECTED = "producer_disconnected"  # closed by the producer, or by a call here
    ASKER_CONNECTED = "asker_connected"  # who asks an endpoint of answer(): handshake done
    ASKER_EVICTED = "asker_evicted"  # closed by us, for what it does
    ASKER_DISCONNECTED = "asker_disconnected"  # closed by the asker, broken, or by a call here
    KEYFRAME_WANTED = "keyframe_wanted"  # of `topic`: who came got nothing of it; publish one
    WORKER_STARTED = "worker_started"  # it serves; `restarts`: in the place of one before
    WORKER_LOST = "worker_lost"  # died or hung; `reason` says how many of its subscribers can go on
    WORKER_GIVEN_UP = "worker_given_up"  # it failed for minutes: there is one less from now on
    WORKER_SHORT_OF_MEMORY = "worker_short_of_memory"  # others could not go on with all that it has
    TAKEOVER_PAUSED = "takeover_paused"  # no descriptor or memory for who goes on; tried again
    CHANNEL_FULL = "channel_full"  # what publisher and worker tell each other has to wait
    WORKER_RETIRED = "worker_retired"  # it has ended as we wanted: replaced, or one less
    CLOCK_SET = "clock_set"  # the time of day was; nothing here waits by it
    MACHINE_SLEPT = "machine_slept"  # a laptop that was closed, a machine that was suspended
    STOOD_STILL = "stood_still"  # the publisher's process was stopped, or got no time to look
    EVENTS_LOST = "events_lost"  # who is told of them is too slow: here events are missing
    ENDPOINT_OPEN = "endpoint_open"  # asks nobody, beside one of this feed that asks who comes
    CALLBACK_FAILED = "callback_failed"  # a check of security, or on_event: that to the logger only

    def __str__(self) -> str:
        return self.value


_COUNTS = ("added", "cancelled", "dropped_since", "dropped", "discarded", "lost", "restarts")


@dataclass(frozen=True, slots=True, init=False)
class Event:
    """One thing that happened.

    `subscriber` is the id that `subscribers()` shows, None for events about workers, listeners,
    producers, askers and connections that were refused. `peer` is its address, None for events
    about no connection.
    `dropped` counts messages lost by this subscriber so far, `dropped_since` those of them that no
    SUBSCRIBER_DROPPED has told of before this one, `discarded` those that waited for it when its
    connection ended, `lost` the events that are missing at an EVENTS_LOST, `added` and `cancelled`
    the topics of a SUBSCRIBER_SUBSCRIBED, `topic` is that of a KEYFRAME_WANTED. `cause` is from a
    fixed list, for programs, what `reason` says to people; None where no connection ended, was
    refused, lost messages or did not get what it had asked for. `count` is the number of events for
    which a summary stands, with what all of them count; the rest is of the last: see the reference.
    `exit_code` is that of the process of a WORKER_LOST, -N for signal N; None where there was none,
    or nobody knows it. `exact` is False where more may have been discarded than it says: `reason`
    says why that is not known. `user` is who the subscriber has proven to be. `restarts` is how
    many there were in the place of a WORKER_STARTED before.
    """

    kind: EventKind
    reason: str = ""
    subscriber: int | None = None
    peer: str | None = None
    worker: int | None = None
    dropped: int = 0
    cause: Reason | None = None
    lost: int = 0
    exit_code: int | None = None
    count: int = 1
    discarded: int = 0
    exact: bool = True
    dropped_since: int = 0
    added: int = 0
    cancelled: int = 0
    user: str = ""
    topic: bytes | None = None
    restarts: int = 0

    def __init__(
        self,
        kind: EventKind,
        reason: str = "",
        subscriber: int | None = None,
        peer: str | None = None,
        worker: int | None = None,
        dropped: int = 0,
        cause: Reason | None = None,
        lost: int = 0,
        exit_code: int | None = None,
        count: int = 1,
        discarded: int = 0,
        exact: bool = True,
        dropped_since: int = 0,
        added: int = 0,
        cancelled: int = 0,
        user: str = "",
        topic: bytes | None = None,
        restarts: int = 0,
    ) -> None:
        # In a third of the time of what is made for a frozen class; there are two for each of
        # thousands who connect at once.
        values = (
            *(kind, reason, subscriber, peer, worker, dropped, cause, lost, exit_code, count),
            *(discarded, exact, dropped_since, added, cancelled, user, topic, restarts),
        )
        for store, value in zip(_STORES, values, strict=True):
            store(self, value)

    def __str__(self) -> str:
        parts = [str(self.kind)]
        if self.subscriber is not None:
            parts.append(f"subscriber={self.subscriber}")
        if self.peer is not None:
            parts.append(f"peer={self.peer}")
        if self.user:
            parts.append(f"user={self.user}")
        if self.topic is not None:
            parts.append(f"topic={self.topic!r}")
        if self.worker is not None:
            parts.append(f"worker={self.worker}")
        for name in _COUNTS:
            count = getattr(self, name)
            if count:
                parts.append(f"{name}={count}")
        if not self.exact:
            parts.append("exact=False")
        if self.count != 1:
            parts.append(f"count={self.count}")
        if self.reason:
            parts.append(f"reason={self.reason!r}")
        return " ".join(parts)


_STORES = [getattr(Event, field.name).__set__ for field in fields(Event)]


def is_restart(event: Event) -> bool:
    """Whether this tells of a worker in the place of one before."""
    return event.kind is EventKind.WORKER_STARTED and event.restarts > 0
