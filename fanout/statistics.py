"""Frozen snapshots of what a publisher has counted; every counter is exact, or says that it is not.

What was dropped is also told for each reason, by the label of that `Reason`: "lag" is the limit in
bytes, "lag_messages" that in messages, "lag_age" that in seconds, "lag_log" the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fanout.reasons import Reason
    from fanout.terms.slow_policy import SlowPolicy


@dataclass(frozen=True, slots=True)
class SubscriberStatistics:
    """One subscriber, at the instant its worker last reported it.

    I3 holds: ``matched == sent + queued + dropped + conflated + discarded``, in messages and in
    bytes. A message is *sent* when its last byte was accepted by the kernel; its bytes are as they
    are accepted.
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
    conflated: int  # of those: a newer one on the same topic took its place
    discarded: int  # of those: not delivered when the connection ended
    matched_bytes: int  # bytes of `matched`, on the wire
    sent_bytes: int  # bytes of messages handed to the kernel, also of one that is partly sent
    queued_bytes: int  # bytes of `queued`; of one that is partly sent, the rest
    dropped_bytes: int
    conflated_bytes: int
    discarded_bytes: int
    dropped_by: dict[str, int] = field(hash=False)  # messages, by label of the reason
    dropped_bytes_by: dict[str, int] = field(hash=False)
    lag_bytes: int  # how far its cursor is behind, in bytes of log
    blocked_s: float  # for how long its socket has been full; 0.0 = it takes what it gets
    age_s: float  # since the oldest of `queued` came, to 0.1 s, idle to 0.5; 0.0 = none is queued
    kernel_bytes: int  # handed to the kernel, not acknowledged by the peer; at most 1 s ago
    rate: int  # messages sent in the last second
    rate_bytes: int  # their bytes
    policy: SlowPolicy  # what happens to it when it is too far behind
    chosen_by: str  # who chose that: "publisher", "rule", "subscriber" or "call"
    name: str  # what it calls itself, "" = nothing
    user: str = ""  # who it has proven to be, the first 64 bytes; "" = it need not
    holds: bool = False  # `publish()` waits for it: it is at a limit of its policy, `block`


@dataclass(frozen=True, slots=True)
class ClosedSubscriber:
    """One subscriber that has left, or was closed, with its final figures.

    I3 holds: ``matched == sent + dropped + conflated + discarded``, in messages and in bytes.
    """

    id: int
    peer: str
    worker: int
    version: str  # of its ZMTP
    name: str  # what it called itself, if it did
    cause: Reason
    reason: str  # the same in words, with the figures of this case; 64 bytes of it
    connected_s: float  # for how long, from its accept
    ended: float  # Unix time
    matched: int
    sent: int
    dropped: int
    conflated: int
    discarded: int  # waiting, or partly sent, at its end
    matched_bytes: int
    sent_bytes: int
    dropped_bytes: int
    conflated_bytes: int
    discarded_bytes: int
    dropped_by: dict[str, int] = field(hash=False)
    dropped_bytes_by: dict[str, int] = field(hash=False)
    kernel_bytes: int  # handed to the kernel, not yet acknowledged by the peer; 0 if we closed it
    exact: bool  # False = some may be missing, or in `discarded` though sent: see the reference
    policy: SlowPolicy  # by which it was served in the end
    chosen_by: str  # who had chosen that: publisher, rule, subscriber or call
    user: str = ""  # who it had proven to be, the first 64 bytes; "" = it need not


class InTheWay(NamedTuple):
    """The subscriber for which `publish()` waits."""

    id: int
    peer: str
    name: str  # what it calls itself, if it does
    over: str = ""  # its policy, if it is at a limit of that; "" = the log is full

    def __str__(self) -> str:
        return f"subscriber {self.id} ({', '.join(filter(None, (self.name, self.peer)))})"


