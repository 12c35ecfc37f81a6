"""What an endpoint with CURVE asks, and that it tells nobody its keys."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from fanout.control import judging
from fanout.errors import ConfigError
from fanout.security import curve
from fanout.security.curve import Curve
from fanout.security.verdicts import Allow, Deny, Request, Verdict
from fanout.security.z85 import z85_encode

RAW, OLD = b"k" * 32, b"o" * 32
REQUEST = Request(1, "peer", "endpoint", "CURVE", public_key=z85_encode(RAW))


def test_without_a_check_any_key_will_do() -> None:
    assert Curve(RAW).judge(REQUEST) == Allow()


def test_a_check_decides() -> None:
    keys: set[str] = set()
    made = Curve(RAW, lambda request: request.public_key in keys)
    assert made.judge(REQUEST) == Deny()
    keys.add(REQUEST.public_key)
    assert made.judge(REQUEST) == Allow()


def test_a_check_may_be_awaited() -> None:
    async def check(request: Request) -> Verdict:
        return Allow("desk7") if request.public_key == REQUEST.public_key else Deny()

    assert Curve(RAW, check).judge(REQUEST) == Allow("desk7")


@pytest.mark.parametrize("check", [5, "check"])
def test_what_is_no_check(check: Any) -> None:
    with pytest.raises(TypeError, match=r"auth\.Curve takes a function"):
        Curve(RAW, check)


def test_keys_in_all_their_forms() -> None:
    text = z85_encode(RAW)
    for key in (RAW, text, text.encode()):
        assert Curve(key, previous=OLD).secrets() == [RAW, OLD]
    assert Curve(RAW).secrets() == [RAW]


def test_keys_are_in_no_text() -> None:
    text = repr(Curve(RAW, previous=OLD))
    assert text == "Curve(<secret>, None)"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Curve(RAW))


def test_a_pynacl_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        version = "1.5.0"

    monkeypatch.setattr(curve, "Sodium", Old)
    with pytest.raises(ConfigError, match=r"later PyNaCl than 1\.5\.0: pip install"):
        Curve(RAW).check_place("tcp://127.0.0.1:1", is_local=True)


def test_it_is_known_by_its_name_that_all_of_it_is_encrypted() -> None:
    assert Curve(RAW).protocol == judging.CURVE
    assert [judging.is_sealed(one) for one in ("zmtp+curve#1", "zmtp+plain+tls#2")] == [True, True]
    assert [judging.is_sealed(one) for one in ("zmtp", "zmtp+plain")] == [False, False]
