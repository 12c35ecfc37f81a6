"""What an endpoint asks for: what is taken for it, and where it may be used."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from fanout.errors import ConfigError
from fanout.security.endpoints import NULL, Null, Plain, as_security
from fanout.security.verdicts import Allow, Deny, Request

REQUEST = Request(1, "127.0.0.1:5", "tcp://x", "PLAIN", "desk7", "geheim")
STRANGER = Request(2, "127.0.0.1:6", "tcp://x", "PLAIN", "desk8", "geheim")


def let_in(request: Request) -> bool:
    return request.username == "desk7"


async def awaited(request: Request) -> bool:
    return let_in(request)


class Awaited:
    async def __call__(self, request: Request) -> bool:
        return let_in(request)


def test_none_is_null() -> None:
    assert as_security(None) is NULL
    assert not NULL.asks
    null = Null()
    assert as_security(null) is null


@pytest.mark.parametrize("value", ["PLAIN", let_in, Plain, 1])
def test_nothing_else_is_security(value: object) -> None:
    with pytest.raises(TypeError, match=r"security must be fanout\.auth\.Null\(\), Plain"):
        as_security(value)


@pytest.mark.parametrize("check", [None, "geheim"])
def test_a_check_can_be_called(check: Any) -> None:
    with pytest.raises(TypeError, match=r"auth\.Plain takes a function") as error:
        Plain(check)
    assert "geheim" not in str(error.value)


@pytest.mark.parametrize(
    "check", [let_in, awaited, Awaited(), partial(awaited), lambda request: awaited(request)]
)
def test_a_check_is_asked(check: Any) -> None:
    assert Plain(check).judge(REQUEST) == Allow()
    assert Plain(check).judge(STRANGER) == Deny()


def test_plain_stays_on_this_machine_unless_it_is_asked_for() -> None:
    plain = Plain(let_in)
    plain.check_place("tcp://127.0.0.1:5556", is_local=True)
    with pytest.raises(ConfigError, match=r"clear text, and other machines can reach tcp://0\.0"):
        plain.check_place("tcp://0.0.0.0:5556", is_local=False)
    Plain(let_in, on_network=True).check_place("tcp://0.0.0.0:5556", is_local=False)
    NULL.check_place("tcp://0.0.0.0:5556", is_local=False)
