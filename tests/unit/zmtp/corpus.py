"""Streams captured from real peers, with what our publisher must make of each.

Every stream begins with the first byte that the peer sent. The fuzz tests start from these.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fanout.zmtp import (
    Cancelled,
    PingReceived,
    PongReceived,
    Ready,
    SessionEvent,
    SessionLimits,
    Subscribed,
)
from tests.helpers.limits import LIMITS
from tests.unit.zmtp.wire import (
    CANCEL_A,
    GREETING,
    GREETING_3_0,
    NULL,
    OUR_HANDSHAKE,
    READY_SUB,
    SIGNATURE,
    SUBSCRIBE_A,
    long_frame,
    lost_long_bit,
    ready,
    short_frame,
)

SUB = {"socket-type": b"SUB"}
OPEN = GREETING + READY_SUB  # a libzmq 4.3.5 SUB up to its READY
OPEN_3_0 = GREETING_3_0 + READY_SUB
READY_3_1 = Ready("3.1", SUB)
READY_3_0 = Ready("3.0", SUB)
OUR_2_0 = SIGNATURE + bytes.fromhex("03 01 00 00")
ERROR_TYPE = short_frame(b"\x05ERROR\x13Invalid socket type", 4)
TYPE_NAME = b"Socket-Type"


@dataclass(frozen=True)
class Capture:
    """What a peer sent, and the outcome."""

    name: str
    wire: bytes
    events: tuple[SessionEvent, ...] = ()
    violation: str | None = None  # a part of the reason; None if the connection stays
    output: bytes = OUR_HANDSHAKE
    limits: SessionLimits = LIMITS


def _subscribe(topic: bytes) -> bytes:
    return b"\x09SUBSCRIBE" + topic


def _h(text: str) -> bytes:
    return bytes.fromhex(text)


HEALTHY = (
    Capture("libzmq 4.3.5 subscribes and cancels A", OPEN + SUBSCRIBE_A + CANCEL_A,
            (READY_3_1, Subscribed(b"A"), Cancelled(b"A"))),
    Capture("libzmq 4.3.5 subscribes everything", OPEN + _h("040a09535542534352494245"),
            (READY_3_1, Subscribed(b""))),
    Capture("libzmq 4.3.5 cancels everything",
            OPEN + _h("040a09535542534352494245 04070643414e43454c"),
            (READY_3_1, Subscribed(b""), Cancelled(b""))),
    Capture("libzmq 4.1.6 subscribes and cancels A", OPEN_3_0 + _h("00020141 00020041"),
            (READY_3_0, Subscribed(b"A"), Cancelled(b"A"))),
    Capture("libzmq 4.1.6 subscribes everything", OPEN_3_0 + _h("000101 000100"),
            (READY_3_0, Subscribed(b""), Cancelled(b""))),
    Capture("azmq announces 3.1, subscribes by message",
            _h("ff0000000000000000 7f03") + GREETING[11:] + READY_SUB + _h("00020141"),
            (READY_3_1, Subscribed(b"A"))),
    Capture("topic of 245 bytes", OPEN + _h("04ff") + _subscribe(b"t" * 245),
            (READY_3_1, Subscribed(b"t" * 245))),
    Capture("topic of 246 bytes", OPEN + _h("060000000000000100") + _subscribe(b"t" * 246),
            (READY_3_1, Subscribed(b"t" * 246))),
    Capture("cancel of 248 and 249 bytes",
            OPEN + long_frame(_subscribe(b"t" * 248), 4) + long_frame(_subscribe(b"t" * 249), 4)
            + _h("04ff") + b"\x06CANCEL" + b"t" * 248
            + _h("060000000000000100") + b"\x06CANCEL" + b"t" * 249,
            (READY_3_1, Subscribed(b"t" * 248), Subscribed(b"t" * 249),
             Cancelled(b"t" * 248), Cancelled(b"t" * 249))),
    Capture("3.0 topics of 254 and 255 bytes",
            OPEN_3_0 + _h("00ff01") + b"t" * 254 + _h("02000000000000010001") + b"t" * 255,
            (READY_3_0, Subscribed(b"t" * 254), Subscribed(b"t" * 255))),
    Capture("heartbeat of libzmq", OPEN + _h("0407 0450494e47 000f"),
            (READY_3_1, PingReceived(1.5, b"")), output=OUR_HANDSHAKE + _h("040504504f4e47")),
    Capture("three PINGs at once", OPEN + _h("0409 0450494e47 0000 6161") * 3,
            (READY_3_1, *[PingReceived(0.0, b"aa")] * 3),
            output=OUR_HANDSHAKE + _h("040704504f4e476161") * 3),
    Capture("PONG without context, of libzmq 4.2", OPEN_3_0 + _h("040504504f4e47"),
            (READY_3_0, PongReceived(b""))),
    Capture("XSUB", GREETING + ready((TYPE_NAME, b"XSUB")),
            (Ready("3.1", {"socket-type": b"XSUB"}),)),
    Capture("READY without a socket type", GREETING + _h("0406055245414459"), (Ready("3.1", {}),)),
    Capture("READY in a message frame", GREETING + b"\x00" + READY_SUB[1:], (READY_3_1,)),
    Capture("READY in a long frame", GREETING + long_frame(READY_SUB[2:], 4), (READY_3_1,)),
    Capture("property name in lower case, identity of 300 bytes",
            GREETING + ready((b"socket-type", b"SUB"), (b"Identity", b"i" * 300)),
            (Ready("3.1", SUB | {"identity": b"i" * 300}),)),
    Capture("filler and as-server not zero",
            SIGNATURE + _h("0301") + NULL + b"\x01" + b"\xaa" * 31 + READY_SUB, (READY_3_1,)),
    Capture("revision 4, minor 7",
            SIGNATURE + _h("0407") + NULL + bytes(32) + READY_SUB, (READY_3_1,)),
    Capture("revision 2 is read as 3.x",
            SIGNATURE + _h("0200") + NULL + bytes(32) + READY_SUB, (READY_3_0,)),
    Capture("any padding in the signature",
            _h("ff 6162636465666768 7f") + GREETING[10:] + READY_SUB, (READY_3_1,)),
    Capture("ignored after the handshake: READY, ERROR, HELLO, unknown, user messages",
            OPEN + READY_SUB + _h("040a054552524f5203343030") + short_frame(b"\x05HELLO", 4)
            + short_frame(b"\x03FOOdata", 4) + _h("0000 00016a 0100 010178 000179") + SUBSCRIBE_A,
            (READY_3_1, Subscribed(b"A"))),
    Capture("malformed commands after the handshake",
            OPEN + _h("0400 0402ff41") + short_frame(b"\x09subscribeA", 4)
            + short_frame(b"\x04PING\x00", 4) + SUBSCRIBE_A,
            (READY_3_1, Subscribed(b"A"))),
    Capture("each part of a multipart message",
            OPEN + _h("01020145 01020146 00046a756e6b 01046a756e6b 00020147"),
            (READY_3_1, Subscribed(b"E"), Subscribed(b"F"), Subscribed(b"G"))),
    Capture("reserved flag bits", OPEN + b"\xfc" + SUBSCRIBE_A[1:] + b"\xf8\x02\x01B",
            (READY_3_1, Subscribed(b"A"), Subscribed(b"B"))),
    Capture("libzmq 4.3.4 forgets the LONG bit of SUBSCRIBE",
            OPEN + b"".join(lost_long_bit(_subscribe(b"t" * n), 4) for n in (246, 255))
            + SUBSCRIBE_A,
            (READY_3_1, Subscribed(b"t" * 246), Subscribed(b"t" * 255), Subscribed(b"A"))),
    Capture("libzmq 4.3.4 forgets the LONG bit of CANCEL",
            OPEN + long_frame(_subscribe(b"t" * 255), 4)
            + lost_long_bit(b"\x06CANCEL" + b"t" * 255, 4) + SUBSCRIBE_A,
            (READY_3_1, Subscribed(b"t" * 255), Cancelled(b"t" * 255), Subscribed(b"A"))),
    Capture("JeroMQ 0.3.6, ZMTP 2.0", SIGNATURE + _h("0102 0000 00020141 00020041"),
            (Ready("2.0", SUB), Subscribed(b"A"), Cancelled(b"A")), output=OUR_2_0),
    Capture("ZMTP 2.0 with an identity, XSUB", SIGNATURE + _h("010a 00026d65 00020141"),
            (Ready("2.0", {"socket-type": b"XSUB", "identity": b"me"}), Subscribed(b"A")),
            output=OUR_2_0),
    Capture("ZMTP 1.0, anonymous", _h("0100"), (Ready("1.0", {}), Subscribed(b"")),
            output=SIGNATURE, limits=replace(LIMITS, allow_zmtp_1=True)),
    Capture("ZMTP 1.0 with an identity in long form",
            _h("ff 0000000000000003 00 6d65") + b"whatever follows",
            (Ready("1.0", {}), Subscribed(b"")),
            output=SIGNATURE, limits=replace(LIMITS, allow_zmtp_1=True)),
)  # fmt: skip

REFUSED = (
    Capture("HTTP", b"GET / HTTP/1.1\r\n\r\n", violation="the peer speaks HTTP", output=SIGNATURE),
    Capture("HTTP with 1.0 allowed", b"GET / HTTP/1.1\r\n" + b"x" * 80, violation="speaks HTTP",
            output=SIGNATURE, limits=replace(LIMITS, allow_zmtp_1=True)),
    Capture("ZMTP 1.0 without being allowed", _h("0100"), violation="1.0", output=SIGNATURE),
    Capture("ZMTP 1.0 long form without being allowed", _h("ff000000000000000300"),
            violation="1.0", output=SIGNATURE),
    Capture("ZMTP 1.0 length 0", _h("00"), violation="length 0", output=SIGNATURE,
            limits=replace(LIMITS, allow_zmtp_1=True)),
    Capture("ZMTP 1.0 huge identity", _h("ff7f0000000000000000"), violation="length",
            output=SIGNATURE, limits=replace(LIMITS, allow_zmtp_1=True)),
    Capture("revision 0", SIGNATURE + b"\x00", violation="revision 0", output=SIGNATURE + b"\x03"),
    Capture("ZMTP 2.0 PUSH", SIGNATURE + _h("0108"),
            violation="socket type is 8 (PUSH), and not SUB or XSUB", output=OUR_2_0),
    Capture("ZMTP 2.0 identity with MORE", SIGNATURE + _h("0102 0100"), violation="identity",
            output=OUR_2_0),
    Capture("ZMTP 2.0 identity of 256 bytes",
            SIGNATURE + _h("0102") + long_frame(b"i" * 256), violation="identity", output=OUR_2_0),
    Capture("mechanism PLAIN", SIGNATURE + _h("0301") + b"PLAIN".ljust(20, b"\0") + bytes(32),
            violation="serves NULL", output=GREETING),
    Capture("mechanism in lower case", SIGNATURE + _h("0301") + b"null" + bytes(48),
            violation="serves NULL", output=GREETING),
    Capture("junk after the mechanism", SIGNATURE + _h("0301") + b"NULL\0x" + bytes(46),
            violation="serves NULL", output=GREETING),
    Capture("SUBSCRIBE before READY", GREETING + SUBSCRIBE_A, violation="before READY"),
    Capture("message before READY", GREETING + _h("00020141"), violation="before READY"),
    Capture("HELLO instead of READY",
            GREETING + _h("04130548454c4c4f0561646d696e06736563726574"), violation="before READY"),
    Capture("empty command before READY", GREETING + _h("0400"), violation="before READY"),
    Capture("ERROR instead of READY", GREETING + _h("040a054552524f5203343030"),
            violation="refused us: 400"),
    Capture("truncated metadata", GREETING + short_frame(READY_SUB[2:-1], 4),
            violation="inside a value"),
    Capture("leftover byte in the metadata", GREETING + short_frame(READY_SUB[2:] + b"\x01", 4),
            violation="inside a property"),
    Capture("value of 2**31 bytes",
            GREETING + short_frame(b"\x05READY\x01a\x80\x00\x00\x00", 4), violation="value"),
    Capture("property without a name",
            GREETING + short_frame(b"\x05READY\x00\x00\x00\x00\x00", 4), violation="named"),
    *(
        Capture(f"socket type {name!r}", GREETING + ready((TYPE_NAME, name)),
                violation="socket type", output=OUR_HANDSHAKE + ERROR_TYPE)
        for name in (b"PUB", b"XPUB", b"PULL", b"DEALER", b"DISH", b"sub", b"")
    ),
    Capture("a second socket type that is wrong",
            GREETING + ready((TYPE_NAME, b"SUB"), (TYPE_NAME, b"PULL")),
            violation="socket type", output=OUR_HANDSHAKE + ERROR_TYPE),
    Capture("frame of 2**63 bytes", OPEN + _h("028000000000000000"), (READY_3_1,), "frame of"),
    Capture("frame of 2**64 - 1 bytes", OPEN + _h("02ffffffffffffffff"), (READY_3_1,), "frame of"),
    Capture("subscription above the limit",
            OPEN + SUBSCRIBE_A + long_frame(_subscribe(b"t" * 4097), 4),
            (READY_3_1, Subscribed(b"A")), "4097 bytes"),
    Capture("one subscription too many",
            OPEN + _h("00020141 00020141 00020142 00020143"),
            (READY_3_1, Subscribed(b"A"), Subscribed(b"B")), "more than 2 subscriptions",
            limits=replace(LIMITS, max_subscriptions=2)),
)  # fmt: skip

CORPUS = HEALTHY + REFUSED
