"""How a subscriber connects by TLS: what it trusts and shows, and what is refused of that."""

from __future__ import annotations

import pickle
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from fanout.errors import ConfigError
from fanout.security.records import TlsRecords
from fanout.security.tls import context_of
from fanout.security.tls_client import AUTHORITIES_BYTES_MAX, TlsClient, as_tls_client
from fanout.security.tls_error import TlsError
from tests.helpers.certificates import (
    AUTHORITY,
    CLIENT,
    CLIENT_KEY,
    ENCRYPTED_KEY,
    EXPIRED,
    EXPIRED_KEY,
    OTHER_AUTHORITY,
    PASSWORD,
    SERVER,
    SERVER_KEY,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMES = ["localhost", "127.0.0.1", "::1", "localhost."]


def shaken(client: TlsRecords, client_ca: bytes = b"") -> tuple[TlsRecords, TlsRecords]:
    """Both sides, when neither has anything more to say."""
    server = TlsRecords(context_of([SERVER, SERVER_KEY, client_ca, b""]))
    client.begin()
    while True:
        said = client.take_output()
        if said:
            server.receive(said)
        answered = server.take_output()
        if answered:
            client.receive(answered)
        if not said and not answered:
            return client, server


@pytest.mark.parametrize("host", NAMES)
def test_who_has_the_name_and_is_signed_is_trusted(host: str) -> None:
    client, server = shaken(TlsClient(ca=AUTHORITY).wrapping(host)())
    assert client.is_ready
    assert server.receive(client.take(bytearray(b"hello"))) == b"hello"


@pytest.mark.parametrize(
    ("host", "code"), [("feed.example", 62), ("127.0.0.2", 64), ("fe80::1%lo", 64)]
)
def test_who_has_another_name_is_not(host: str, code: int) -> None:
    with pytest.raises(TlsError) as error:
        shaken(TlsClient(ca=AUTHORITY).wrapping(host)())
    assert error.value.verify_code == code


@pytest.mark.parametrize(
    "client", [lambda: TlsClient(ca=OTHER_AUTHORITY), TlsClient, lambda: as_tls_client(None)]
)
def test_who_is_signed_by_nobody_known_is_not(client: Callable[[], TlsClient]) -> None:
    with pytest.raises(TlsError) as error:
        shaken(client().wrapping("localhost")())
    assert error.value.verify_code in (18, 19, 20, 21)


def test_the_certificate_itself_may_be_trusted() -> None:
    client, _ = shaken(TlsClient(ca=SERVER).wrapping("localhost")())
    assert client.is_ready
    with pytest.raises(TlsError):
        shaken(TlsClient(ca=CLIENT).wrapping("localhost")())


def test_the_name_may_be_another_than_that_of_the_endpoint() -> None:
    client, _ = shaken(TlsClient(ca=AUTHORITY, server_name="localhost").wrapping("10.0.0.7")())
    assert client.is_ready


def test_what_it_shows_is_taken(tmp_path: Path) -> None:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(CLIENT)
    key.touch(0o600)
    key.write_bytes(CLIENT_KEY)
    for made in (
        TlsClient(ca=AUTHORITY, certificate=chain, private_key=str(key)),
        TlsClient(ca=AUTHORITY, certificate=CLIENT + CLIENT_KEY),
    ):
        client, server = shaken(made.wrapping("localhost")(), client_ca=AUTHORITY)
        assert client.is_ready
        assert server.is_ready


def test_nothing_turns_the_checks_off() -> None:
    context = TlsClient(ca=AUTHORITY)._context
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_key_with_a_password() -> None:
    TlsClient(certificate=SERVER, private_key=ENCRYPTED_KEY, password=PASSWORD)
    with pytest.raises(ConfigError, match="needs another password"):
        TlsClient(certificate=SERVER, private_key=ENCRYPTED_KEY, password="wrong")
    with pytest.raises(ConfigError, match="it needs password=…"):
        TlsClient(certificate=SERVER, private_key=ENCRYPTED_KEY)


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        ({"ca": b"nothing"}, ConfigError, "ca has no certificates in PEM"),
        ({"ca": "/nowhere/ca.pem"}, ConfigError, "ca: '/nowhere/ca.pem': No such file"),
        ({"ca": b"\xff" * 100}, ConfigError, "ca has no certificates in PEM"),
        ({"ca": 5}, TypeError, "ca must be the path of a file in PEM, or bytes, not int"),
        ({"ca": AUTHORITY + b"#" * AUTHORITIES_BYTES_MAX}, ConfigError, "ca has more than"),
        ({"private_key": CLIENT_KEY}, ConfigError, "go with certificate"),
        ({"password": "x"}, ConfigError, "go with certificate"),
        ({"certificate": CLIENT}, ConfigError, "there is no private key: give private_key"),
        (
            {"certificate": CLIENT[:99] + b"!" + CLIENT[100:], "private_key": CLIENT_KEY},
            ConfigError,
            "the subscriber's own certificate first",
        ),
        (
            {"certificate": CLIENT, "private_key": SERVER_KEY},
            ConfigError,
            "the private key does not belong to the certificate",
        ),
        ({"certificate": b"x" * 70_000}, ConfigError, "have up to 65,536 bytes together"),
        ({"certificate": CLIENT + CLIENT_KEY, "password": 5}, TypeError, "password must be"),
        ({"server_name": b"localhost"}, TypeError, "server_name must be a str, not bytes"),
        ({"server_name": ""}, ConfigError, "no certificate can be for ''"),
        ({"server_name": "a" * 64 + ".example"}, ConfigError, "no certificate can be for 'aaa"),
        ({"server_name": "a\0b"}, ConfigError, "no certificate can be for"),
        ({"server_name": ".example"}, ConfigError, "no certificate can be for"),
    ],
)
def test_what_is_of_no_use(given: dict[str, Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text) as error:
        TlsClient(**given)
    assert not any(line in str(error.value) for line in CLIENT_KEY.decode().splitlines()[1:-1])


def test_a_host_that_no_certificate_can_have() -> None:
    with pytest.raises(ConfigError, match=r"server_name of auth\.TlsClient"):
        TlsClient(ca=AUTHORITY).wrapping("a..b")


def test_a_certificate_that_is_not_valid_now_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="has expired.*client_ca refuse this subscriber") as told:
        TlsClient(certificate=EXPIRED, private_key=EXPIRED_KEY)
    assert told[0].filename == __file__


def test_a_key_that_all_can_read_is_warned_of(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(CLIENT_KEY)
    key.chmod(0o644)
    with pytest.warns(UserWarning, match="anybody can read this private key"):
        TlsClient(certificate=CLIENT, private_key=key)


def test_nothing_secret_is_shown_or_pickled() -> None:
    made = TlsClient(ca=AUTHORITY, certificate=CLIENT + CLIENT_KEY, server_name="localhost")
    assert repr(made) == "TlsClient(<certificate>, <secret>, server_name='localhost')"
    assert repr(TlsClient(ca=AUTHORITY)) == "TlsClient(server_name=None)"
    with pytest.raises(TypeError, match="is not pickled"):
        pickle.dumps(made)


@pytest.mark.parametrize("value", [ssl.create_default_context(), "ca.pem", True])
def test_what_it_is_not(value: object) -> None:
    with pytest.raises(TypeError, match=r"must be fanout\.auth\.TlsClient"):
        as_tls_client(value)
