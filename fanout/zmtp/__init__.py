"""ZMTP, the wire protocol of ZeroMQ, without I/O: bytes in, events out, bytes out.

    Session             the publisher's half of a connection     session.py
    SubscriberSession   the subscriber's half                    subscriber.py
    Mechanism           PLAIN or CURVE, for either of both       mechanisms.py
    encode_message ...  messages on the wire                     frames.py
    Encoding, ZMTP_1    what a peer reads in place of them       encoding.py, legacy.py

Standard library only; no socket, no clock, no thread. "Rule R1" to "R11" in comments are those of
docs/design/connections.md, which says why each is there.
"""

from __future__ import annotations

from fanout.zmtp.encoding import Encoding
from fanout.zmtp.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from fanout.zmtp.events import (
    Cancelled,
    MessageReceived,
    PingReceived,
    PongReceived,
    Ready,
    ReservedSubscription,
    SessionEvent,
    Subscribed,
    SubscribedAll,
    VerdictWanted,
    Violation,
)
from fanout.zmtp.frames import (
    COMMAND,
    LONG,
    MORE,
    FrameReader,
    encode_message,
    first_frame,
    frame_header,
    split_message,
)
from fanout.zmtp.legacy import ZMTP_1, to_zmtp_1
from fanout.zmtp.session import Session, SessionLimits
from fanout.zmtp.states import SessionState
from fanout.zmtp.subscriber import SubscriberSession

__all__ = [
    "COMMAND",
    "LONG",
    "MORE",
    "ZMTP_1",
    "Cancelled",
    "Encoding",
    "FrameReader",
    "LocalProtocolError",
    "MessageReceived",
    "PingReceived",
    "PongReceived",
    "ProtocolError",
    "Ready",
    "RemoteProtocolError",
    "ReservedSubscription",
    "Session",
    "SessionEvent",
    "SessionLimits",
    "SessionState",
    "Subscribed",
    "SubscribedAll",
    "SubscriberSession",
    "VerdictWanted",
    "Violation",
    "encode_message",
    "first_frame",
    "frame_header",
    "split_message",
    "to_zmtp_1",
]
