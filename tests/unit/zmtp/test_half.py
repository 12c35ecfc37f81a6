"""What both halves share: the handshake's end, heartbeats, violations, and what is let go."""

from __future__ import annotations

import pytest

from fanout.zmtp import (
    LocalProtocolError,
    PingReceived,
    Ready,
    Session,
    SessionState,
    Subscribed,
    SubscriberSession,
    Violation,
)
from fanout.zmtp.greeting import ROLES
from fanout.zmtp.half import PENDING_PONG_BYTES_MAX, Half
from fanout.zmtp.mechanisms import HANDSHAKE_FRAME_BYTES_MAX
from tests.helpers.limits import LIMITS
from tests.unit.zmtp.corpus import OPEN, OPEN_3_0
from tests.unit.zmtp.wire import (
    GREETING,
    READY_PUB,
    READY_SUB,
    SIGNATURE,
    SUBSCRIBE_A,
    EitherHalf,
    connected,
    drive,
    each_byte,
    long_frame,
    ready,
    short_frame,
)

PING = bytes.fromhex("0407 04 50494e47 0000")
PONG = bytes.fromhex("0405 04 504f4e47")


def at_greeting() -> Session:
    return Session(LIMITS)


def at_handshake() -> Session:
    session = Session(LIMITS)
    session.receive_data(GREETING)
    return session


def at_close() -> Session:
    session = Session(LIMITS)
    session.receive_data(b"GET ")
    return session


class TestInput:
    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_takes_any_buffer(self, kind: type) -> None:
        outcome = drive(Session(LIMITS), [kind(OPEN + SUBSCRIBE_A)])
        assert outcome.events[-1] == Subscribed(b"A")

    def test_does_not_hold_the_buffer_of_the_caller(self) -> None:
        session = connected()
        buffer = bytearray(SUBSCRIBE_A[:-1])
        session.receive_data(buffer)
        buffer[:] = bytes(len(buffer))
        assert session.receive_data(b"A") == [Subscribed(b"A")]

    def test_nothing_changes_nothing(self) -> None:
        for session in (at_greeting(), at_handshake(), connected(), at_close()):
            state = session.state
            assert session.receive_data(b"") == []
            assert session.state is state

    @pytest.mark.unmeasured
    def test_many_frames_in_one_chunk_are_read_without_recursion(self) -> None:
        session = connected()
        assert session.receive_data(b"\x00\x00" * 100_000 + SUBSCRIBE_A) == [Subscribed(b"A")]

    def test_a_half_must_say_what_it_does_with_messages(self) -> None:
        half = Half(ROLES[b"PUB"], 1000)
        with pytest.raises(NotImplementedError):
            half.receive_data(OPEN + b"\x00\x00")


class TestMechanism:
    @pytest.mark.parametrize(
        ("said", "knows"),
        [(0, False), (10, False), (11, True), (12, False), (63, False), (64, False)],
        ids=["nothing", "signature", "version", "more", "all but a byte", "greeting"],
    )
    def test_who_has_said_nothing_since_it_knows_ours_is_known(
        self, said: int, knows: bool
    ) -> None:
        half = at_greeting()
        half.receive_data(GREETING[:said])

        assert half.knows_our_mechanism_only is knows

    def test_how_much_of_a_greeting_has_come_is_told(self) -> None:
        half = at_greeting()
        assert half.cut_short == ""
        half.receive_data(GREETING[:33])
        assert half.cut_short == "ended during the handshake, after 33 bytes of the greeting"
        half.receive_data(GREETING[33:])
        assert half.cut_short == ""

    def test_older_peers_are_told_of_none(self) -> None:
        half = at_greeting()
        half.receive_data(SIGNATURE + b"\x01")

        assert not half.knows_our_mechanism_only


class TestStates:
    @pytest.mark.parametrize(
        ("session", "state"),
        [
            (at_greeting(), SessionState.GREETING),
            (at_handshake(), SessionState.HANDSHAKE),
            (connected(), SessionState.TRAFFIC),
            (at_close(), SessionState.CLOSED),
        ],
    )
    def test_follow_the_input(self, session: Session, state: SessionState) -> None:
        assert session.state is state

    def test_version_and_metadata_are_known_when_they_can_be(self) -> None:
        session = Session(LIMITS)
        assert (session.version, session.metadata) == (None, {})
        session.receive_data(GREETING)
        assert (session.version, session.metadata) == ("3.1", {})
        assert session.receive_data(READY_SUB) == [Ready("3.1", {"socket-type": b"SUB"})]
        assert session.metadata == {"socket-type": b"SUB"}

    def test_the_greeting_is_dropped_when_it_is_through(self) -> None:
        session = at_greeting()
        assert session._greeting is not None
        session.receive_data(GREETING)
        assert session._greeting is None


