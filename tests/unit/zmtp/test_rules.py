"""One test for each rule that decides whether any SUB connects unchanged, and each sender bug.

The rules: docs/design/connections.md.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from fanout.zmtp import (
    COMMAND,
    LONG,
    MORE,
    Cancelled,
    LocalProtocolError,
    PingReceived,
    Ready,
    Session,
    Subscribed,
    encode_message,
    frame_header,
)
from fanout.zmtp.layout import lay_out
from tests.helpers.boxes import Kernel
from tests.helpers.limits import LIMITS
from tests.unit.zmtp.corpus import OPEN, OPEN_3_0
from tests.unit.zmtp.wire import (
    CANCEL_A,
    GREETING,
    GREETING_3_0,
    READY_PUB,
    READY_SUB,
    REST,
    SIGNATURE,
    SUBSCRIBE_A,
    connected,
    drive,
    long_frame,
    lost_long_bit,
    ready,
    short_frame,
)

ROOT = Path(__file__).parents[3]


def test_every_rule_that_is_cited_is_listed() -> None:
    listed = set(
        re.findall(r"^\| (R\d+) \|", (ROOT / "docs/design/connections.md").read_text(), re.M)
    )
    cited = {
        name
        for path in (*ROOT.glob("fanout/**/*.py"), *ROOT.glob("workers/**/*.py"))
        for name in re.findall(r"[Rr]ule\s+(?:#\s*)?(R\d+)", path.read_text())
    }
    tested = {name.upper() for name in re.findall(r"def test_(r\d+)_", Path(__file__).read_text())}
    assert cited | tested <= listed
    assert listed == tested


def test_r1_the_greeting_goes_out_in_stages() -> None:
    session = Session(LIMITS)
    assert session.data_to_send() == SIGNATURE
    session.receive_data(SIGNATURE[:9])
    assert session.data_to_send() == b""
    session.receive_data(SIGNATURE[9:])
    assert session.data_to_send() == b"\x03"
    session.receive_data(b"\x03")
    assert session.data_to_send() == REST
    session.receive_data(GREETING[11:63])
    assert session.data_to_send() == b""
    session.receive_data(GREETING[63:])
    assert session.data_to_send() == READY_PUB


def test_r1_a_zmtp_2_peer_never_sees_a_zmtp_3_greeting() -> None:
    session = Session(LIMITS)
    outcome = drive(session, [SIGNATURE, b"\x01", b"\x02", b"\x00\x00"])
    assert outcome.output == SIGNATURE + b"\x03" + b"\x01" + b"\x00\x00"


def test_r2_nothing_but_ready_before_the_peer_is_ready() -> None:
    session = Session(LIMITS)
    assert drive(session, [GREETING]).output == GREETING + READY_PUB
    with pytest.raises(LocalProtocolError):
        session.ping()
    session.receive_data(READY_SUB[:-1])
    with pytest.raises(LocalProtocolError):
        session.ping()
    assert session.data_to_send() == b""
    assert isinstance(session.receive_data(READY_SUB[-1:])[0], Ready)
    session.ping()


@pytest.mark.parametrize(
    "fault",
    [
        SIGNATURE + b"\x03\x01PLAIN" + bytes(47),
        GREETING + SUBSCRIBE_A,
        GREETING + short_frame(READY_SUB[2:-1], 4),
        OPEN + b"\x02" + b"\xff" * 8,
        OPEN + long_frame(b"\x01" + bytes(5000)),
    ],
)
def test_r3_the_end_is_a_close_without_garbage(fault: bytes) -> None:
    """ERROR is final for a libzmq SUB; only a wrong socket type deserves that."""
    outcome = drive(Session(LIMITS), [fault])
    assert outcome.violation is not None
    assert (GREETING + READY_PUB).startswith(outcome.output)


def test_r3_a_wrong_socket_type_is_told_only_after_the_peers_ready() -> None:
    wrong = ready((b"Socket-Type", b"PULL"))
    outcome = drive(Session(LIMITS), [GREETING + wrong[:-1]])
    assert outcome.output == GREETING + READY_PUB
    outcome = drive(Session(LIMITS), [GREETING + wrong])
    error = short_frame(b"\x05ERROR\x13Invalid socket type", 4)
    assert outcome.output == GREETING + READY_PUB + error


@pytest.mark.parametrize("opening", [OPEN, OPEN_3_0])
def test_r4_both_forms_of_subscriptions_on_every_connection(opening: bytes) -> None:
    session = connected(opening)
    assert session.receive_data(SUBSCRIBE_A + b"\x00\x02\x00A") == [
        Subscribed(b"A"),
        Cancelled(b"A"),
    ]
    assert session.receive_data(b"\x00\x02\x01A" + CANCEL_A) == [Subscribed(b"A"), Cancelled(b"A")]


def test_r5_subscriptions_are_a_set() -> None:
    """libzmq sends SUBSCRIBE for each subscribe(), but CANCEL only for the last unsubscribe()."""
    session = connected()
    session.receive_data(SUBSCRIBE_A * 2 + b"\x00\x02\x01A" + CANCEL_A)
    assert session.subscriptions == set()


def test_r6_names_are_sent_in_exact_case() -> None:
    output = drive(Session(LIMITS), [GREETING]).output
    assert b"\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB" in output


@pytest.mark.parametrize("name", [b"socket-type", b"SOCKET-TYPE", b"Socket-type"])
def test_r6_property_names_are_read_without_case(name: bytes) -> None:
    good, bad = (
        drive(Session(LIMITS), [GREETING + ready((name, kind))]) for kind in (b"SUB", b"PUB")
    )
    assert good.violation is None
    assert bad.violation is not None


def test_r6_unknown_properties_are_ignored() -> None:
    outcome = drive(
        Session(LIMITS), [GREETING + ready((b"Resource", b"x"), (b"Socket-Type", b"SUB"))]
    )
    assert outcome.violation is None


@pytest.mark.parametrize(
    "frame",
    [
        short_frame(b"\x07UNKNOWNdata", 4),
        long_frame(b"\x07UNKNOWN" + bytes(1000), 4),
        short_frame(b"\x09subscribeA", 4),
        short_frame(b"\x05ERROR\x03400", 4),
        short_frame(b"\x03", 4),
        short_frame(b"\x00", 4),
        short_frame(b"", 4),
        short_frame(b"\x04PING", 4),
        READY_SUB,
    ],
)
def test_r7_unknown_commands_are_ignored(frame: bytes) -> None:
    session = connected()
    assert session.receive_data(frame + SUBSCRIBE_A) == [Subscribed(b"A")]
    assert session.data_to_send() == b""


@pytest.mark.parametrize("opening", [OPEN, OPEN_3_0, SIGNATURE + b"\x01\x02\x00\x00", b"\x01\x00"])
def test_r7_user_messages_of_any_length_are_ignored(opening: bytes) -> None:
    """From every version, a whole message or frame by frame; what follows is understood."""
    limits = replace(LIMITS, max_frame_bytes=100, allow_zmtp_1=True)
    session = connected(opening, Session(limits))
    junk = [b"x" * 101, b"", b"x" * 100_000, b"\xff" * 256, b"\x00" * 100_000]
    events = session.receive_data(encode_message(junk))
    for frame in junk:
        events += session.receive_data(encode_message([frame]))
    assert (events, session._reader.kept_bytes) == ([], 0)
    wanted = [] if session.version == "1.0" else [Subscribed(b"A")]
    assert session.receive_data(b"\x00\x02\x01A") == wanted
    assert session.data_to_send() == b""


@pytest.mark.parametrize("opening", [OPEN, OPEN_3_0])
def test_r8_pong_echoes_the_context(opening: bytes) -> None:
    for size in range(17):
        session = connected(opening)
        context = bytes(range(size))
        events = session.receive_data(short_frame(b"\x04PING\x00\x00" + context, 4))
        assert events == [PingReceived(0.0, context)]
        assert session.data_to_send() == short_frame(b"\x04PONG" + context, 4)


def test_r8_one_pong_for_each_ping_in_order() -> None:
    session = connected()
    contexts = (b"1", b"2", b"3")
    session.receive_data(b"".join(short_frame(b"\x04PING\x00\x00" + c, 4) for c in contexts))
    assert session.data_to_send() == b"".join(short_frame(b"\x04PONG" + c, 4) for c in contexts)


def test_r8_a_longer_context_is_cut_to_16_bytes() -> None:
    session = connected()
    session.receive_data(short_frame(b"\x04PING\x00\x00" + b"c" * 17, 4))
    assert session.data_to_send() == short_frame(b"\x04PONG" + b"c" * 16, 4)


def test_r8_a_ping_has_its_ttl_and_never_above_655() -> None:
    session = connected()
    session.ping()
    assert session.data_to_send() == bytes.fromhex("0407 04 50494e47 0000")
    session.ping(ttl_ds=655)
    with pytest.raises(LocalProtocolError):
        session.ping(ttl_ds=656)


@pytest.mark.parametrize("flags", [0, MORE, COMMAND, MORE | COMMAND])
@pytest.mark.parametrize("size", [0, 1, 300])
def test_r9_a_box_has_no_flags_outside_but_for_a_long_one(flags: int, size: int) -> None:
    """Sealed alone or with others: what the frame is, is said in the box."""
    sealer = Kernel().sealer
    layout = lay_out(memoryview(frame_header(size, flags) + bytes(size)), 1 << 20, 1)
    assert layout is not None
    for box in (sealer.seal(flags, bytes(size)), bytes(sealer.seal_all(sealer.batch(layout)))):
        assert box[0] == (LONG if len(box) > 2 + 255 else 0)
        assert b"\x07MESSAGE" in box[:17]


def test_r11_who_may_not_know_a_ping_is_sent_none() -> None:
    """ZMTP 3.0 has no PING; what shows that a peer knows it is a PING or PONG of its own."""
    assert connected(OPEN).speaks_pings
    for shown in (b"\x04PING\x00\x00", b"\x04PONG"):
        session = connected(OPEN_3_0)
        assert not session.speaks_pings
        session.receive_data(short_frame(shown, 4))
        assert session.speaks_pings
    session = connected(OPEN_3_0)
    session.receive_data(short_frame(b"\x04PING\x00", 4))  # too short to be one
    session.receive_data(short_frame(b"\x04PONG"))  # a message
    assert not session.speaks_pings


def test_r10_we_announce_minor_1() -> None:
    """Towards 3.0, libzmq 4.3.3 and later corrupt the stream with a 255-byte topic."""
    for opening in (GREETING, GREETING_3_0, SIGNATURE + b"\x04\x09" + GREETING[12:]):
        assert drive(Session(LIMITS), [opening]).output[10:12] == b"\x03\x01"


@pytest.mark.parametrize("size", range(246, 256))
def test_bug_of_libzmq_4_3_3_lost_long_bit_of_subscribe(size: int) -> None:
    session = connected()
    topic = b"t" * size
    wire = lost_long_bit(b"\x09SUBSCRIBE" + topic, 4) + SUBSCRIBE_A
    assert session.receive_data(wire) == [Subscribed(topic), Subscribed(b"A")]


@pytest.mark.parametrize("size", range(249, 256))
def test_bug_of_libzmq_4_3_3_lost_long_bit_of_cancel(size: int) -> None:
    session = connected()
    topic = b"t" * size
    session.receive_data(long_frame(b"\x01" + topic))
    wire = lost_long_bit(b"\x06CANCEL" + topic, 4) + SUBSCRIBE_A
    assert session.receive_data(wire) == [Cancelled(topic), Subscribed(b"A")]


def test_bug_of_libzmq_4_3_3_255_byte_topic_to_a_3_0_peer_does_not_reach_us() -> None:
    """We announce 3.1 (R10), so that libzmq sends that topic as a command; it is read above.

    The corrupt form is a legal stream of other messages too, so it is read as what it says, and it
    does no harm but to its own connection.
    """
    session = connected(OPEN_3_0)
    session.receive_data(lost_long_bit(b"\x01" + b"t" * 255, 0))
    assert b"t" * 255 not in session.subscriptions


def test_bug_of_libzmq_4_2_pong_without_context() -> None:
    session = connected(OPEN_3_0)
    (event,) = session.receive_data(short_frame(b"\x04PONG", 4))
    assert getattr(event, "context", None) == b""
