"""Lines: what they say, when they connect again, and when silence is an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.subscriber.asking import Asked
from fanout.subscriber.backoff import BackOff
from fanout.subscriber.blame import LostError
from fanout.subscriber.heartbeat import LOST_AFTER_S, PING_EACH_S
from fanout.subscriber.line import CONNECT_TIMEOUT_S, Line, LineState
from fanout.terms.introduction import PROPERTY, Introduction
from fanout.zmtp import encode_message
from fanout.zmtp.commands import cancellation, ping, pong, subscription
from fanout.zmtp.cutting import FRAMES_MAX
from fanout.zmtp.metadata import ready
from tests.unit.zmtp.wire import GREETING, GREETING_3_0, READY_PUB, READY_SUB, each_byte

if TYPE_CHECKING:
    from fanout.subscriber.parsing import Frames

READY_OURS = ready(b"PUB", {PROPERTY: Introduction(77, 4, sequence=True).to_bytes()})
SINCE = b"\x00fanout.since=000000000000004d:3"
GAPS = [subscription(b"\x00fanout.gap", as_command=True)]
GAPS.append(subscription(b"\x00fanout.gap=all", as_command=True))


def line_of(chance: float = 0.5, limit: int = 1 << 20) -> Line:
    return Line(BackOff(lambda: chance), limit)


def up(opening: bytes = GREETING + READY_OURS, now: float = 100.0, limit: int = 1 << 20) -> Line:
    line = line_of(limit=limit)
    line.connecting(now)
    line.connected(now)
    line.receive(opening, now, [], {b"B", b"A"})
    assert line.connections == 1
    line.data_to_send()
    return line


@pytest.mark.parametrize("is_cut", [False, True])
@pytest.mark.parametrize(
    ("opening", "state", "said"),
    [
        (GREETING + READY_OURS, LineState.LIVE, GAPS),
        (GREETING + READY_PUB, LineState.PLAIN, []),
        (GREETING_3_0 + READY_PUB, LineState.PLAIN, None),
    ],
)
def test_a_handshake_ends_with_subscriptions(
    opening: bytes, state: LineState, said: list[bytes] | None, is_cut: bool
) -> None:
    line = line_of()
    assert line.is_due(0.0)
    line.connecting(0.0)
    assert not line.is_due(1e9)
    line.connected(0.0)
    found: list[Frames] = []
    output = b""
    wire = opening + encode_message([b"A", b"x"])
    for chunk in each_byte(wire) if is_cut else [wire]:
        line.receive(chunk, 0.0, found, {b"B", b"A"})
        output += line.data_to_send()
    as_command = said is not None
    wants = [subscription(prefix, as_command=as_command) for prefix in (b"A", b"B")]
    assert output == GREETING + READY_SUB + b"".join([*(said or []), *wants])
    assert (line.state, line.connections, found) == (state, 1, [(b"A", b"x")])


@pytest.mark.parametrize(
    ("frames", "advice"),
    [
        ([b"A", bytes(1 << 23)], "raise max_message_bytes of this subscriber"),
        ([b"A", *[b""] * FRAMES_MAX], "no option takes more"),
    ],
)
def test_who_gets_what_is_too_large_is_told_what_helps(frames: list[bytes], advice: str) -> None:
    line = up(limit=1 << 23)
    wire = encode_message(frames)
    line.receive(wire, 100.0, [], ())
    assert f"is passed over here, and told by a gap: {advice}" in line.passed_over
    line.receive(wire, 100.0, [], ())
    assert line.passed_over == "", "told once for each connection"


def test_verbs_are_said_to_who_is_there() -> None:
    line = line_of()
    line.subscribe(b"A")
    line.cancel(b"A")
    assert line.data_to_send() == GREETING[:10]  # of the connection that is to come
    line = up()
    line.subscribe(b"C")
    assert line.data_to_send() == subscription(b"C", as_command=True)


def asking(*wants: bytes) -> Line:
    """One that has asked for what it has missed."""
    line = line_of()
    line.connecting(100.0)
    line.connected(100.0)
    line.receive(GREETING + READY_OURS, 100.0, [], set(wants), lambda said: Asked(SINCE))
    return line


def said(*prefixes: bytes) -> bytes:
    return b"".join(subscription(prefix, as_command=True) for prefix in prefixes)


def test_what_is_missed_is_asked_for_before_what_is_subscribed_to() -> None:
    own = b"\x00fanout.since=-5s"
    line = asking(b"", b"A", own)
    output = line.data_to_send()
    assert output.endswith(said(own, SINCE, b"", b"A") + ping(b"since", 0))
    assert (line.asked, line.is_asking) == (SINCE, True)


def test_what_is_subscribed_to_later_is_not_asked_for_that() -> None:
    line = asking(b"A")
    line.data_to_send()
    line.subscribe(b"B")
    line.cancel(b"A")
    line.receive(pong(b""), 101.0, [], ())
    assert (line.data_to_send(), line.is_asking) == (b"", True)
    line.receive(pong(b"since"), 101.0, [], ())
    expected = [cancellation(SINCE, as_command=True), said(b"B")]
    assert line.data_to_send() == b"".join([*expected, cancellation(b"A", as_command=True)])
    line.receive(pong(b"since"), 101.0, [], ())
    line.subscribe(b"C")
    assert (line.data_to_send(), line.is_asking) == (said(b"C"), False)


def test_a_program_that_cannot_decide_has_no_more_to_say_in_the_end() -> None:
    """Of a publisher that never says that it has taken what it was asked for, at that."""
    line = asking(b"A")
    line.data_to_send()
    for _ in range(1000):
        line.subscribe(b"B")
        line.confirm()
        line.cancel(b"B")
    line.subscribe(b"B")
    line.confirm()
    assert line.is_confirming
    line.receive(pong(b"since"), 101.0, [], ())
    cancelled = cancellation(SINCE, as_command=True)
    assert line.data_to_send() == cancelled + said(b"B") + ping(b"topics", 0)
    line.receive(pong(b"topics"), 101.0, [], ())
    assert not line.is_confirming


def test_what_was_to_be_said_goes_with_the_connection() -> None:
    line = asking(b"A")
    line.subscribe(b"B")
    line.lost(101.0)
    line.connecting(102.0)
    line.connected(102.0)
    line.receive(GREETING + READY_OURS, 102.0, [], {b"A", b"B"})
    assert line.data_to_send().endswith(b"".join([*GAPS, said(b"A", b"B")]))
    assert line.asked == b""


def test_pings_are_answered_and_asked_after_silence() -> None:
    line = up()
    line.receive(ping(b"me", 0), 101.0, [], ())
    assert line.data_to_send() == pong(b"me")
    line.tick(101.0 + PING_EACH_S - 0.1)
    assert line.data_to_send() == b""
    assert line.next_at() == 101.0 + PING_EACH_S
    line.tick(101.0 + PING_EACH_S)
    assert line.data_to_send() == ping(b"", 0)
    line.tick(101.0 + PING_EACH_S + 0.1)
    assert line.data_to_send() == b""


def test_silence_is_an_end_where_pings_are_answered() -> None:
    line = up()
    line.tick(100.0 + LOST_AFTER_S - 0.1)
    with pytest.raises(LostError, match="silent"):
        line.tick(100.0 + LOST_AFTER_S)
    line = up(GREETING + READY_PUB)  # one that nobody knows
    line.tick(100.0 + LOST_AFTER_S)
    line.receive(pong(b""), 120.0, [], ())
    with pytest.raises(LostError, match="silent"):
        line.tick(120.0 + LOST_AFTER_S)


def test_one_of_zmtp_3_0_is_not_asked_but_may_say_how_long_it_will_be_silent() -> None:
    line = up(GREETING_3_0 + READY_PUB)
    line.tick(1000.0)
    assert (line.data_to_send(), line.next_at()) == (b"", None)
    line.receive(ping(b"", 20), 1000.0, [], ())
    line.tick(1001.9)
    with pytest.raises(LostError, match="silent"):
        line.tick(1002.0)


def test_what_was_not_read_for_want_of_room_is_no_silence() -> None:
    line = up()
    line.not_silent(150.0)
    line.tick(150.0 + LOST_AFTER_S - 0.1)


def test_a_connection_that_gets_nowhere_is_given_up() -> None:
    line = line_of()
    line.connecting(0.0)
    assert line.next_at() == CONNECT_TIMEOUT_S
    line.connected(5.0)
    line.tick(CONNECT_TIMEOUT_S - 0.1)
    with pytest.raises(LostError, match="silent"):
        line.tick(CONNECT_TIMEOUT_S)
    line.connecting(20.0)
    with pytest.raises(LostError, match="no answer"):
        line.tick(20.0 + CONNECT_TIMEOUT_S)


def test_it_comes_back_after_a_while_that_grows_until_it_was_up() -> None:
    line = line_of()
    waits = []
    for _ in range(3):
        line.lost(0.0)
        at = line.next_at()
        assert at is not None
        waits.append(at)
        assert not line.is_due(at - 0.001)
        assert line.is_due(at)
    assert waits == [0.05, 0.1, 0.2]
    line.connecting(0.0)
    line.connected(0.0)
    line.receive(GREETING + READY_PUB, 0.0, [], ())
    line.lost(0.0)
    assert line.next_at() == 0.05


def test_what_cannot_be_understood_ends_the_connection_after_what_came_before() -> None:
    line = up()
    found: list[Frames] = []
    with pytest.raises(LostError, match="can be understood") as caught:
        line.receive(encode_message([b"A"]) + b"\x02" + b"\xff" * 8, 100.0, found, ())
    assert caught.value.violation
    assert found == [(b"A",)]


def test_closed_is_for_ever() -> None:
    line = up()
    line.close()
    line.lost(200.0)
    assert line.state is LineState.CLOSED
    assert not line.is_due(1e9)
    assert line.next_at() is None


def test_who_skips_last_values_has_those_of_later_subscriptions_and_of_the_next_time() -> None:
    line = Line(BackOff(lambda: 0.5), 1 << 20, last=True)
    shows = Introduction(77, 4, sequence=False, last=True)
    opening = GREETING + ready(b"PUB", {PROPERTY: shows.to_bytes()})

    def begin() -> bytes:
        line.connected(100.0)
        line.receive(opening, 100.0, [], {b"A"})
        return line.data_to_send().removeprefix(GREETING + READY_SUB + b"".join(GAPS))

    off, snapshot = b"\x00fanout.values=off", b"\x00fanout.snapshot"
    line.skip_values()
    assert begin() == said(off, b"A") + ping(b"topics", 0)
    assert not line.is_shown(b"A")
    line.receive(pong(b"topics"), 100.0, [], ())
    assert line.data_to_send() == cancellation(off, as_command=True) + said(snapshot)
    assert line.is_shown(b"B")
    line.lost(101.0)
    assert begin() == said(snapshot, b"A")
