"""From when to when a certificate is valid, which `ssl` does not tell of one's own.

Who shows a certificate that has expired is refused by all who check it, and learns it from them. So
it is said at once. A certificate (RFC 5280, 4.1) is read only as far as that takes; what cannot be
read says nothing, for OpenSSL has taken it.

    Certificate     { TBSCertificate, ... }
    TBSCertificate  { [0] version, serial number, algorithm, issuer, Validity, ... }
    Validity        { time, time }
"""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime
from typing import NamedTuple

_PEM = re.compile(b"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\\s]*)-----END CERTIFICATE-----")
_SEQUENCE, _VERSION = 0x30, 0xA0
_BEFORE_VALIDITY = 3  # of the fields: serial number, algorithm, issuer
_FORMS = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}  # UTCTime, GeneralizedTime
_PIVOT, _CENTURY = 2050, 100  # two digits from 50 on are of the last century, there


class Validity(NamedTuple):
    """From when, and until when, a certificate is valid; UTC."""

    begins: datetime
    ends: datetime


def objection(chain: bytes, now: datetime) -> str:
    """Why who checks certificates refuses this chain for its time; "" = for no such reason.

    Args:
        chain: in PEM; what else is in it does not count.
        now: with a time zone.
    """
    for number, found in enumerate(_PEM.finditer(chain), 1):
        validity = _validity_of(found[1])
        if validity is None:
            continue
        which = "the certificate" if number == 1 else f"certificate {number} of the chain"
        if now > validity.ends:
            return f"{which} has expired, on {validity.ends:%Y-%m-%d %H:%M} UTC"
        if now < validity.begins:
            return f"{which} is not valid before {validity.begins:%Y-%m-%d %H:%M} UTC"
    return ""


def _validity_of(text: bytes) -> Validity | None:
    try:
        return _read(binascii.a2b_base64(text))
    except (ValueError, IndexError):  # binascii.Error is one of the former
        return None


def _read(der: bytes) -> Validity:
    at, _ = _inside(der, 0, _SEQUENCE)
    at, _ = _inside(der, at, _SEQUENCE)
    if der[at] == _VERSION:
        at = _content(der, at)[1]
    for _ in range(_BEFORE_VALIDITY):
        at = _content(der, at)[1]
    at, _ = _inside(der, at, _SEQUENCE)
    begins, at = _time(der, at)
    ends, _ = _time(der, at)
    return Validity(begins, ends)


def _inside(der: bytes, at: int, tag: int) -> tuple[int, int]:
    """Where the content of what is here begins and ends, which has this tag."""
    if der[at] != tag:
        raise ValueError("another field")
    return _content(der, at)


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the field that is here begins and ends."""
    size, begin = der[at + 1], at + 2
    if size & 0x80:  # in that many bytes of its own
        begin += size & 0x7F
        size = int.from_bytes(der[at + 2 : begin], "big")
    return begin, begin + size


def _time(der: bytes, at: int) -> tuple[datetime, int]:
    """The time that is here, and where it ends."""
    begin, end = _content(der, at)
    form = _FORMS.get(der[at])
    if form is None:
        raise ValueError("no time")
    told = datetime.strptime(der[begin:end].decode("ascii"), form).replace(tzinfo=UTC)
    if form.startswith("%y") and told.year >= _PIVOT:
        told = told.replace(year=told.year - _CENTURY)
    return told, end
