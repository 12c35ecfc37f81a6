"""Who speaks another protocol is told by name, and nobody is taken for that who speaks ZMTP."""

from __future__ import annotations

import pytest

from fanout.zmtp.errors import NoHandshakeError, Refusal
from fanout.zmtp.foreign import foreigner, is_undecided
from fanout.zmtp.greeting import ROLES, Greeting
from tests.unit.zmtp.wire import GREETING

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # of TLS
ALERT = b"\x15\x03\x03\x00\x02\x02\x46"


def receive_slowly(greeting: Greeting, said: bytes) -> None:
    """A byte at a time."""
    for byte in said:
        greeting.receive(bytes((byte,)))


def refusal_of(head: bytes, *, allow_zmtp_1: bool) -> Refusal | None:
    found = foreigner(head, allow_zmtp_1=allow_zmtp_1)
    return None if found is None else found.refusal


@pytest.mark.parametrize("allow_zmtp_1", [False, True])
@pytest.mark.parametrize(
    ("head", "refusal"),
    [
        (HELLO, Refusal.TLS),
        (ALERT, Refusal.TLS),
        (b"GET / HTTP/1.1\r\n", Refusal.HTTP),
        (b"POST /x HTTP/1.1\r\n", Refusal.HTTP),
        (b"HTTP/1.1 400 Bad Request\r\n", Refusal.HTTP),
        (b"OPTIONS * HTTP/1.1\r\n", Refusal.HTTP),
        (b"TRACE / HTTP/1.1\r\n", Refusal.HTTP),
        (b"CONNECT a:443 HTTP/1.1\r\n", Refusal.HTTP),
        (b"PATCH /x HTTP/1.1\r\n", Refusal.HTTP),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refusal.HTTP),
        (b"PRICE", None),
        (b"GETX", None),
        (b"\x05\x00abcd", None),
        (b"\x16\x00an identity of 21 b", None),
    ],
)
def test_who_it_is(head: bytes, refusal: Refusal | None, allow_zmtp_1: bool) -> None:
    if head.startswith(b"\x16\x00") and not allow_zmtp_1:
        refusal = Refusal.TLS  # of nothing else that is taken here
    assert refusal_of(head, allow_zmtp_1=allow_zmtp_1) is refusal


def test_what_is_too_short_to_tell() -> None:
    for allow_zmtp_1 in (False, True):
        assert is_undecided(HELLO[:1], allow_zmtp_1=allow_zmtp_1) is allow_zmtp_1
        assert not is_undecided(HELLO[:2], allow_zmtp_1=allow_zmtp_1)
        assert is_undecided(b"GET", allow_zmtp_1=allow_zmtp_1)
        assert not is_undecided(b"GET ", allow_zmtp_1=allow_zmtp_1)
        assert not is_undecided(b"GEX", allow_zmtp_1=allow_zmtp_1)


@pytest.mark.parametrize("allow_zmtp_1", [False, True])
@pytest.mark.parametrize(
    ("said", "text"),
    [
        (HELLO, "the peer speaks TLS, and this is no tls:// endpoint"),
        (b"GET / HTTP/1.1\r\n\r\n", "the peer speaks HTTP, not ZMTP"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "the peer speaks HTTP, not ZMTP"),
    ],
)
def test_the_greeting_says_so(said: bytes, text: str, allow_zmtp_1: bool) -> None:
    greeting = Greeting(ROLES[b"PUB"], bytearray(), allow_zmtp_1=allow_zmtp_1)
    with pytest.raises(NoHandshakeError) as raised:
        receive_slowly(greeting, said)
    assert str(raised.value) == text


def test_of_zmtp_1_an_identity_may_be_anything() -> None:
    for identity in (b"ET /", b"", b"x" * 20, b"x" * 21, b"x" * 70, b"x" * 79):
        greeting = Greeting(ROLES[b"PUB"], bytearray(), allow_zmtp_1=True)
        receive_slowly(greeting, bytes((len(identity) + 1, 0)) + identity)
        assert greeting.version == "1.0"
    greeting = Greeting(ROLES[b"PUB"], bytearray(), allow_zmtp_1=True)
    greeting.receive(GREETING)
    assert greeting.version == "3.1"
