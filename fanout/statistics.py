"""Frozen snapshots of what a publisher has counted; every counter is exact."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SubscriberStatistics:
    """One subscriber, at the instant its worker last reported it.

    I3 holds: ``matched == sent + queued + dropped + discarded`` in messages. A message is *sent*
    when its last byte was accepted by the kernel.
    """

    id: int  # never reused within a publisher
    peer: str  # "203.0.113.7:41234", or "ipc:1234" with the peer's process id
    endpoint: str  # the endpoint it connected to
    worker: int  # index of the worker that serves it
    version: str  # "3.1", "3.0", "2.0", "1.0"
    subscriptions: int  # distinct subscriptions
    matched: int  # messages that matched its subscriptions since it connected
    sent: int  # of those: handed to the kernel, whole
    queued: int  # of those: waiting, or partly sent
    dropped: int  # of those: lost because it was too slow
    discarded: int  # of those: not delivered when the connection ended
    sent_bytes: int  # bytes of messages handed to the kernel
    lag_bytes: int  # how far its cursor is behind, in bytes of log
    blocked_s: float  # for how long its socket has been full; 0.0 = it takes what it gets


@dataclass(frozen=True, slots=True)
class WorkerStatistics:
    """One worker process."""

    index: int
    pid: int
    subscribers: int
    restarts: int  # how often this worker was replaced


@dataclass(frozen=True, slots=True)
class PublisherStatistics:
    """The whole publisher."""

    published: int  # messages committed; also the next sequence number
    published_bytes: int  # bytes on the wire of those messages
    subscribers: int  # connected now, handshake done
    accepted: int  # connections ever accepted
    refused: int  # connections refused because of a limit
    evicted: int  # subscribers closed by us
    disconnected: int  # subscribers that left, or were closed by close()
    failed_handshakes: int  # connections that never became a subscriber
    sent: int  # messages handed to the kernel, over all subscribers, closed ones too
    dropped: int  # messages lost by slow subscribers, closed ones too
    discarded: int  # messages queued for a subscriber when its connection ended
    throttled: int  # subscribers left unread for a while; one that goes on, once more each 10 s
    workers: tuple[WorkerStatistics, ...]


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What one subscriber had not been sent when `drain()` or `close()` ended."""

    subscriber: int
    peer: str
    messages: int  # queued, counting one that was partly sent
    kernel_bytes: int  # handed to the kernel, not yet acknowledged by the peer
    exact: bool = True  # False = it may be more messages, which nobody could count
