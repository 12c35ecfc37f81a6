"""TLS without I/O: two sides that are handed each other's bytes, and those that are no TLS."""

from __future__ import annotations

import ssl
from itertools import count
from random import Random
from unittest import mock

import pytest

from fanout.security.records import HANDSHAKE_BYTES_MAX, RECORD_BYTES, SAID_BYTES_MAX, TlsRecords
from fanout.security.tls import GROUP, context_of
from fanout.security.tls_client import TlsClient
from fanout.security.tls_error import TlsError
from fanout.subscriber.feed import Feed
from fanout.zmtp import Violation
from fanout.zmtp.errors import Refusal, RemoteProtocolError
from tests.helpers.certificates import AUTHORITY, OTHER_AUTHORITY, SERVER, SERVER_KEY
from tests.helpers.tls import NAME, ask_for_new_keys, client_context
from tests.helpers.tls_server import have_it, offer_only, stock_context

PARTS = [SERVER, SERVER_KEY, b"", b""]
ALERT = 21  # the kind of a record
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def made(
    authority: bytes = AUTHORITY, client_ca: bytes = b"", version: ssl.TLSVersion | None = None
) -> tuple[TlsRecords, TlsRecords]:
    """A client and a server; the client has said its first words."""
    context = client_context(authority=authority)
    context.set_ecdh_curve(GROUP)  # what it would be asked for: so it is done in one round
    if version is not None:
        context.minimum_version = context.maximum_version = version
    client = TlsRecords(context, NAME)
    client.begin()
    return client, TlsRecords(context_of([SERVER, SERVER_KEY, client_ca, b""]))


def shake(client: TlsRecords, server: TlsRecords, step: int = 1 << 20) -> None:
    """Hand over what they say, so many bytes at a time, until both have nothing to say."""
    while True:
        said, answered = client.take_output(), server.take_output()
        if not said and not answered:
            return
        for side, data in ((server, said), (client, answered)):
            for at in range(0, len(data), step):
                assert side.receive(data[at : at + step]) == b""


@pytest.mark.unmeasured
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_what_is_sealed_on_one_side_comes_out_on_the_other(
    step: int, version: ssl.TLSVersion
) -> None:
    client, server = made(version=version)
    shake(client, server, step)
    assert client.is_ready
    assert server.is_ready
    plain = Random(0).randbytes(3 * RECORD_BYTES + 5)
    for sender, receiver in ((server, client), (client, server)):
        wire = b"".join(
            sender.seal(memoryview(plain)[at : at + RECORD_BYTES])
            for at in range(0, len(plain), RECORD_BYTES)
        )
        came = [receiver.receive(wire[at : at + step]) for at in range(0, len(wire), step)]
        assert b"".join(came) == plain
        assert not receiver.take_output()
    assert not server.has_ended


def test_a_record_of_the_most_is_little_larger_than_what_is_in_it() -> None:
    client, server = made()
    shake(client, server)
    wire = server.seal(bytes(RECORD_BYTES))
    assert RECORD_BYTES < len(wire) < RECORD_BYTES + 64
    assert client.receive(wire) == bytes(RECORD_BYTES)


class RecordByRecord:
    """What writes one record in a call, as OpenSSL does by `SSL_MODE_ENABLE_PARTIAL_WRITE`."""

    def __init__(self, real: ssl.SSLObject) -> None:
        self._real = real

    def write(self, data: bytes | memoryview) -> int:
        return self._real.write(memoryview(data)[:RECORD_BYTES])


