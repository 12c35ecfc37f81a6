"""What a publisher says of itself in its handshake: as it writes it, and as strangers may."""

from __future__ import annotations

import pytest

from fanout.terms.introduction import (
    Introduction,
    intake_of,
    introduction_of,
    message_limit_of,
)

OURS = Introduction(0x0123456789ABCDEF, 4711, sequence=True, replay=65536, last=True, values=True)


def test_the_form() -> None:
    said = b"1;epoch=0123456789abcdef;head=4711;sequence=1;replay=65536;last=1;values=1"
    assert OURS.to_bytes() == said


@pytest.mark.parametrize("one", [OURS, Introduction(1, 0, sequence=False)])
def test_it_is_read_back(one: Introduction) -> None:
    assert introduction_of(one.to_bytes()) == one


def test_what_is_not_known_is_left_alone_and_the_order_does_not_matter() -> None:
    said = b"1;colour=red;head=4711;more=;replay=;epoch=0123456789abcdef"
    assert introduction_of(said) == Introduction(OURS.epoch, OURS.head, sequence=False)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"1",
        b"2;epoch=0123456789abcdef;head=1",
        b"1;epoch=0123456789abcdef",
        b"1;head=1",
        b"1;epoch=123;head=1",
        b"1;epoch=0123456789abcdeg;head=1",
        b"1;epoch=0123456789abcdef;head=-1",
        b"1;epoch=0123456789abcdef;head=" + b"9" * 20,
        b"1;epoch=0123456789abcdef;head=1;",
        b"1;epoch=0123456789abcdef;head=1;x",
        "1;epoch=0123456789abcdef;head=\uff11".encode(),
        b"\xff",
    ],
)
def test_what_cannot_be_understood_says_nothing(value: bytes) -> None:
    assert introduction_of(value) is None


@pytest.mark.parametrize("value", [b"", b"2;message=5", b"1;message=", b"1;message=x", b"1;head=7"])
def test_a_limit_that_is_not_said(value: bytes) -> None:
    assert message_limit_of(value) is None


def test_what_an_endpoint_of_ingest_says() -> None:
    assert message_limit_of(intake_of(16_384)) == 16_384
    assert message_limit_of(b"1;news=x;message=5;more=7") == 5
    assert introduction_of(intake_of(16_384)) is None
