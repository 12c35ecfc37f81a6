"""The subscriber's half, towards streams of publishers and towards our own publisher."""

from __future__ import annotations

import pytest

from fanout.zmtp import (
    Cancelled,
    LocalProtocolError,
    MessageReceived,
    PongReceived,
    Ready,
    Session,
    SessionState,
    Subscribed,
    SubscriberSession,
    Violation,
    encode_message,
)
from fanout.zmtp.subscriber import FRAME_COST_BYTES
from tests.helpers.limits import LIMITS
from tests.unit.zmtp.wire import (
    CANCEL_A,
    GREETING,
    GREETING_3_0,
    READY_PUB,
    READY_SUB,
    SIGNATURE,
    SUBSCRIBE_A,
    SessionPair,
    drive,
    each_byte,
    ready,
    short_frame,
)

OPEN = GREETING + READY_PUB


def ready_subscriber(*topics: bytes, max_message_bytes: int = 10_000) -> SubscriberSession:
    subscriber = SubscriberSession(topics, max_message_bytes=max_message_bytes)
    assert drive(subscriber, [OPEN]).violation is None
    return subscriber


def settled_pair(*topics: bytes) -> SessionPair:
    pair = SessionPair(Session(LIMITS), SubscriberSession(topics))
    pair.settle()
    return pair


class TestHandshake:
    @pytest.mark.parametrize(
        ("publisher", "version", "sent"),
        [
            (OPEN, "3.1", GREETING + READY_SUB + SUBSCRIBE_A),
            (GREETING_3_0 + READY_PUB, "3.0", GREETING + READY_SUB + b"\x00\x02\x01A"),
            (
                SIGNATURE + bytes.fromhex("0101 0000"),
                "2.0",
                SIGNATURE + bytes.fromhex("0302 0000 00020141"),
            ),
        ],
    )
    def test_with(self, publisher: bytes, version: str, sent: bytes) -> None:
        outcome = drive(SubscriberSession([b"A"]), each_byte(publisher))
        assert outcome.events == [Ready(version, {"socket-type": b"PUB"})]
        assert outcome.output == sent

    def test_nothing_but_ready_before_the_publisher_is_ready(self) -> None:
        assert drive(SubscriberSession([b"A"]), [GREETING]).output == GREETING + READY_SUB

    def test_wrong_socket_type(self) -> None:
        outcome = drive(SubscriberSession(), [GREETING + ready((b"Socket-Type", b"SUB"))])
        assert outcome.violation is not None
        assert outcome.output.endswith(b"Invalid socket type")

    def test_refused(self) -> None:
        outcome = drive(SubscriberSession(), [GREETING + short_frame(b"\x05ERROR\x03400", 4)])
        assert outcome.violation == "the peer refused us: 400"

    def test_no_zmtp_1(self) -> None:
        assert drive(SubscriberSession(), [b"\x01\x00"]).violation is not None


class TestSubscribing:
    @pytest.mark.parametrize(
        ("opening", "subscribe", "cancel"),
        [
            (OPEN, SUBSCRIBE_A, CANCEL_A),
            (GREETING_3_0 + READY_PUB, b"\x00\x02\x01A", b"\x00\x02\x00A"),
        ],
    )
    def test_sends_changes_only(self, opening: bytes, subscribe: bytes, cancel: bytes) -> None:
        subscriber = SubscriberSession()
        drive(subscriber, [opening])
        subscriber.subscribe(b"A")
        subscriber.subscribe(b"A")
        assert subscriber.data_to_send() == subscribe
        subscriber.cancel(b"A")
        subscriber.cancel(b"A")
        assert subscriber.data_to_send() == cancel

    def test_waits_for_the_handshake(self) -> None:
        subscriber = SubscriberSession([b"B"])
        subscriber.subscribe(b"A")
        subscriber.cancel(b"B")
        assert subscriber.data_to_send() == SIGNATURE
        assert drive(subscriber, [OPEN]).output.endswith(READY_SUB + SUBSCRIBE_A)

    def test_not_when_closed(self) -> None:
        subscriber = SubscriberSession([b"B"])
        subscriber.receive_data(b"GET ")
        with pytest.raises(LocalProtocolError):
            subscriber.subscribe(b"A")
        with pytest.raises(LocalProtocolError):
            subscriber.cancel(b"B")
        assert subscriber.subscriptions == {b"B"}