def test_all_is_sealed_where_a_write_takes_one_record() -> None:
    client, server = made()
    shake(client, server)
    data = bytes(range(256)) * (RECORD_BYTES // 64) + b"rest"
    with mock.patch.object(server, "_tls", RecordByRecord(server._tls)):
        wire = server.seal(data)
    assert client.receive(wire) == data


def test_the_first_words_of_a_client_may_come_with_the_end_of_its_handshake() -> None:
    client, server = made()
    server.receive(client.take_output())
    client.receive(server.take_output())
    wire = client.take_output() + client.seal(b"hello")
    assert server.receive(wire) == b"hello"


def test_nothing_is_kept_from_a_session_for_another_one() -> None:
    """No tickets are sent, so that nothing can be resumed, and no early data be replayed."""
    client, server = made(version=ssl.TLSVersion.TLSv1_3)
    shake(client, server)
    assert client._tls.session is None or not client._tls.session.has_ticket


@pytest.mark.parametrize("offset", range(0, 200, 7))
def test_what_was_changed_on_the_way_ends_it(offset: int) -> None:
    client, server = made()
    shake(client, server)
    wire = bytearray(client.seal(b"x" * 150))
    wire[offset % len(wire)] ^= 0x40
    try:
        came = server.receive(bytes(wire))
    except RemoteProtocolError as error:
        assert str(error).startswith("TLS: ")  # noqa: PT017 - or it waits for a longer record
        with pytest.raises(RemoteProtocolError):
            server.receive(client.seal(b"y"))
    else:
        assert came == b""


def test_what_is_repeated_ends_it() -> None:
    client, server = made()
    shake(client, server)
    wire = client.seal(b"once")
    assert server.receive(wire) == b"once"
    with pytest.raises(RemoteProtocolError, match="TLS: "):
        server.receive(wire)


GREETING = bytes.fromhex("ff00000000000000017f") + b"\x03"


WITHOUT = ", but ZMTP without it: who subscribes here connects to tls://"


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ([GREETING], WITHOUT),
        ([GREETING[:1], GREETING[1:3], GREETING[3:]], WITHOUT),
        ([GREETING[:5]], WITHOUT),
        ([GREETING[:9] + b"\x7e\x03"], ""),
        ([b"GET / HTTP/1.1\r\n\r\n"], ", but HTTP"),
        ([b"\0" * 11], ""),
    ],
)
def test_who_speaks_none(said: list[bytes], text: str) -> None:
    _, server = made()
    for piece in said[:-1]:
        assert server.receive(piece) == b""
    with pytest.raises(TlsError, match=f"TLS: the peer speaks none{text}") as told:
        server.receive(said[-1])
    assert ("ZMTP" in str(told.value)) == told.value.is_zmtp == (text is WITHOUT)
    assert told.value.is_none


def test_who_speaks_none_hears_that_tls_is_spoken_here() -> None:
    client, server = made()
    with pytest.raises(TlsError):
        server.receive(GREETING)
    alert = server.take_output()
    with pytest.raises(TlsError) as told:
        client.receive(alert)
    assert told.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION"
    [violation] = Feed().receive(alert, [])
    assert isinstance(violation, Violation)
    assert violation.refusal is Refusal.TLS


def test_a_client_says_nothing_to_who_speaks_none() -> None:
    client, _ = made()
    client.take_output()
    with pytest.raises(TlsError):
        client.receive(GREETING)
    assert client.take_output() == b""


def test_who_does_not_trust_us_says_so() -> None:
    client, server = made(authority=OTHER_AUTHORITY)
    server.receive(client.take_output())
    with pytest.raises(RemoteProtocolError, match="the certificate of the peer is refused"):
        client.receive(server.take_output())
    with pytest.raises(RemoteProtocolError, match="TLS: the peer does not trust our certificate"):
        server.receive(client.take_output())


def test_who_has_to_show_a_certificate_and_does_not_is_told() -> None:
    client, server = made(client_ca=AUTHORITY)
    server.receive(client.take_output())
    client.receive(server.take_output())
    with pytest.raises(RemoteProtocolError, match="TLS: the peer has shown no certificate"):
        server.receive(client.take_output())
    assert not server.is_ready
    with pytest.raises(RemoteProtocolError, match="certificate"):
        client.receive(server.take_output())


def test_a_handshake_is_bounded() -> None:
    counted = TlsRecords(context_of(PARTS))
    counted._came = HANDSHAKE_BYTES_MAX
    with pytest.raises(RemoteProtocolError, match="a handshake of more than"):
        counted.receive(b"\x16")


def test_who_asks_for_answers_and_reads_them_may_go_on() -> None:
    client, server = made(version=ssl.TLSVersion.TLSv1_3)
    shake(client, server)
    for number in range(100):
        ask_for_new_keys(client._tls)
        assert server.receive(client.take_output()) == b""
        assert client.receive(server.take_output()) == b""
        assert client.receive(server.seal(b"%d" % number)) == b"%d" % number
        assert server.receive(client.seal(b"x")) == b"x"