class TestViolation:
    def test_is_the_last_event(self) -> None:
        session = Session(LIMITS)
        outcome = drive(session, [OPEN + SUBSCRIBE_A + b"\x02\xff" + bytes(7) + SUBSCRIBE_A])
        assert [type(event) for event in outcome.events] == [Ready, Subscribed, Violation]
        assert session.receive_data(OPEN) == []
        assert session.receive_data(b"anything") == []
        assert session.data_to_send() == b""
        assert session.state is SessionState.CLOSED

    def test_lets_go_of_what_was_kept(self) -> None:
        session = connected()
        session.receive_data(long_frame(bytes(60_000))[:-1])
        assert session._reader.kept_bytes > 60_000
        session.receive_data(b"\x00\x02\xff" + bytes(7))
        assert session.state is SessionState.CLOSED
        assert session._reader.kept_bytes == 0

    def test_a_stranger_gets_a_handshake_of_64_kib_whatever_the_limit(self) -> None:
        subscriber = SubscriberSession()
        size = HANDSHAKE_FRAME_BYTES_MAX + 1
        outcome = drive(subscriber, [GREETING + b"\x06" + size.to_bytes(8, "big")])
        assert outcome.violation is not None
        assert str(HANDSHAKE_FRAME_BYTES_MAX) in outcome.violation

    def test_large_metadata_within_the_limit_is_taken(self) -> None:
        outcome = drive(Session(LIMITS), [GREETING + ready((b"X-big", bytes(65_000)))])
        assert outcome.events == [Ready("3.1", {"x-big": bytes(65_000)})]

    def test_reason_is_printable(self) -> None:
        for name in (b"\n\x1b[31m", b"\xff" * 250):
            outcome = drive(Session(LIMITS), [GREETING + ready((b"Socket-Type", name))])
            assert outcome.violation is not None
            assert outcome.violation.isprintable()
            assert outcome.violation.isascii()
            assert len(outcome.violation) < 500


class TestPing:
    @pytest.mark.parametrize("peer", [OPEN, OPEN_3_0 + PING, OPEN_3_0 + PONG])
    def test_on_the_wire(self, peer: bytes) -> None:
        session = connected(peer)
        session.data_to_send()
        session.ping()
        session.ping(b"ctx", 655)
        assert session.data_to_send() == PING + bytes.fromhex("040a 04 50494e47 028f 637478")

    def test_context_has_up_to_16_bytes(self) -> None:
        session = connected()
        session.ping(b"c" * 16)
        session.data_to_send()
        with pytest.raises(LocalProtocolError):
            session.ping(b"c" * 17)
        assert session.data_to_send() == b""

    @pytest.mark.parametrize("ttl_ds", [656, -1])
    def test_ttl_out_of_range(self, ttl_ds: int) -> None:
        session = connected()
        with pytest.raises(LocalProtocolError):
            session.ping(ttl_ds=ttl_ds)
        assert session.data_to_send() == b""

    @pytest.mark.parametrize("make", [at_greeting, at_handshake, at_close])
    def test_only_in_traffic(self, make: object) -> None:
        assert callable(make)
        session = make()
        session.data_to_send()
        with pytest.raises(LocalProtocolError):
            session.ping()
        assert session.data_to_send() == b""

    @pytest.mark.parametrize(
        ("peer", "version"), [(OPEN_3_0, "3.0"), (SIGNATURE + bytes.fromhex("0102 0000"), "2.0")]
    )
    def test_only_to_who_knows_them(self, peer: bytes, version: str) -> None:
        session = connected(peer)
        with pytest.raises(LocalProtocolError, match=f"ZMTP {version} has no PING"):
            session.ping()
        assert session.data_to_send() == b""

    @pytest.mark.parametrize("half", [Session(LIMITS), SubscriberSession()])
    def test_both_halves_answer(self, half: EitherHalf) -> None:
        drive(half, [GREETING + (READY_SUB if isinstance(half, Session) else READY_PUB)])
        assert half.receive_data(PING) == [PingReceived(0.0, b"")]
        assert half.data_to_send() == bytes.fromhex("0405 04 504f4e47")

    def test_ttl_is_in_seconds(self) -> None:
        assert connected().receive_data(bytes.fromhex("0407 04 50494e47 ffff")) == [
            PingReceived(6553.5, b"")
        ]


class TestPongFlood:
    def test_ends_the_connection_and_the_memory(self) -> None:
        """A peer that sends PINGs and reads nothing costs 64 KiB, then it is gone."""
        session = connected()
        answered = 0
        while session.state is SessionState.TRAFFIC:
            events = session.receive_data(PING)
            answered += len(events)
            assert len(session._output) <= PENDING_PONG_BYTES_MAX
        assert isinstance(events[-1], Violation)
        assert answered == PENDING_PONG_BYTES_MAX // 7 + 1
        assert session.data_to_send() == b""

    @pytest.mark.unmeasured
    def test_does_not_hit_a_peer_that_reads(self) -> None:
        session = connected()
        for _ in range(100):
            outcome = drive(session, [PING * 200])
            assert len(outcome.output) == 200 * 7
        assert session.state is SessionState.TRAFFIC


class TestZmtp2:
    def test_has_no_commands(self) -> None:
        """Bit 2 is reserved there, so it is ignored: the frame is a message."""
        session = connected(SIGNATURE + bytes.fromhex("0102 0000"))
        assert session.receive_data(PING) == []
        assert session.data_to_send() == b""
        assert session.receive_data(short_frame(b"\x01A", 4)) == [Subscribed(b"A")]

    def test_identity_by_single_bytes(self) -> None:
        outcome = drive(
            Session(LIMITS), each_byte(SIGNATURE + bytes.fromhex("0102 0200000000000000026d65"))
        )
        assert outcome.events == [Ready("2.0", {"socket-type": b"SUB", "identity": b"me"})]
