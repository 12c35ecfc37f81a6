"""The publisher's half: subscriptions are a set, limits hold, and an idle one is small."""

from __future__ import annotations

import sys
import tracemalloc
from dataclasses import replace

import pytest

from fanout.zmtp import (
    ZMTP_1,
    Cancelled,
    Encoding,
    LocalProtocolError,
    ReservedSubscription,
    Session,
    SessionLimits,
    SessionState,
    Subscribed,
    Violation,
)
from tests.helpers.limits import LIMITS
from tests.unit.zmtp.corpus import OPEN
from tests.unit.zmtp.wire import (
    CANCEL_A,
    GREETING,
    GREETING_3_0,
    READY_SUB,
    SIGNATURE,
    SUBSCRIBE_A,
    connected,
    drive,
    long_frame,
    short_frame,
)

IDLE_BYTES_MAX = 1536  # of one session after the handshake; measured: 700 to 800


def subscribe(prefix: bytes) -> bytes:
    return long_frame(b"\x09SUBSCRIBE" + prefix, 4)


def run_of(prefixes: list[bytes]) -> bytes:
    return b"".join(short_frame(b"\x09SUBSCRIBE" + prefix, 4) for prefix in prefixes)


class TestConstruction:
    def test_signature_is_there_at_once(self) -> None:
        session = Session(LIMITS)
        assert session.data_to_send() == SIGNATURE
        assert session.data_to_send() == b""
        assert session.state is SessionState.GREETING

    def test_xpub_says_so(self) -> None:
        session = Session(LIMITS, socket_type=b"XPUB")
        outcome = drive(session, [GREETING + READY_SUB])
        assert outcome.output.endswith(b"\x00\x00\x00\x04XPUB")

    @pytest.mark.parametrize("name", [b"SUB", b"pub", b"PULL", b""])
    def test_only_publishers(self, name: bytes) -> None:
        with pytest.raises(LocalProtocolError):
            Session(LIMITS, socket_type=name)


class TestSubscriptions:
    def test_events_are_the_changes(self) -> None:
        session = connected()
        assert session.receive_data(SUBSCRIBE_A * 3) == [Subscribed(b"A")]
        assert session.receive_data(CANCEL_A * 2) == [Cancelled(b"A")]
        assert session.subscriptions == set()

    def test_the_empty_prefix_is_one_like_others(self) -> None:
        session = connected()
        session.receive_data(subscribe(b"") + SUBSCRIBE_A)
        assert session.subscriptions == {b"", b"A"}
        session.receive_data(short_frame(b"\x06CANCEL", 4))
        assert session.subscriptions == {b"A"}

    def test_prefixes_are_bytes_and_of_any_value(self) -> None:
        session = connected()
        prefix = bytes(range(256))
        session.receive_data(subscribe(prefix))
        session.receive_data(short_frame(b"\x01\x00\x01"))
        assert session.subscriptions == {prefix, b"\x00\x01"}
        assert {type(kept) for kept in session.subscriptions} == {bytes}

    @pytest.mark.parametrize("as_run", [False, True])
    def test_reserved_ones_are_none_however_they_come(self, as_run: bool) -> None:
        session = connected(session=Session(replace(LIMITS, max_subscriptions=2)))
        said = b"\x00fanout.name=x"
        prefixes = [b"A", said, b"\x00fanout", b"A", said]
        data = run_of(prefixes) if as_run else b"".join(map(subscribe, prefixes))
        aside = ReservedSubscription(said, wanted=True)
        assert session.receive_data(data) == [
            *(Subscribed(b"A"), aside, Subscribed(b"\x00fanout"), aside)
        ]
        assert session.subscriptions == {b"A", b"\x00fanout"}

    def test_reserved_ones_are_cancelled_whether_or_not_they_were_said(self) -> None:
        session = connected()
        session.receive_data(subscribe(b"\x00fanout.x"))
        data = short_frame(b"\x06CANCEL\x00fanout.x", 4) + short_frame(b"\x00\x00fanout.y")
        assert session.receive_data(data) == [
            ReservedSubscription(b"\x00fanout.x", wanted=False),
            ReservedSubscription(b"\x00fanout.y", wanted=False),
        ]

    def test_stay_readable_after_the_end(self) -> None:
        session = connected()
        session.receive_data(SUBSCRIBE_A + b"\x02" + b"\xff" * 8)
        assert session.state is SessionState.CLOSED
        assert session.subscriptions == {b"A"}


