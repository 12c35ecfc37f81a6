"""Passwords: who is let in, what is stored, and that nothing of it is shown."""

from __future__ import annotations

from typing import Any

import pytest

from fanout.errors import ConfigError
from fanout.security import passwords as module
from fanout.security.passwords import Passwords, hash_password
from fanout.security.verdicts import Allow, Deny, Request

WRONG = Deny("wrong user or password")


def request(user: str, password: str) -> Request:
    return Request(1, "127.0.0.1:5", "tcp://x", "PLAIN", user, password)


@pytest.fixture(scope="module")
def stored() -> dict[str, str]:
    return {"desk7": hash_password("geheim"), "Jürgen": hash_password("ß")}


def test_who_has_the_right_password_is_let_in(stored: dict[str, str]) -> None:
    check = Passwords(stored)
    assert check(request("desk7", "geheim")) == Allow("desk7")
    assert check(request("Jürgen", "ß")) == Allow("Jürgen")


@pytest.mark.parametrize(
    ("user", "password"),
    [("desk7", "Geheim"), ("desk7", ""), ("desk8", "geheim"), ("", ""), ("desk7", "\udcff")],
)
def test_nobody_else_is(stored: dict[str, str], user: str, password: str) -> None:
    assert Passwords(stored)(request(user, password)) == WRONG


def test_what_is_no_password_is_refused() -> None:
    with pytest.raises(TypeError, match="password must be a str, not bytes"):
        hash_password(b"geheim")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="an empty password"):
        hash_password("")


@pytest.mark.parametrize("stored", [[("desk7", "scrypt$")], "passwords", None])
def test_what_is_no_mapping_is_refused(stored: Any) -> None:
    with pytest.raises(
        TypeError, match=r"user -> what hash_password\(\) .*auth\.load_passwords\(path\) reads"
    ):
        Passwords(stored)


def test_who_is_not_known_costs_as_much(
    stored: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = []
    derive = module._derive

    def counted(secret: bytes, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
        costs.append((cost, block, parallel, len(salt)))
        return derive(secret, salt, cost, block, parallel)

    monkeypatch.setattr(module, "_derive", counted)
    check = Passwords(stored)
    check(request("desk7", "wrong"))
    check(request("nobody", "wrong"))
    assert costs == [(16_384, 8, 1, 16)] * 2


def test_the_same_password_is_stored_in_another_way_each_time(stored: dict[str, str]) -> None:
    assert hash_password("geheim") != stored["desk7"]
    assert "geheim" not in stored["desk7"]


@pytest.mark.parametrize(
    "text",
    [
        "geheim",
        "",
        "scrypt$16384$8$1$00",
        "bcrypt$16384$8$1$00$" + "00" * 32,
        "scrypt$16383$8$1$00$" + "00" * 32,
        "scrypt$0$8$1$00$" + "00" * 32,
        "scrypt$16384$0$1$00$" + "00" * 32,
        "scrypt$16384$8$1$zz$" + "00" * 32,
        "scrypt$16384$8$1$00$" + "00" * 31,
        "scrypt$1073741824$8$1$00$" + "00" * 32,
    ],
)
def test_what_was_not_made_here_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        Passwords({"desk7": text})
    assert str(error.value) == ("the password of 'desk7' was not made by auth.hash_password()")


def test_it_is_refused_if_plain_cannot_carry_it() -> None:
    with pytest.raises(ConfigError, match="up to 255 bytes"):
        hash_password("x" * 256)


def test_nothing_stored_is_shown(stored: dict[str, str]) -> None:
    assert repr(Passwords(stored)) == "<Passwords of 2 users>"
