"""What a `tls://` endpoint is given: what is taken for it, and what is said of the rest."""

from __future__ import annotations

import errno
import os
import pickle
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from fanout.basics.system_calls import RefusedError
from fanout.errors import ConfigError
from fanout.security import tls
from fanout.security.tls import PARTS_BYTES_MAX, Tls, as_tls, context_of
from tests.helpers.certificates import (
    AUTHORITY,
    CLIENT_KEY,
    EARLY,
    EARLY_KEY,
    ENCRYPTED_KEY,
    EXPIRED,
    EXPIRED_KEY,
    PASSWORD,
    SERVER,
    SERVER_KEY,
)

if TYPE_CHECKING:
    from pathlib import Path

_WORD = PASSWORD.decode()


def secrets_in(text: str) -> list[str]:
    """Lines of private keys, and the password, as far as they are in a text."""
    lines = [*SERVER_KEY.decode().splitlines(), *ENCRYPTED_KEY.decode().splitlines(), _WORD]
    return [one for one in lines if len(one) > 8 and not one.startswith("-----") and one in text]


def test_from_files_and_from_bytes(tmp_path: Path) -> None:
    chain, key, both = tmp_path / "chain.pem", tmp_path / "key.pem", tmp_path / "both.pem"
    chain.write_bytes(SERVER)
    key.touch(0o600)
    key.write_bytes(SERVER_KEY)
    both.touch(0o600)
    both.write_bytes(SERVER + SERVER_KEY)
    for made in (Tls(chain, key), Tls(str(chain), str(key)), Tls(SERVER, SERVER_KEY)):
        assert made.secrets() == [SERVER, SERVER_KEY, b"", b"", b"", b"771"]
        assert not made.asks
    for made in (Tls(both), Tls(SERVER + SERVER_KEY)):
        assert context_of(made.secrets()).verify_mode == ssl.CERT_NONE


def test_who_has_to_show_a_certificate() -> None:
    made = Tls(SERVER, SERVER_KEY, client_ca=AUTHORITY)
    assert made.asks
    assert context_of(made.secrets()).verify_mode == ssl.CERT_REQUIRED


def test_who_judges_by_certificates() -> None:
    assert Tls(SERVER, SERVER_KEY).judge is None
    made = Tls(SERVER, SERVER_KEY, client_ca=AUTHORITY)
    assert made.judge is not None
    assert not made.has_check
    assert Tls(SERVER, SERVER_KEY, client_ca=AUTHORITY, check=lambda _: True).has_check
    with pytest.raises(ConfigError, match="it goes with client_ca"):
        Tls(SERVER, SERVER_KEY, check=lambda _: True)
    wrong: Any = "desk7"
    with pytest.raises(TypeError, match=r"auth\.Tls takes a function"):
        Tls(SERVER, SERVER_KEY, client_ca=AUTHORITY, check=wrong)


def test_ciphers_and_the_lowest_version() -> None:
    made = context_of(Tls(SERVER, SERVER_KEY).secrets())
    assert made.minimum_version is ssl.TLSVersion.TLSv1_2
    terms = {"ciphers": "ECDHE+CHACHA20", "minimum_version": ssl.TLSVersion.TLSv1_3}
    chosen = context_of(Tls(SERVER, SERVER_KEY, **terms).secrets())  # type: ignore[arg-type]
    assert chosen.minimum_version is ssl.TLSVersion.TLSv1_3
    of_1_2 = {one["name"] for one in chosen.get_ciphers() if one["protocol"] == "TLSv1.2"}
    assert of_1_2 == {"ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"}
    assert len(made.get_ciphers()) > len(chosen.get_ciphers())


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ({"ciphers": "NO-SUCH"}, "OpenSSL has none that are 'NO-SUCH'"),
        ({"ciphers": "eNULL:@SECLEVEL=0"}, "anybody could read or change it"),
        ({"ciphers": "ADH-AES256-GCM-SHA384:@SECLEVEL=0"}, "with ADH-AES256-GCM-SHA384 anybody"),
        ({"ciphers": ""}, "ciphers must be as"),
        ({"ciphers": "A\n"}, "ciphers must be as"),
        ({"minimum_version": ssl.TLSVersion.SSLv3}, "others are not spoken"),
        ({"minimum_version": ssl.TLSVersion.MAXIMUM_SUPPORTED}, "others are not spoken"),
    ],
)
def test_terms_that_protect_nothing_or_are_none(terms: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        Tls(SERVER, SERVER_KEY, **terms)


@pytest.mark.parametrize("terms", [{"ciphers": b"AES"}, {"minimum_version": "1.3"}])
def test_terms_of_another_type(terms: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=f"{next(iter(terms))} must be"):
        Tls(SERVER, SERVER_KEY, **terms)


@pytest.mark.parametrize("password", [PASSWORD, _WORD])
def test_a_key_that_is_encrypted(password: str | bytes) -> None:
    assert Tls(SERVER, ENCRYPTED_KEY, password=password).secrets()[3] == PASSWORD


def test_without_its_password_nobody_is_asked_at_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """OpenSSL would ask at /dev/tty, and wait."""
    with pytest.raises(ConfigError, match="encrypted, and cannot be read: it needs password=") as a:
        Tls(SERVER, ENCRYPTED_KEY)
    with pytest.raises(ConfigError, match="it needs another password") as b:
        Tls(SERVER, ENCRYPTED_KEY, password="other")
    assert not secrets_in(f"{a.value} {b.value}")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((SERVER, CLIENT_KEY), "the private key does not belong to the certificate"),
        ((SERVER_KEY, SERVER_KEY), "certificate has none in PEM"),
        ((b"chain.pem", SERVER_KEY), "certificate has none in PEM: it is the path of"),
        ((SERVER, None), "there is no private key: give private_key"),
        ((SERVER, SERVER), "there is no private key: give private_key"),
        ((b"", b""), "certificate has none in PEM"),
        ((SERVER[:99] + b"!" + SERVER[100:], SERVER_KEY), "private key cannot be used: they must"),
        ((b"\x30\x82", SERVER_KEY), "certificate has none in PEM"),
        (("/nowhere/a.pem", SERVER_KEY), "certificate: '/nowhere/a.pem': No such file"),
        ((SERVER, "/nowhere/a.key"), "private_key: '/nowhere/a.key': No such file"),
        ((SERVER, "a\0b"), "private_key: .*: no path"),
        ((SERVER, SERVER_KEY + b"#" * PARTS_BYTES_MAX), "have up to 65,536 bytes together"),
    ],
)
def test_what_cannot_be_used(arguments: tuple[Any, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text) as error:
        Tls(*arguments)
    assert not secrets_in(str(error.value))


@pytest.mark.parametrize("authority", [b"no certificate", b"", SERVER_KEY, b"\xff\xfe"])
def test_authorities_that_are_none(authority: bytes) -> None:
    with pytest.raises(ConfigError, match="client_ca has no certificate"):
        Tls(SERVER, SERVER_KEY, client_ca=authority)


@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [((1,), {}), ((SERVER, 1), {}), ((SERVER, SERVER_KEY), {"client_ca": 1})],
)
def test_of_another_type(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"must be the path of a file in PEM, or bytes, not int"):
        Tls(*arguments, **keywords)
    with pytest.raises(TypeError, match="password must be str or bytes, not int"):
        Tls(SERVER, SERVER_KEY, password=1)  # type: ignore[arg-type]