def test_who_asks_for_answers_and_reads_none_is_refused_before_they_are_many() -> None:
    client, server = made(version=ssl.TLSVersion.TLSv1_3)
    shake(client, server)
    asked = count()

    def ask_on() -> None:
        while next(asked) < SAID_BYTES_MAX // 20:
            ask_for_new_keys(client._tls)
            server.receive(client.take_output())

    with pytest.raises(RemoteProtocolError, match="does not read the answers"):
        ask_on()
    assert next(asked) > 1_000


def test_the_end_is_told_apart_from_silence() -> None:
    client, server = made()
    shake(client, server)
    wire = client.seal(b"last")
    client.end()
    assert server.receive(wire) == b"last"
    ended = [server.has_ended]
    server.receive(client.take_output())
    assert [*ended, server.has_ended] == [False, True]
    assert client.receive(server.seal(b"still here")) == b"still here"  # it has ended its own side


def test_before_the_handshake_there_is_no_end_to_be_told() -> None:
    _, server = made()
    server.end()
    assert server.take_output() == b""


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_versions_are_refused() -> None:
    context = client_context()
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    client = TlsRecords(context, NAME)
    client.begin()
    with pytest.raises(RemoteProtocolError, match="TLS: unsupported protocol"):
        TlsRecords(context_of(PARTS)).receive(client.take_output())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("group", ["ffdhe8192", "secp384r1"])
def test_who_would_have_us_work_for_long_is_refused(version: ssl.TLSVersion, group: str) -> None:
    context = client_context()
    context.minimum_version = context.maximum_version = version
    client = TlsRecords(context, NAME)
    offer_only(group, client._tls)
    client.begin()
    with pytest.raises(RemoteProtocolError, match="TLS: "):
        TlsRecords(context_of(PARTS)).receive(client.take_output())


def test_a_server_that_wants_another_handshake_gets_none() -> None:
    """By TLS 1.2 it may ask at any time; the answer is a warning, and what has come counts."""
    context = stock_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    client = TlsClient(ca=AUTHORITY).wrapping(NAME)()
    client.begin()
    server = TlsRecords(context)
    shake(client, server)
    wire = server.seal(b"before")
    have_it("SSL_renegotiate", server._tls)
    assert client.receive(wire + server.take_output()) == b"before"
    assert client.take_output()[0] == ALERT
    assert client.is_ready


@pytest.mark.unmeasured
@pytest.mark.parametrize("version", VERSIONS)
def test_any_bytes_of_a_server_are_a_violation_or_wait_for_more(version: ssl.TLSVersion) -> None:
    """Of one whose certificate is trusted, so that all of its words are looked at."""
    rng, context, wrapping = (
        Random(7),
        context_of(PARTS),
        TlsClient(ca=AUTHORITY).wrapping(NAME),
    )
    context.maximum_version = version
    refused = 0
    for _ in range(300):
        client, server = wrapping(), TlsRecords(context)
        client.begin()
        try:
            for _ in range(3):
                server.receive(client.take_output())
                said = bytearray(server.take_output())
                if said and rng.random() < 0.7:
                    at, end = sorted(rng.randrange(len(said)) for _ in range(2))
                    said[at:end] = rng.choice(
                        (b"", said[at:end] * 2, rng.randbytes(end - at), said[end:])
                    )
                client.receive(bytes(said))
        except RemoteProtocolError as error:
            refused += 1
            assert str(error).startswith("TLS: ")  # noqa: PT017 - most of them, but not all
        assert len(client.take_output()) < SAID_BYTES_MAX
    assert refused > 100


@pytest.mark.unmeasured
def test_any_bytes_are_a_violation_or_wait_for_more() -> None:
    rng = Random(7)
    for _ in range(300):
        client, server = made()
        hello = bytearray(client.take_output())
        if rng.random() < 0.5:
            shaken = rng.randrange(len(hello))
            hello[shaken] ^= 1 << rng.randrange(8)
        else:
            hello = bytearray(rng.randbytes(rng.randrange(600)))
        try:
            assert server.receive(bytes(hello)) == b""
        except RemoteProtocolError as error:
            assert str(error).startswith("TLS: ")  # noqa: PT017 - most of them, but not all