@dataclass(frozen=True, slots=True)
class WorkerStatistics:
    """One worker process."""

    index: int
    pid: int
    subscribers: int
    restarts: int  # how often this worker was replaced
    unrecorded: int  # times that a subscriber could go on with no other, for want of memory


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
    # The sums over all subscribers, closed ones too; messages, and then their bytes.
    matched: int
    sent: int
    queued: int
    dropped: int
    conflated: int
    discarded: int
    matched_bytes: int
    sent_bytes: int
    queued_bytes: int
    dropped_bytes: int
    conflated_bytes: int
    discarded_bytes: int
    dropped_by: dict[str, int] = field(hash=False)  # messages, by label of the reason
    dropped_bytes_by: dict[str, int] = field(hash=False)
    replayed: int  # of `matched`: published before the subscriber wanted them, who has asked
    inexact: int  # closed subscribers of lost workers whose figures may be too small
    past_inexact: int  # lost workers: `replayed`, `from_snapshot`, `keyframes_lost` may be off
    takeovers: int  # workers that were lost, and whose connections went on with others
    resumed: int  # times that a connection did
    not_resumed: int  # subscribers of lost workers that were closed, because it could not
    moved: int  # times that a subscriber went on with another worker while both served
    takeover_pauses: int  # times that no descriptor or memory was left for one that was to go on
    channel_full: int  # times that messages between the publisher and a worker had to wait
    accept_pauses: int  # times that no descriptor or memory was left to accept with, for 0.5 s each
    accept_queue_full: int  # times that all places were taken of those who wait to be accepted
    clock_sets: int  # times that the time of day was set, by 0.1 s or more
    machine_sleeps: int  # times that the machine slept
    standstills: int  # times that the publisher's process looked after nothing for more than 1 s
    throttled: int  # subscribers left unread for a while; one that goes on, once more each 10 s
    half_closed: int  # subscribers that have ended their side of the connection, and read on
    subscriptions_refused: int  # of which a subscriber gets nothing, for its user may not have it
    from_snapshot: int  # of `matched`: last values that subscribers were sent when they came
    keyframes_lost: int  # times that of a topic no keyframe was left for who came: it got nothing
    in_snapshot: int  # subscribers that are just being sent last values or keyframes
    value_topics: int  # topics that have a place for a last value
    value_bytes: int  # of last values that are not in the log any more, and of some that were
    values_evicted: int  # topics that lost their last value, for want of places or bytes
    held_by: tuple[int, ...]  # ids of those for which `publish()` waits, at a limit of `block`
    compiled: bool  # whether it is compiled code that appends what is usual, see `fanout.compiled`
    workers: tuple[WorkerStatistics, ...]


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What one subscriber had not been sent when `drain()` or `close()` ended."""

    subscriber: int
    peer: str
    messages: int  # queued, counting one that was partly sent
    kernel_bytes: int  # handed to the kernel, not yet acknowledged by the peer
    exact: bool = True  # False = it may be more messages, which nobody could count


@dataclass(frozen=True, slots=True)
class ProducerStatistics:
    """One producer that is connected to an endpoint of `ingest()`."""

    peer: str  # "203.0.113.7:41234", or "ipc:1234" with the peer's process id
    version: str  # "3.1", "3.0", "2.0"
    messages: int  # of it that are published
    bytes: int  # of these, on the wire


@dataclass(frozen=True, slots=True)
class IngestStatistics:
    """One endpoint of `ingest()`, since it was opened."""

    endpoint: str
    producers: tuple[ProducerStatistics, ...]  # who is connected, after the handshake
    accepted: int  # connections
    refused: int  # of those: above `max_producers`
    evicted: int  # of those: closed by us for what they have sent
    messages: int  # that are published, of all producers
    bytes: int  # of these, on the wire
    dropped: int  # messages that were taken and not published: not whole, or not allowed
    dropped_bytes: int  # of these, as far as they had come
    accept_pauses: int  # times that no descriptor or memory was left here to accept with
    accept_queue_full: int  # times that all places were taken of those who wait to be accepted


@dataclass(frozen=True, slots=True)
class AskerStatistics:
    """One asker that is connected to an endpoint of `answer()`."""

    peer: str  # "203.0.113.7:41234", or "ipc:1234" with the peer's process id
    version: str  # "3.1", "3.0", "2.0"
    questions: int  # that were answered
    errors: int  # of those: with an error
    bytes: int  # of the answers


@dataclass(frozen=True, slots=True)
class AnswerStatistics:
    """One endpoint of `answer()`, since it was opened."""

    endpoint: str
    askers: tuple[AskerStatistics, ...]  # who is connected, after the handshake
    accepted: int  # connections whose handshake was done
    refused: int  # connections above `max_askers`
    evicted: int  # of those that were accepted: closed by us for what they do
    questions: int  # that were answered, of all askers
    errors: int  # of those: with an error
    bytes: int  # of the answers
    accept_pauses: int  # times that no descriptor or memory was left to accept with
    accept_queue_full: int  # times that all places were taken of those who wait to be accepted
