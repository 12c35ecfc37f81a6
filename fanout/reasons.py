"""Why something was closed, dropped or refused: one list for events, counters and metrics.

Each reason has a number, which is stable and goes over the control channel and into shared memory;
a label, which is stable too and fit for a metric; a sentence for people; and whose fault it is.
"""

from __future__ import annotations

import enum


class Fault(enum.Enum):
    """Who can do something about it."""

    NOBODY = "nobody"  # it was meant to happen
    SUBSCRIBER = "subscriber"  # the peer, or the program behind it
    PUBLISHER = "publisher"  # this program, or its options
    SYSTEM = "system"  # the machine: descriptors, memory, a killed process
    NETWORK = "network"  # whatever lies between


class GapKind(enum.Enum):
    """What a marker of a gap says as its reason where it is no `Reason`, by its label on the wire.

    A `Reason` says why something was closed, dropped or refused, and is counted. By these nothing
    is counted as dropped: it is told of, and that is all. So a label may be in both lists and mean
    two things: in a marker `expired` is of messages; of a connection it is `Reason.EXPIRED`.
    """

    CONFLATED = "conflated"  # a newer message took the place of those in it
    EXPIRED = "expired"  # it has asked for them when they were not in the log any more
    NO_KEYFRAME = "keyframe"  # of their topics no keyframe is left, so they are of no use
    OTHER_RUN = "epoch"  # what it has got before was not published by this run; they are none