class TestLimits:
    def test_length_of_a_reserved_one(self) -> None:
        session = connected(session=Session(replace(LIMITS, max_subscription_bytes=20)))
        (violation,) = session.receive_data(subscribe(b"\x00fanout." + b"x" * 20))
        assert isinstance(violation, Violation)
        assert violation.over_limit

    def test_number_of_subscriptions(self) -> None:
        session = connected(session=Session(replace(LIMITS, max_subscriptions=2)))
        session.receive_data(SUBSCRIBE_A + subscribe(b"B"))
        assert session.receive_data(SUBSCRIBE_A) == []  # a duplicate takes no room
        assert session.receive_data(CANCEL_A + subscribe(b"C")) == [
            Cancelled(b"A"),
            Subscribed(b"C"),
        ]
        (violation,) = session.receive_data(subscribe(b"D") + subscribe(b"E"))
        assert isinstance(violation, Violation)
        assert session.subscriptions == {b"B", b"C"}

    def test_bytes_of_all_subscriptions(self) -> None:
        session = connected(session=Session(replace(LIMITS, max_subscriptions_bytes=5)))
        session.receive_data(subscribe(b"AB") + subscribe(b"ABC") + subscribe(b""))
        assert session.receive_data(subscribe(b"AB")) == []  # a duplicate takes no room
        cancel = short_frame(b"\x06CANCELAB", 4)
        assert session.receive_data(cancel * 2 + subscribe(b"XY")) == [
            Cancelled(b"AB"),
            Subscribed(b"XY"),
        ]
        (violation,) = session.receive_data(subscribe(b"Z") + subscribe(b""))
        assert isinstance(violation, Violation)
        assert "5 bytes of subscriptions" in violation.reason
        assert session.subscriptions == {b"ABC", b"", b"XY"}

    @pytest.mark.parametrize("as_command", [True, False])
    def test_length_of_a_subscription(self, as_command: bool) -> None:
        session = connected(session=Session(replace(LIMITS, max_subscription_bytes=3)))
        head = b"\x09SUBSCRIBE" if as_command else b"\x01"
        flags = 4 if as_command else 0
        assert session.receive_data(short_frame(head + b"abc", flags)) == [Subscribed(b"abc")]
        (violation,) = session.receive_data(short_frame(head + b"abcd", flags))
        assert isinstance(violation, Violation)

    @pytest.mark.parametrize(
        ("limits", "kept", "refused"),
        [
            (replace(LIMITS, max_subscriptions=3), [b"A", b"B", b"C"], b"D"),
            (replace(LIMITS, max_subscriptions_bytes=5), [b"A", b"BB", b"CC"], b"D"),
            (replace(LIMITS, max_subscription_bytes=2), [b"A", b"BB", b""], b"DDD"),
        ],
    )
    def test_limits_hold_in_a_run_of_short_commands(
        self, limits: SessionLimits, kept: list[bytes], refused: bytes
    ) -> None:
        """Of all but the first of them at once."""
        session = connected(session=Session(limits))
        said = [kept[0], *kept, kept[1]]
        assert session.receive_data(run_of(said)) == list(map(Subscribed, kept))
        cancelled = session.receive_data(short_frame(b"\x06CANCEL" + kept[1], 4))
        again = session.receive_data(run_of([kept[0], kept[1]]))
        assert (cancelled, again) == ([Cancelled(kept[1])], [Subscribed(kept[1])])

        session = connected(session=Session(limits))
        *events, violation = session.receive_data(run_of([*kept, refused, b"E"]))
        assert events == list(map(Subscribed, kept))
        assert isinstance(violation, Violation)

    def test_a_cancel_above_the_limit_is_of_an_unknown_topic(self) -> None:
        session = connected(session=Session(replace(LIMITS, max_subscription_bytes=3)))
        assert session.receive_data(short_frame(b"\x06CANCELabcd", 4)) == []
        assert session.state is SessionState.TRAFFIC

    @pytest.mark.parametrize(("first", "flags"), [(b"\x01", 0), (b"\x01", 1), (b"x", 4)])
    def test_frame_size(self, first: bytes, flags: int) -> None:
        session = connected(session=Session(replace(LIMITS, max_frame_bytes=100)))
        assert session.receive_data(long_frame(b"x" * 100, flags)) == []
        (violation,) = session.receive_data(long_frame(first + b"x" * 100, flags))
        assert isinstance(violation, Violation)

    def test_frame_size_may_be_above_that_of_the_handshake(self) -> None:
        limits = replace(LIMITS, max_frame_bytes=200_000, max_subscription_bytes=200_000)
        session = connected(session=Session(limits))
        assert session.receive_data(subscribe(b"t" * 150_000)) == [Subscribed(b"t" * 150_000)]

    def test_the_defaults(self) -> None:
        assert (
            SessionLimits(
                max_frame_bytes=65_536,
                max_subscriptions=100_000,
                max_subscription_bytes=4_096,
                max_subscriptions_bytes=4_194_304,
                allow_zmtp_1=False,
                reserved=b"\x00fanout.",
            )
            == LIMITS
        )


class TestWhatAPeerSpeaks:
    @pytest.mark.parametrize(
        ("greeting", "version", "encoding", "speaks_pings"),
        [
            (GREETING, "3.1", None, True),
            (GREETING_3_0, "3.0", None, False),
            (SIGNATURE + b"\x01\x02\x00\x00", "2.0", None, False),
            (b"\x01\x00", "1.0", ZMTP_1, False),
        ],
    )
    def test_follows_from_its_version(
        self, greeting: bytes, version: str, encoding: Encoding | None, speaks_pings: bool
    ) -> None:
        session = Session(replace(LIMITS, allow_zmtp_1=True))
        assert not session.speaks_pings
        session.receive_data(greeting)
        assert session.version == version
        assert session.encoding is encoding
        assert session.speaks_pings is speaks_pings


def kept_by_us() -> int:
    """Bytes allocated by lines of ours; other threads of this process have others meanwhile."""
    ours = tracemalloc.Filter(inclusive=True, filename_pattern="*/fanout/zmtp/*")
    traces = tracemalloc.take_snapshot().filter_traces([ours]).traces
    return sum(trace.size for trace in traces)


class TestMemory:
    def test_of_an_idle_session(self) -> None:
        count = 200
        connected()  # what is made once is not counted
        tracemalloc.start()
        try:
            sessions = [connected(OPEN) for _ in range(count)]
            kept = kept_by_us()
        finally:
            tracemalloc.stop()
        assert 0 < kept / count < IDLE_BYTES_MAX
        assert not hasattr(sessions[0], "__dict__")

    def test_user_messages_are_not_kept(self) -> None:
        session = connected()
        tracemalloc.start()
        try:
            for _ in range(100):
                session.receive_data(long_frame(b"junk" * 15_000))
            kept = kept_by_us()
        finally:
            tracemalloc.stop()
        assert kept < 60_000
        assert sys.getsizeof(session._reader._buffer) < 100
