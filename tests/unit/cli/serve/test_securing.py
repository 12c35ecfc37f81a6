"""Who is served by `fanout serve`, as its arguments say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.cli.arguments import UsageError
from fanout.cli.main import build_parser
from fanout.cli.serve.securing import security_of
from fanout.errors import ConfigError
from fanout.security.certificates import create_certificates, read_certificate
from fanout.security.verdicts import Allow, Deny, Request

if TYPE_CHECKING:
    from pathlib import Path

    from fanout.security.endpoints import Security

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