class Reason(enum.Enum):
    """A reason: number, label, text and fault."""

    def __init__(self, number: int, label: str, text: str, fault: Fault) -> None:
        self.number = number
        self.label = label
        self.text = text
        self.fault = fault

    @classmethod
    def of(cls, number: int) -> Reason:
        """The reason of this number.

        Raises:
            KeyError: there is none.
        """
        return _BY_NUMBER[number]

    OTHER = 0, "other", "for a reason that has no name here", Fault.NOBODY

    # Closing.
    PUBLISHER_CLOSED = 1, "publisher_closed", "the publisher was closed", Fault.NOBODY
    LEFT = 2, "left", "closed by the subscriber", Fault.NOBODY
    BROKEN = 3, "broken", "the connection broke", Fault.NETWORK
    GONE_EARLY = 4, "gone_early", "gone before it was adopted", Fault.SUBSCRIBER
    NO_DESCRIPTOR = (
        5,
        "no_descriptor",
        "its worker has no descriptors left (raise the limit of open files)",
        Fault.SYSTEM,
    )
    WORKER_LOST = 6, "worker_lost", "its worker was lost", Fault.SYSTEM
    VIOLATION = 7, "violation", "violated ZMTP", Fault.SUBSCRIBER
    HANDSHAKE_TIMEOUT = (
        8,
        "handshake_timeout",
        "no handshake in time (handshake_timeout)",
        Fault.SUBSCRIBER,
    )
    HEARTBEAT_TIMEOUT = (
        9,
        "heartbeat_timeout",
        "answers no PING (heartbeat_timeout)",
        Fault.NETWORK,
    )
    TTL = 10, "ttl", "silent for longer than the TTL of its PING", Fault.SUBSCRIBER
    SEND_TIMEOUT = (
        11,
        "send_timeout",
        "took nothing for too long and was in the way (send_timeout)",
        Fault.SUBSCRIBER,
    )
    UNREAD_ANSWERS = (
        12,
        "unread_answers",
        "does not read the answers to its PINGs",
        Fault.SUBSCRIBER,
    )
    RESTLESS = (
        13,
        "restless",
        "changed its subscriptions or its policy again and again and took nothing",
        Fault.SUBSCRIBER,
    )
    LIMIT = (
        14,
        "limit",
        "wants more than one subscriber may have",
        Fault.SUBSCRIBER,
    )
    TORN = (
        15,
        "torn",
        "is too long in the middle of a message, and others too",
        Fault.SUBSCRIBER,
    )
    STALL_TIMEOUT = (
        16,
        "stall_timeout",
        "took nothing for too long (stall_timeout)",
        Fault.SUBSCRIBER,
    )
    UNACKNOWLEDGED = (
        17,
        "unacknowledged",
        "acknowledged nothing for too long (tcp_user_timeout)",
        Fault.NETWORK,
    )
    MECHANISM = (
        18,
        "mechanism",
        "has another mechanism than this endpoint (security)",
        Fault.SUBSCRIBER,
    )
    DISCONNECTED_BY_CALL = (
        19,
        "disconnected_by_call",
        "sent away by the publisher's program (disconnect)",
        Fault.NOBODY,
    )

    TOO_SLOW = (
        20,
        "too_slow",
        "is further behind than its policy allows (disconnect)",
        Fault.SUBSCRIBER,
    )
    WORKER_RETIRED = (
        21,
        "worker_retired",
        "its worker retired",
        Fault.NOBODY,
    )

    TOPIC = (
        22,
        "topic",
        "publishes on a topic that it may not (allowed_topics)",
        Fault.SUBSCRIBER,
    )

    UNWATCHED = (
        23,
        "unwatched",
        "its worker can watch no more sockets (memory, fs.epoll.max_user_watches)",
        Fault.SYSTEM,
    )

    DENIED = 25, "denied", "was refused (security)", Fault.SUBSCRIBER
    PUT_OFF = 26, "put_off", "could not be judged now (security)", Fault.PUBLISHER

    KEY = (
        28,
        "key",
        "has keys that do not fit those of this endpoint (security)",
        Fault.SUBSCRIBER,
    )
    EXPIRED = 27, "expired", "may not be connected for longer (expires)", Fault.NOBODY

    # Dropping.
    LAG = 32, "lag", "is further behind than its limit", Fault.SUBSCRIBER
    LAG_MESSAGES = (
        34,
        "lag_messages",
        "has more messages queued than its limit",
        Fault.SUBSCRIBER,
    )
    LAG_AGE = 35, "lag_age", "has older messages queued than its limit", Fault.SUBSCRIBER
    LAG_LOG = 37, "lag_log", "is half of the log behind, or of its index", Fault.SUBSCRIBER
    CONFLATED = 36, "conflated", "a newer message on its topic took its place", Fault.SUBSCRIBER

    # Leaving unread for a while.
    BUSY = 33, "busy", "takes more than its part of a worker by what it says", Fault.SUBSCRIBER

    # Refusing.
    HALF_OPEN = (
        48,
        "half_open",
        "too many connections are in their handshake (max_half_open)",
        Fault.PUBLISHER,
    )
    FULL = 49, "full", "too many connections are open (max_subscribers)", Fault.PUBLISHER
    NO_WORKER = 50, "no_worker", "no worker is ready to serve it", Fault.PUBLISHER
    NO_RESOURCES = 51, "no_resources", "the system gives no descriptor or memory", Fault.SYSTEM
    ADDRESS_FULL = (
        52,
        "address_full",
        "too many connections from its address (max_subscribers_per_address)",
        Fault.SUBSCRIBER,
    )
    ADDRESS_HALF_OPEN = (
        53,
        "address_half_open",
        "too many connections from its address are in their handshake (max_half_open_per_address)",
        Fault.SUBSCRIBER,
    )
    ADDRESS_RATE = (
        54,
        "address_rate",
        "its address connects too often (max_connects_per_address)",
        Fault.SUBSCRIBER,
    )
    NOT_PERMITTED = (
        55,
        "not_permitted",
        "has subscribed to what its user may not have (security)",
        Fault.SUBSCRIBER,
    )
    DECLINED = (
        56,
        "declined",
        "has said of itself what means nothing, or what it cannot have",
        Fault.SUBSCRIBER,
    )
    CHANNEL_FULL = (
        57,
        "channel_full",
        "publisher or worker does not read what the other tells it",
        Fault.SYSTEM,
    )


NUMBERS_MAX = 63  # there is a counter for each number in the header of the shared memory

# Why messages are dropped: each subscriber has a counter for each of these, the first by what the
# others leave of all that it lost. They are in the order of their words in the shared memory.
DROPPING = (Reason.LAG, Reason.LAG_MESSAGES, Reason.LAG_AGE, Reason.LAG_LOG)

# Who is closed for these comes back at once, for the same again: the coordinator, which knows how
# often its address has, ends the connection, and no worker does.
COME_BACK = frozenset((Reason.LIMIT, Reason.KEY))

_BY_NUMBER = {reason.number: reason for reason in Reason}
