"""Which certificates are not valid now, by what stands in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fanout.security import validity
from fanout.security.validity import objection
from tests.helpers.certificates import AUTHORITY, EARLY, EXPIRED, SERVER

NOW = datetime(2027, 1, 1, tzinfo=UTC)
EXPIRED_AT = datetime(2025, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_who_is_valid_is_not_objected_to() -> None:
    assert objection(SERVER + AUTHORITY, NOW) == ""
    assert objection(EXPIRED, EXPIRED_AT) == "", "the last second counts"


def test_what_has_expired_or_not_begun() -> None:
    assert objection(EXPIRED, EXPIRED_AT + SECOND) == (
        "the certificate has expired, on 2025-01-01 00:00 UTC"
    )
    assert objection(EARLY, NOW) == "the certificate is not valid before 2120-01-01 00:00 UTC"
    assert objection(b"text\n" + SERVER + EXPIRED, NOW).startswith("certificate 2 of the chain has")


@pytest.mark.parametrize(
    "chain",
    [
        b"",
        b"nothing",
        b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----",
        *(
            b"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----" % text
            for text in (b"", b"A", b"MAA=", b"MIID", b"MIIBmjCCAUGgAwIBAgIUfBfRDUpARbFH")
        ),
    ],
)
def test_what_cannot_be_read_is_not_objected_to(chain: bytes) -> None:
    assert objection(chain, NOW) == ""


@pytest.mark.parametrize(
    ("field", "year"),
    [
        (b"\x17\x0d491231235959Z", 2049),
        (b"\x17\x0d500101000000Z", 1950),
        (b"\x17\x0d680101000000Z", 1968),
        (b"\x17\x0d700101000000Z", 1970),
        (b"\x18\x0f20500101000000Z", 2050),
    ],
)
def test_years_of_two_digits(field: bytes, year: int) -> None:
    told, end = validity._time(field, 0)
    assert (told.year, end) == (year, len(field))
