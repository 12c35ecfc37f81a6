"""What a peer has said at once, all in all, and why its connection ends."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any

import pytest

from fanout.reasons import Reason
from fanout.security.tls_error import TlsError
from fanout.workers.connections.said import cause_of, fault_of, summary
from fanout.zmtp import (
    Cancelled,
    PingReceived,
    PongReceived,
    Ready,
    ReservedSubscription,
    Subscribed,
    SubscribedAll,
    Violation,
)
from fanout.zmtp.errors import Refusal, RemoteProtocolError


def test_nothing_comes_to_nothing() -> None:
    assert summary([]) == ([], [], [], None, None, False, None, None, ())


@pytest.mark.parametrize(
    ("events", "added", "cancelled"),
    [
        ([Subscribed(b"a"), Subscribed(b"b")], [b"a", b"b"], []),
        ([Cancelled(b"a")], [], [b"a"]),
        ([Subscribed(b"a"), Cancelled(b"a")], [], []),
        ([Subscribed(b"a"), Cancelled(b"a"), Subscribed(b"a")], [b"a"], []),
        ([Cancelled(b"a"), Subscribed(b"a"), Cancelled(b"a")], [], [b"a"]),
        ([Cancelled(b"a"), SubscribedAll((b"a", b"b")), Cancelled(b"a")], [b"b"], [b"a"]),
        ([Cancelled(b"a"), Subscribed(b"a")], [b"a"], []),
        ([Cancelled(b"a"), SubscribedAll((b"a", b"b"))], [b"a", b"b"], []),
        ([SubscribedAll((b"a", b"b", b"c")), Cancelled(b"b")], [b"a", b"c"], []),
        (
            [SubscribedAll((b"a", b"b", b"c")), Subscribed(b"d"), SubscribedAll((b"e",))],
            [b"a", b"b", b"c", b"d", b"e"],
            [],
        ),
        ([Subscribed(b"a"), SubscribedAll((b"b", b"c"))], [b"a", b"b", b"c"], []),
    ],
)
def test_of_each_prefix_what_was_said_last_counts(
    events: list[Any], added: list[bytes], cancelled: list[bytes]
) -> None:
    said = summary(events)
    assert (said.added, said.cancelled) == (added, cancelled)


def said_of(verbs: str) -> list[Any]:
    """`+a` subscribes to that, `+a,b` to these at once, and `-a` cancels it."""
    events: list[Any] = []
    for verb in verbs.split():
        prefixes = tuple(one.encode() for one in verb[1:].split(","))
        if len(prefixes) > 1:
            events.append(SubscribedAll(prefixes))
        else:
            events.append((Subscribed if verb[0] == "+" else Cancelled)(prefixes[0]))
    return events


@pytest.mark.parametrize(
    ("verbs", "kept"),
    [
        ("+c -cc", ["cc"]),
        ("-cc +c", []),
        ("+cc -c", ["cc"]),  # and nothing else of it
        ("-c +cc", []),
        ("+c -d", []),
        ("+c -cc +cc", ["cc"]),  # it goes on by the one that it lies within
        ("-cc +cc", []),
        ("+c -c", []),  # it was not there before
        ("+c -c +cc", []),
        ("+ca,cb,d -c", ["ca", "cb"]),
        ("-c +ca,cb", []),
        ("+cb -c +ca", ["cb"]),
        ("+ca -caa -c +cb", ["ca", "caa"]),
        ("+ -a -b", ["a", "b"]),
    ],
)
def test_what_is_wanted_all_the_time_is_what_one_begins_before_the_other_ends(
    verbs: str, kept: list[str]
) -> None:
    assert [*summary(said_of(verbs)).kept] == [one.encode() for one in kept]


def test_all_else_is_there_in_its_order_or_as_it_was_said_last() -> None:
    reserved = [ReservedSubscription(b"\0a", wanted) for wanted in (True, False)]
    ready, violation = Ready("3.1", {}), Violation("no")
    pings = [PingReceived(1.0, b"1"), PingReceived(2.0, b"2")]
    said = summary(
        [ready, reserved[0], pings[0], PongReceived(b""), pings[1], reserved[1], violation]
    )
    assert (said.ready, said.reserved, said.ping) == (ready, reserved, pings[1])
    assert (said.ponged, said.violation, said.wanted) == (True, violation, None)


def cause(error: Any, *, knows_our_mechanism_only: bool = False) -> tuple[Reason, str]:
    session: Any = SimpleNamespace(knows_our_mechanism_only=knows_our_mechanism_only)
    return cause_of(error, session)


def test_a_connection_that_breaks_says_why() -> None:
    reset = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
    assert cause(reset) == (Reason.BROKEN, "reading failed: Connection reset by peer")
    assert cause(reset, knows_our_mechanism_only=True) == (Reason.MECHANISM, "")
    late = TimeoutError(errno.ETIMEDOUT, "Connection timed out")
    assert cause(late, knows_our_mechanism_only=True)[0] is Reason.UNACKNOWLEDGED
    assert cause(RemoteProtocolError("a bad record")) == (Reason.VIOLATION, "a bad record")
    assert cause(TlsError("none", is_none=True)) == (Reason.VIOLATION, "none")
    assert cause(TlsError("ZMTP", is_none=True, is_zmtp=True)) == (Reason.MECHANISM, "ZMTP")


@pytest.mark.parametrize(
    ("violation", "cause"),
    [
        (Violation("x"), Reason.VIOLATION),
        (Violation("x", over_limit=True), Reason.LIMIT),
        (Violation("x", refusal=Refusal.KEY), Reason.KEY),
    ],
)
def test_who_is_at_fault_for_what(violation: Violation, cause: Reason) -> None:
    assert fault_of(violation) == (cause, f"{cause.text}: x")


@pytest.mark.parametrize("refusal", [Refusal.MECHANISM, Refusal.TLS])
def test_who_has_another_mechanism_violates_nothing(refusal: Refusal) -> None:
    violation = Violation("x", refusal=refusal, said="NULL")
    assert fault_of(violation) == (Reason.MECHANISM, "x")


def test_another_protocol_is_named_and_no_more() -> None:
    assert fault_of(Violation("HTTP", refusal=Refusal.HTTP)) == (Reason.VIOLATION, "HTTP")