def test_a_certificate_that_is_not_valid_now_is_told_of() -> None:
    for chain, key, text in (
        (EXPIRED, EXPIRED_KEY, "has expired, on 2025-01-01 00:00 UTC: subscribers that check it"),
        (EARLY, EARLY_KEY, "is not valid before 2120-01-01"),
    ):
        with pytest.warns(UserWarning, match=text) as told:
            made = Tls(chain, key)
        assert told[0].filename == __file__
        context_of(made.secrets())  # workers do not say it again


def test_a_key_that_anybody_can_read_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(SERVER_KEY)
    path.chmod(0o644)
    with pytest.warns(UserWarning, match="anybody can read this private key") as told:
        Tls(SERVER, path)
    assert told[0].filename == __file__
    path.chmod(0o640)
    Tls(SERVER, path)
    path.write_bytes(SERVER + SERVER_KEY)
    path.chmod(0o644)
    with pytest.warns(UserWarning, match="anybody can read this private key"):
        Tls(path)


def test_nothing_secret_is_shown_or_pickled() -> None:
    made = Tls(SERVER, ENCRYPTED_KEY, password=PASSWORD, client_ca=AUTHORITY)
    assert not secrets_in(repr(made))
    with pytest.raises(TypeError, match="private key"):
        pickle.dumps(made)


def test_nothing_is_left_open() -> None:
    before = os.listdir("/proc/self/fd")
    context_of([SERVER, SERVER_KEY, AUTHORITY, b""])
    with pytest.raises(ConfigError):
        context_of([SERVER, CLIENT_KEY, b"", b""])
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_what_is_taken_for_it() -> None:
    made = Tls(SERVER, SERVER_KEY)
    assert as_tls(None) is None
    assert as_tls(made) is made
    with pytest.raises(TypeError, match=r"cannot be an ssl\.SSLContext: .* fanout\.auth\.Tls"):
        as_tls(ssl.create_default_context())
    with pytest.raises(TypeError, match=r"tls must be fanout\.auth\.Tls\(…\), not str"):
        as_tls("certificate.pem")


def test_old_versions_and_what_is_kept_between_sessions_are_off() -> None:
    context = context_of([SERVER, SERVER_KEY, b"", b""])
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.num_tickets == 0
    wanted = ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION
    assert context.options & wanted == wanted


def test_a_password_that_openssl_has_no_room_for() -> None:
    with pytest.raises(ConfigError, match="password has up to 1,024 bytes"):
        Tls(SERVER, ENCRYPTED_KEY, password="x" * 1_025)


def test_where_the_system_lacks_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(tls, "_DESCRIPTORS", "/nowhere")
        with pytest.raises(ConfigError, match="mount /proc"):
            Tls(SERVER, SERVER_KEY)

    def refused(*_given: object) -> int:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "memfd_create", refused)
    with pytest.raises(RefusedError, match="refuses the call memfd_create"):
        Tls(SERVER, SERVER_KEY)


def test_names_between_authorities_may_be_of_any_language() -> None:
    named = "Főtanúsítvány\n".encode() + AUTHORITY
    assert Tls(SERVER, SERVER_KEY, client_ca=named).asks
