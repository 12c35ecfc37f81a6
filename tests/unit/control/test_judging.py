"""Names of protocols, and that nothing secret is in the text of a message."""

from __future__ import annotations

import pytest

from fanout.control.judging import (
    CURVE,
    AuthRequest,
    Secure,
    inside_of_tls,
    is_by_tls,
    is_certified,
    is_sealed,
    with_tls,
)

INSIDE = ["zmtp", "zmtp+plain"]
NUMBER = "#12"  # of the keys of a listener


@pytest.mark.parametrize("inside", INSIDE)
@pytest.mark.parametrize("number", ["", NUMBER])
def test_what_is_spoken_by_tls_is_sealed_and_is_told_what_is_inside(
    inside: str, number: str
) -> None:
    protocol = with_tls(inside) + number
    assert is_by_tls(protocol)
    assert is_sealed(protocol)
    assert inside_of_tls(protocol) == inside


@pytest.mark.parametrize("protocol", INSIDE)
def test_what_anybody_can_read_is_not(protocol: str) -> None:
    assert not is_by_tls(protocol)
    assert not is_sealed(protocol)
    assert inside_of_tls(protocol) == protocol


def test_curve_is_sealed_and_is_no_tls() -> None:
    for protocol in (CURVE, CURVE + NUMBER):
        assert is_sealed(protocol)
        assert not is_by_tls(protocol)


def test_certificates_judge_only_where_nothing_else_does() -> None:
    with_authority, without = [b"cert", b"key", b"ca"], [b"cert", b"key", b""]
    assert is_certified(with_authority, "zmtp")
    assert not is_certified(without, "zmtp")
    assert not is_certified(with_authority, "zmtp+plain")


def test_what_is_secret_is_in_no_text() -> None:
    request = AuthRequest(7, "PLAIN", [b"user", b"hunter2"])
    secure = Secure(CURVE + NUMBER, [b"hunter2"])
    for one in (request, secure):
        for text in (str(one), repr(one), f"{[one]}"):
            assert "hunter2" not in text
    assert repr(request) == "AuthRequest(7, 'PLAIN')"
    assert repr(secure) == f"Secure({CURVE + NUMBER!r})"
