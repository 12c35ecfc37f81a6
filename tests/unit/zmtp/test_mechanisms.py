"""What mechanisms have in common: frames of a handshake, refusals, secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.zmtp.errors import NoHandshakeError, Refusal
from fanout.zmtp.mechanisms import Credentials, refused_by, split


@given(st.text("ABCHELOW", min_size=1, max_size=20), st.binary(max_size=50))
def test_a_frame_has_a_name_and_data(name: str, data: bytes) -> None:
    raw = name.encode()
    assert split(bytes((len(raw),)) + raw + data) == (raw, data)


@pytest.mark.parametrize("head", [b"\x05ERROR", b"\x5eRROR"], ids=["RFC 24", "libzmq"])
def test_an_error_says_why(head: bytes) -> None:
    """libzmq's PLAIN server has a bug: it sends the E as the length of the name."""
    with pytest.raises(NoHandshakeError, match="the peer refused us: 400") as raised:
        split(head + b"\x03400")
    assert (raised.value.refusal, raised.value.said) == (Refusal.DENIED, "400")


def test_what_is_no_command_has_no_name() -> None:
    for body in (b"", b"\x09HELLO"):
        assert split(body) == (b"", b"")


def test_a_reason_is_fit_for_a_log_whatever_it_is() -> None:
    text = str(refused_by(b"\x05a\nb\x00\xff"))
    assert text.isprintable()
    assert text.isascii()


def test_what_is_secret_of_a_peer_is_not_shown() -> None:
    shown = repr(
        Credentials("PLAIN", username=b"desk7", password=b"hunter2", certificate=b"der bytes")
    )
    assert "desk7" in shown
    assert "hunter2" not in shown
    assert "der bytes" not in shown


@pytest.mark.parametrize(
    ("credentials", "fields"),
    [
        (Credentials("PLAIN", username=b"u", password=b"p"), [b"u", b"p"]),
        (Credentials("CURVE", public_key=b"k" * 32), [b"k" * 32]),
        (Credentials("TLS", username=b"u", certificate=b"c"), [b"u", b"c"]),
    ],
)
def test_the_coordinator_is_told_what_each_mechanism_has(
    credentials: Credentials, fields: list[bytes]
) -> None:
    assert credentials.fields == fields