class TestMessages:
    def test_frames_in_any_cut(self) -> None:
        subscriber = ready_subscriber(b"")
        wire = bytes.fromhex("00024142 0101410100000178")
        outcome = drive(subscriber, each_byte(wire))
        assert outcome.events == [MessageReceived((b"AB",)), MessageReceived((b"A", b"", b"x"))]

    def test_filtered_by_the_first_frame_only(self) -> None:
        subscriber = ready_subscriber(b"A", b"BC")
        for frames in ([b"B", b"A"], [b""], [b"xA"], [b"B", b"C"]):
            assert subscriber.receive_data(encode_message(frames)) == []
        for frames in ([b"A"], [b"AB", b"x"], [b"BCD", b""]):
            assert subscriber.receive_data(encode_message(frames)) == [
                MessageReceived(tuple(frames))
            ]

    def test_nothing_without_a_subscription(self) -> None:
        assert ready_subscriber().receive_data(encode_message([b"", b"x"])) == []

    def test_the_empty_prefix_takes_an_empty_first_frame(self) -> None:
        assert ready_subscriber(b"").receive_data(b"\x00\x00") == [MessageReceived((b"",))]

    def test_commands_do_not_disturb_a_message(self) -> None:
        subscriber = ready_subscriber(b"")
        events = subscriber.receive_data(b"\x01\x01A" + short_frame(b"\x04PONG", 4) + b"\x00\x01B")
        assert events == [PongReceived(b""), MessageReceived((b"A", b"B"))]

    def test_a_message_in_flight_after_a_cancel_is_not_seen(self) -> None:
        subscriber = ready_subscriber(b"A")
        subscriber.cancel(b"A")
        assert subscriber.receive_data(b"\x00\x01A") == []


class TestLimit:
    def test_counts_all_frames(self) -> None:
        for extra, violated in ((0, False), (1, True)):
            limit = 2 * (500 + FRAME_COST_BYTES)
            subscriber = ready_subscriber(b"", max_message_bytes=limit)
            frames = [bytes(500), bytes(500 + extra)]
            (event,) = subscriber.receive_data(encode_message(frames))
            assert isinstance(event, Violation if violated else MessageReceived)

    def test_empty_frames_are_not_free(self) -> None:
        subscriber = ready_subscriber(b"", max_message_bytes=1000)
        subscriber.receive_data(b"\x01\x00" * 1000)
        assert subscriber.state is SessionState.CLOSED
        assert subscriber._collected is None

    def test_what_nobody_wants_is_not_collected(self) -> None:
        subscriber = ready_subscriber(b"A", max_message_bytes=1000)
        assert subscriber.receive_data(b"\x01\x01B" + b"\x01\x00" * 1000) == []
        assert subscriber.state is SessionState.TRAFFIC


class TestPair:
    def test_handshake_and_subscriptions(self) -> None:
        pair = settled_pair(b"A", b"")
        assert pair.published == [
            Ready("3.1", {"socket-type": b"SUB"}),
            Subscribed(b""),
            Subscribed(b"A"),
        ]
        assert pair.received == [Ready("3.1", {"socket-type": b"PUB"})]
        pair.subscriber.cancel(b"")
        pair.settle()
        assert pair.published[-1] == Cancelled(b"")
        assert pair.publisher.subscriptions == {b"A"}

    def test_messages(self) -> None:
        pair = settled_pair(b"A")
        pair.send(encode_message([b"A", b"1"]) + encode_message([b"B"]) + encode_message([b"A2"]))
        assert pair.received[1:] == [MessageReceived((b"A", b"1")), MessageReceived((b"A2",))]

    def test_heartbeat_both_ways(self) -> None:
        pair = settled_pair()
        pair.publisher.ping(b"p")
        pair.subscriber.ping(b"s")
        pair.settle()
        assert pair.published[-1] == PongReceived(b"p")
        assert pair.received[-1] == PongReceived(b"s")

    def test_topics_of_all_lengths_around_the_boundaries(self) -> None:
        topics = [b"t" * size for size in (0, 244, 245, 246, 247, 248, 249, 254, 255, 256, 257)]
        pair = settled_pair(*topics)
        assert pair.publisher.subscriptions == set(topics)
        for topic in topics:
            pair.subscriber.cancel(topic)
        pair.settle()
        assert pair.publisher.subscriptions == set()
