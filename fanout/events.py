"""What happened, and to whom: the events a publisher reports to `on_event` and to its logger."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanout.reasons import Reason


class EventKind(str, enum.Enum):
    """Kinds of events; the values are stable and may be stored."""

    SUBSCRIBER_CONNECTED = "subscriber_connected"  # handshake done
    SUBSCRIBER_NAMED = "subscriber_named"  # it has said what it is called; `reason` is the name
    POLICY_CHANGED = "policy_changed"  # another one for this subscriber; `reason` says which
    CHOICE_DECLINED = "choice_declined"  # it wants what it cannot have; `reason` says what
    SUBSCRIBER_SLOW = "subscriber_slow"  # over its lag limit: it has begun to lose messages
    SUBSCRIBER_STALLED = "subscriber_stalled"  # it takes nothing, and has lost nothing by that yet
    SUBSCRIBER_RECOVERED = "subscriber_recovered"  # a slow or stalled one has caught up
    SUBSCRIBER_THROTTLED = "subscriber_throttled"  # says too much: left unread a while
    SUBSCRIBER_EVICTED = "subscriber_evicted"  # closed by us: timeout, violation, lost worker
    SUBSCRIBER_DISCONNECTED = "subscriber_disconnected"  # closed by the peer or by close()
    HANDSHAKE_FAILED = "handshake_failed"  # a connection ended before it was a subscriber
    CONNECTION_REFUSED = "connection_refused"  # over a limit, or no worker to serve it
    ACCEPT_PAUSED = "accept_paused"  # out of descriptors or memory; resumes by itself
    WORKER_STARTED = "worker_started"
    WORKER_LOST = "worker_lost"  # died or hung; its subscribers were closed and will reconnect
    EVENTS_LOST = "events_lost"  # on_event, or a log handler, is too slow: here events are missing
    CALLBACK_FAILED = "callback_failed"  # on_event raised; reported to the logger only

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    `subscriber` is the id that `subscribers()` shows, None for events about workers, listeners and
    connections that were refused. `peer` is its address, None for events about no connection.
    `dropped` counts messages lost by this subscriber so far, `discarded` those that waited for it
    when its connection ended, `lost` the events that are missing before an EVENTS_LOST. `cause` is
    from a fixed list, for programs, what `reason` says to people; None where no connection ended,
    was refused or became slow. `count` is the number of those for whom a summary stands, in which
    `dropped` and `discarded` are of all of them, the rest is of the last: see the reference.
    `exit_code` is that of the process of a WORKER_LOST, -N for signal N; None where there was none,
    or nobody knows it. `exact` is False where more may have been discarded than it says: `reason`
    says why that is not known.
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

    def __str__(self) -> str:
        parts = [str(self.kind)]
        if self.subscriber is not None:
            parts.append(f"subscriber={self.subscriber}")
        if self.peer is not None:
            parts.append(f"peer={self.peer}")
        if self.worker is not None:
            parts.append(f"worker={self.worker}")
        if self.dropped:
            parts.append(f"dropped={self.dropped}")
        if self.discarded:
            parts.append(f"discarded={self.discarded}")
        if not self.exact:
            parts.append("exact=False")
        if self.lost:
            parts.append(f"lost={self.lost}")
        if self.count != 1:
            parts.append(f"count={self.count}")
        if self.reason:
            parts.append(f"reason={self.reason!r}")
        return " ".join(parts)
