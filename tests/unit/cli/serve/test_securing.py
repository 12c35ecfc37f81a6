"""Who is served by `fanout serve`, as its arguments say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.cli.arguments import UsageError
from fanout.cli.main import build_parser
from fanout.cli.serve.securing import in_options, security_of, tls_for, tls_of
from fanout.errors import ConfigError
from fanout.security.certificates import create_certificates, read_certificate
from fanout.security.endpoints import Plain
from fanout.security.verdicts import Allow, Deny, Request
from tests.helpers.certificates import AUTHORITY, ENCRYPTED_KEY, SERVER, SERVER_KEY

if TYPE_CHECKING:
    from pathlib import Path

    from fanout.security.endpoints import Security
    from fanout.security.tls import Tls

STRANGER = "0" * 40


def asked_for(*arguments: str) -> Security | None:
    """What these arguments have endpoints ask for."""
    parsed = build_parser(["serve"]).parse_args(["serve", "--bind", "tcp://*:1", *arguments])
    return security_of(parsed)


def request(key: str) -> Request:
    return Request(1, "127.0.0.1:5", "tcp://x", "CURVE", public_key=key)


def test_who_has_a_certificate_in_the_directory(tmp_path: Path) -> None:
    _, secret = create_certificates(tmp_path, "feed")
    desks = tmp_path / "desks"
    desks.mkdir()
    public, _ = create_certificates(desks, "desk7", {"name": "desk7"})
    key = read_certificate(public).public
    security = asked_for("--curve-secret-key-file", secret, "--allow", str(desks))
    assert security is not None
    assert security.judge(request(key)) == Allow("desk7")
    assert security.judge(request(STRANGER)) == Deny("unknown key")
    anybody = asked_for("--curve-secret-key-file", secret)
    assert anybody is not None
    assert anybody.judge(request(STRANGER)) == Allow()


def test_a_directory_needs_a_key_and_is_there(tmp_path: Path) -> None:
    _, secret = create_certificates(tmp_path, "feed")
    with pytest.raises(UsageError, match="--allow goes with --curve-secret-key-file"):
        asked_for("--allow", str(tmp_path))
    with pytest.raises(ConfigError, match=r"nowhere: No such file"):
        asked_for("--curve-secret-key-file", secret, "--allow", str(tmp_path / "nowhere"))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Files with what TLS needs."""
    contents = {"chain": SERVER, "ca": AUTHORITY, "key": SERVER_KEY, "encrypted": ENCRYPTED_KEY}
    for name, content in contents.items():
        path = tmp_path / name
        path.touch(0o600)
        path.write_bytes(content)
    return {name: str(tmp_path / name) for name in contents}


def encrypted_by(*arguments: str) -> Tls | None:
    return tls_of(build_parser(["serve"]).parse_args(["serve", *arguments]))


def test_what_encrypts_tls_endpoints_and_no_others(files: dict[str, str]) -> None:
    both = "--bind", "tls://*:1", "--bind", "tcp://*:2", "--tls-certificate", files["chain"]
    tls = encrypted_by(*both, "--tls-key", files["key"])
    assert tls is not None
    assert not tls.asks
    assert tls_for("tls://*:1", tls) is tls
    assert tls_for("tcp://*:2", tls) is None
    asking = encrypted_by(*both, "--tls-key", files["key"], "--tls-client-ca", files["ca"])
    assert asking is not None
    assert asking.asks
    assert encrypted_by("--bind", "tcp://*:2") is None


def test_options_of_tls_that_do_not_go_together(files: dict[str, str]) -> None:
    for arguments, text in (
        (["--bind", "tls://*:1"], "the other way round"),
        (["--bind", "tcp://*:1", "--tls-certificate", files["chain"]], "goes with --bind tls://"),
        (["--bind", "tcp://*:1", "--tls-key", files["key"]], "--tls-key goes with"),
        (["--bind", "tcp://*:1", "--tls-client-ca", files["ca"]], "--tls-client-ca goes with"),
    ):
        with pytest.raises(UsageError, match=text):
            encrypted_by(*arguments)
    given = "--bind", "tls://*:1", "--tls-certificate", files["chain"]
    with pytest.raises(ConfigError, match="is encrypted, and cannot be read: give one that is not"):
        encrypted_by(*given, "--tls-key", files["encrypted"])
    with pytest.raises(ConfigError, match=r"private_key: '/nowhere': No such file"):
        encrypted_by(*given, "--tls-key", "/nowhere")


def test_what_is_advised_are_options() -> None:
    advised = "or to tls:// with --tls-certificate FILE, or"
    with pytest.raises(ConfigError, match=advised), in_options():
        Plain(lambda _request: True).check_place("tcp://0.0.0.0:1", is_local=False)
