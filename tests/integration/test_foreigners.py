"""Who speaks TLS, or HTTP, where ZMTP is spoken is named so, whatever the endpoint is for."""

from __future__ import annotations

import pytest

from fanout import EventKind, Publisher, Reason
from tests.helpers.happenings import Happenings
from tests.helpers.raw import RawPeer

HELLO = bytes.fromhex("1603010200010001fc0303")  # how TLS begins
SMALL = {"workers": 1, "log_bytes": 1 << 20}


@pytest.mark.parametrize(
    ("said", "cause", "text"),
    [
        (HELLO, Reason.MECHANISM, "the peer speaks TLS, and this is no tls:// endpoint"),
        (
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            Reason.VIOLATION,
            "the peer speaks HTTP, not ZMTP",
        ),
    ],
)
def test_they_are_named(said: bytes, cause: Reason, text: str) -> None:
    anywhere, happenings = "tcp://127.0.0.1:*", Happenings()
    with Publisher(anywhere, on_event=happenings, **SMALL) as publisher:  # type: ignore[arg-type]
        endpoints = (
            *publisher.endpoints,
            *(publisher.ingest(anywhere), publisher.answer(anywhere)),
        )
        for endpoint in endpoints:
            with RawPeer(endpoint) as stranger:
                stranger.send(said)
                stranger.read_to_end()
    # The end tells those of a kind that were to be summed up.
    told = happenings.of(EventKind.HANDSHAKE_FAILED)
    assert sum(event.count for event in told) == len(endpoints)
    assert {(event.cause, event.reason) for event in told} == {(cause, text)}
