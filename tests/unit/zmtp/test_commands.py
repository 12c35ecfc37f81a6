"""Commands: exact bytes out, anything in."""

from __future__ import annotations

import pytest

from fanout.zmtp import LocalProtocolError, commands


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (commands.error(b"400"), "040a 05 4552524f52 03 343030"),
        (commands.ping(b"", 15), "0407 04 50494e47 000f"),
        (commands.ping(b"c" * 16, 655), "0417 04 50494e47 028f" + "63" * 16),
        (commands.pong(b""), "0405 04 504f4e47"),
        (commands.subscription(b"", as_command=True), "040a 09 535542534352494245"),
        (commands.subscription(b"A", as_command=False), "0002 01 41"),
        (commands.cancellation(b"A", as_command=True), "0408 06 43414e43454c 41"),
        (commands.cancellation(b"", as_command=False), "0001 00"),
        (
            commands.subscription(b"t" * 246, as_command=True),
            "060000000000000100 09 535542534352494245" + "74" * 246,
        ),
    ],
)
def test_on_the_wire(frame: bytes, expected: str) -> None:
    assert frame == bytes.fromhex(expected)


def test_error_reason_is_cut_to_its_length_byte() -> None:
    assert commands.error(b"x" * 300).endswith(b"\xff" + b"x" * 255)


@pytest.mark.parametrize(("context", "ttl_ds"), [(b"c" * 17, 0), (b"", 656), (b"", -1)])
def test_ping_out_of_range(context: bytes, ttl_ds: int) -> None:
    with pytest.raises(LocalProtocolError):
        commands.ping(context, ttl_ds)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (b"", b"")),
        (b"\x00", (b"", b"")),
        (b"\x05PING", (b"", b"")),
        (b"\x04PING", (b"PING", b"")),
        (b"\x04PINGdata", (b"PING", b"data")),
    ],
)
def test_split_command(body: bytes, expected: tuple[bytes, bytes]) -> None:
    assert commands.split_command(body) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", None),
        (b"\x00", None),
        (b"\x00\x0f", (15, b"")),
        (b"\xff\xff" + b"c" * 16, (65535, b"c" * 16)),
        (b"\x00\x00" + b"c" * 17, (0, b"c" * 16)),
    ],
)
def test_split_ping(data: bytes, expected: tuple[int, bytes] | None) -> None:
    assert commands.split_ping(data) == expected


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", ""), (b"\x03400", "400"), (b"\x09cut", "cut"), (b"\x02\n\xff", "\\x0a\\xff")],
)
def test_error_reason_is_fit_for_a_log(data: bytes, reason: str) -> None:
    assert commands.error_reason(data) == reason


def test_error_reason_has_a_bounded_length() -> None:
    assert len(commands.error_reason(b"\xff" + b"x" * 255)) == 100
