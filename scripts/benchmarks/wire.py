"""The dialects that receivers speak: what opens a connection, and what a message weighs.

A receiver greets, waits for one word of the answer, subscribes, and then only listens.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from benchmarks.traffic import PROBE_TOPIC
from fanout.zmtp.boxes import MESSAGE_OVERHEAD

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ZMTP_GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
# libzmq refuses a SUBSCRIBE that comes before it has sent its own READY, hence two steps.
ZMTP_READY = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB"
# Keys of CURVE, for all to see: nothing but what is measured is ever encrypted with them.
SERVER_PUBLIC = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
SERVER_SECRET = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
CLIENT_SECRET = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
# The same of TLS.
CERTIFICATE = b"""\
-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUCHDfYoU86A+GwUp2DA8IT6rsgwEwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNzE3MTUzNFoYDzIxMjYxMTAz
MTcxNTM0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARx25JEU3hA/GGatveVD1HWPkm4tLYFFEvZXBR1a0ESYouKdixZ9Nrg
SBOUQuXxj6JAPIb0LYyGXbTzw2k2b8xho28wbTAdBgNVHQ4EFgQUaAb2Uf2bL/Ne
G24lANwGcWajcCUwHwYDVR0jBBgwFoAUaAb2Uf2bL/NeG24lANwGcWajcCUwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIhAPV6TqRdRi670cXdoHwUot28J5bF+ybrMdeQn/ID/bx0AiBo
VGeDTCkFxEoR/QcP2ZyRCQdIeKuj+/+PsUEMnDSjKQ==
-----END CERTIFICATE-----
"""
CERTIFICATE_KEY = b"""\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgmwDDUSnTJtesxSLs
pZrRovIGczUwTcAd9juhX0NVcKuhRANCAARx25JEU3hA/GGatveVD1HWPkm4tLYF
FEvZXBR1a0ESYouKdixZ9NrgSBOUQuXxj6JAPIb0LYyGXbTzw2k2b8xh
-----END PRIVATE KEY-----
"""
SHORT_FRAME = 255  # bytes of body that fit a frame with a one-byte size
NATS_CONNECT = b'CONNECT {"verbose":false,"pedantic":false}\r\n'
JETSTREAM_STREAM = "LAST"
JETSTREAM_SUBJECTS = "*"  # all of one word: every topic here is, and nothing else that is published
WEBSOCKET_UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
WEBSOCKET_SHORT, WEBSOCKET_MEDIUM = 125, 65_535


@dataclass(frozen=True)
class Dialect:
    """How to subscribe to a peer, and how many bytes a message to a subscriber takes."""

    subscribe: Callable[[Sequence[bytes]], bytes]  # topics, none = everything -> bytes to send
    message_bytes: Callable[[int, int], int]  # topic and payload length -> bytes on the wire
    hello: bytes = b""  # what the subscriber says first
    welcome: bytes = b""  # what the answer has in it when the subscriber may go on
    chatter_bytes: int = 0  # one keep-alive of the peer that may come among the messages
    is_secured: bool = False  # the handshake is that of CURVE, and all after it is in boxes
    is_by_tls: bool = False  # all of it is in records, whose bytes do not count


def zmtp_subscribe(topic: bytes) -> bytes:
    """A SUBSCRIBE command (ZMTP 3.1); topics here are short."""
    body = b"\x09SUBSCRIBE" + topic
    return bytes((4, len(body))) + body


def zmtp_subscribe_by_message(topic: bytes) -> bytes:
    """The same before 3.1, which some engines know alone."""
    return bytes((0, 1 + len(topic), 1)) + topic


def _zmtp_subscribe_all(
    topics: Sequence[bytes], subscribe: Callable[[bytes], bytes] = zmtp_subscribe
) -> bytes:
    wanted = [*topics, PROBE_TOPIC] if topics else [b""]
    return b"".join(map(subscribe, wanted))


def _zmtp_frame_bytes(body: int) -> int:
    return body + (2 if body <= SHORT_FRAME else 9)


def _zmtp_message_bytes(topic: int, payload: int) -> int:
    return _zmtp_frame_bytes(topic) + _zmtp_frame_bytes(payload)


def _curve_message_bytes(topic: int, payload: int) -> int:
    """Each frame is a box in a frame of its own."""
    return sum(_zmtp_frame_bytes(MESSAGE_OVERHEAD + size) for size in (topic, payload))


def _nats_subscribe(topics: Sequence[bytes]) -> bytes:
    wanted = [*topics, PROBE_TOPIC] if topics else [b">"]
    # A subscription needs an id of its own, and comes with each message: all of one length.
    return b"".join(b"SUB %b %05d\r\n" % (topic, number) for number, topic in enumerate(wanted))


def _nats_consume(topics: Sequence[bytes]) -> bytes:
    """A consumer that begins with the last message of each topic, and sends them to an inbox.

    In nats-server 2.9 a consumer has one filter. So it is sent what there is of all topics, and
    only who wants all of them may be measured by it.
    """
    inbox = f"_INBOX.{uuid4().hex}"
    config = {
        "deliver_subject": inbox,
        "deliver_policy": "last_per_subject",
        "filter_subject": JETSTREAM_SUBJECTS,
        "ack_policy": "none",
    }
    asked = json.dumps({"stream_name": JETSTREAM_STREAM, "config": config})
    subject = f"$JS.API.CONSUMER.CREATE.{JETSTREAM_STREAM}"
    return f"SUB {inbox} 1\r\nPUB {subject} {len(asked)}\r\n{asked}\r\n".encode()


def _nats_message_bytes(topic: int, payload: int) -> int:
    return len(b"MSG  00000 \r\n\r\n") + topic + len(str(payload)) + payload


def _redis_subscribe(topics: Sequence[bytes]) -> bytes:
    # An exact channel is cheaper for redis than a pattern, so "everything" is the one topic.
    wanted = [b"SUBSCRIBE", *(topics or [b"t0000000"]), PROBE_TOPIC]
    return resp_command(*wanted)


def _redis_subscribe_and_ask(topics: Sequence[bytes]) -> bytes:
    """In RESP3 a connection that has subscribed may ask, too: for the values of the same topics."""
    names = [*topics, PROBE_TOPIC]
    return resp_command(b"HELLO", b"3") + b"".join(
        resp_command(verb, *names) for verb in (b"SUBSCRIBE", b"MGET")
    )


def _redis_message_bytes(topic: int, payload: int) -> int:
    return len(resp_command(b"message", bytes(topic), bytes(payload)))


def resp_command(*parts: bytes) -> bytes:
    """A RESP array of bulk strings."""
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(p), p) for p in parts)


def _websocket_message_bytes(topic: int, payload: int) -> int:
    body = topic + payload
    return body + (2 if body <= WEBSOCKET_SHORT else 4 if body <= WEBSOCKET_MEDIUM else 10)


def _subscribe_nothing(topics: Sequence[bytes]) -> bytes:
    return b""


_ZMTP = Dialect(
    _zmtp_subscribe_all,
    _zmtp_message_bytes,
    hello=ZMTP_GREETING + ZMTP_READY,
    welcome=b"READY",
)
_NATS = Dialect(
    _nats_subscribe,
    _nats_message_bytes,
    hello=NATS_CONNECT,
    welcome=b"INFO ",
    chatter_bytes=len(b"PING\r\n"),
)
DIALECTS = {
    "zmtp": _ZMTP,
    "zmtp-3.0": replace(
        _ZMTP,
        subscribe=partial(_zmtp_subscribe_all, subscribe=zmtp_subscribe_by_message),
        hello=ZMTP_GREETING.replace(b"\x7f\x03\x01", b"\x7f\x03\x00") + ZMTP_READY,
    ),
    "tls": replace(_ZMTP, is_by_tls=True),
    "curve": Dialect(_subscribe_nothing, _curve_message_bytes, is_secured=True),
    "nats": _NATS,
    "nats-values": replace(_NATS, subscribe=_nats_consume),
    "redis": Dialect(_redis_subscribe, _redis_message_bytes),
    "redis-values": Dialect(_redis_subscribe_and_ask, _redis_message_bytes),
    "websocket": Dialect(
        _subscribe_nothing,
        _websocket_message_bytes,
        hello=WEBSOCKET_UPGRADE,
        welcome=b"\r\n\r\n",
    ),
    # The reference sender has no protocol: it sends as many bytes as ZMTP would.
    "plain": Dialect(_subscribe_nothing, _zmtp_message_bytes),
}
