"""Who `fanout sub` says that it is, as its arguments say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.cli.arguments import UsageError
from fanout.cli.main import build_parser
from fanout.cli.sub.securing import in_options, in_words, password_in, security_of, tls_of
from fanout.errors import ConfigError
from fanout.security.certificates import create_certificates, read_certificate
from fanout.security.clients import CurveClient, PlainClient
from tests.helpers.certificates import AUTHORITY, CLIENT, CLIENT_KEY

if TYPE_CHECKING:
    from pathlib import Path

    from fanout.security.clients import ClientSecurity
    from fanout.security.tls_client import TlsClient

KEY = ("--curve-server-key-file", "x")


def said_by(*arguments: str) -> ClientSecurity | None:
    """What these arguments have it say of itself."""
    return security_of(build_parser(["sub"]).parse_args(["sub", "tcp://x:1", *arguments]))


def test_nobody() -> None:
    assert said_by() is None


def test_a_user_with_a_password_that_is_in_no_argument(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes(b"a long one \xff\r\n")
    client = said_by("--plain-user", "desk7", "--plain-password-file", str(file))
    assert isinstance(client, PlainClient)
    assert b"\x05desk7\x0ca long one \xff" in client.begin().begin(bytes)
    with pytest.raises(ConfigError, match="or say --plain-on-network if"), in_options():
        client.check_place("tcp://x:1", is_local=False)


@pytest.mark.parametrize("text", ["", "\n", "one\ntwo\n", "x" * 5000])
def test_what_is_no_password_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "password"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="a password file has one line") as error:
        password_in(str(file))
    assert "two" not in str(error.value)
    with pytest.raises(ConfigError, match="nowhere: No such file"):
        password_in(str(tmp_path / "nowhere"))


def test_keys_in_files(tmp_path: Path) -> None:
    public, _ = create_certificates(tmp_path, "feed")
    ours, secret = create_certificates(tmp_path, "desk7")
    line = tmp_path / "line"
    line.write_text(read_certificate(public).public + "\n", encoding="ascii")
    for server in (public, str(line)):
        client = said_by("--curve-server-key-file", server, "--curve-secret-key-file", secret)
        assert isinstance(client, CurveClient)
        assert client.public_key == read_certificate(ours).public
        assert read_certificate(public).public in repr(client)
    assert isinstance(said_by("--curve-server-key-file", public), CurveClient)
    (tmp_path / "none").write_text("nothing", encoding="ascii")
    with pytest.raises(ConfigError, match="none: what is in it is no key"):
        said_by("--curve-server-key-file", str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--plain-user", "x"), "go together"),
        (("--plain-password-file", "x"), "go together"),
        (("--plain-on-network",), "goes with --plain-user"),
        (("--curve-secret-key-file", "x"), "goes with --curve-server-key-file"),
        ((*KEY, "--plain-user", "x", "--plain-password-file", "y"), "one mechanism"),
    ],
)
def test_what_does_not_go_together(arguments: tuple[str, ...], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        said_by(*arguments)


def tls_by(*arguments: str, endpoint: str = "tls://x:1") -> TlsClient | None:
    """What these arguments have it trust and show."""
    with in_options():
        return tls_of(build_parser(["sub"]).parse_args(["sub", endpoint, *arguments]))


def test_tls_in_files(tmp_path: Path) -> None:
    ca, chain, key = (tmp_path / name for name in ("ca", "chain", "key"))
    ca.write_bytes(AUTHORITY)
    chain.write_bytes(CLIENT)
    key.touch(0o600)
    key.write_bytes(CLIENT_KEY)
    assert tls_by() is None
    assert tls_by(endpoint="tcp://x:1") is None
    made = tls_by(
        *("--tls-ca", str(ca), "--tls-certificate", str(chain), "--tls-key", str(key)),
        *("--tls-server-name", "feed.example"),
    )
    assert repr(made) == "TlsClient(<certificate>, <secret>, server_name='feed.example')"
    with pytest.raises(ConfigError, match=r"no certificate can be for ''.*--tls-server-name is"):
        tls_by("--tls-server-name", "")


@pytest.mark.parametrize(
    ("arguments", "endpoint", "text"),
    [
        (("--tls-ca", "x"), "tcp://x:1", "--tls-ca goes with an ENDPOINT that begins with tls://"),
        (("--tls-key", "x"), "tls://x:1", "--tls-key FILE goes with --tls-certificate FILE"),
        (("--tls-server-name", "x"), "ipc://x", "--tls-server-name goes with"),
    ],
)
def test_what_tls_does_not_go_with(arguments: tuple[str, ...], endpoint: str, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        tls_by(*arguments, endpoint=endpoint)


def test_what_events_advise_is_said_in_options() -> None:
    assert in_words("(x): its ca must have who") == "(x): --tls-ca must have who"
    assert in_words("or say which by server_name").endswith("by --tls-server-name")
