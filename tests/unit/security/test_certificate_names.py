"""Which name a certificate has: one that stands for one somebody, and for nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from fanout.security.certificate_names import (
    CERTIFICATE_BYTES_MAX,
    NAME_BYTES_MAX,
    credentials_by,
    name_in,
)
from fanout.zmtp.errors import RemoteProtocolError
from fanout.zmtp.mechanisms import Credentials

DNS = (("DNS", "a.example"), ("DNS", "b.example"))


@pytest.mark.parametrize(
    ("certificate", "name"),
    [
        ({}, ""),
        ({"subject": ((("organizationName", "firm"),),)}, ""),
        ({"subject": ((("organizationName", "firm"),), (("commonName", "desk7"),))}, "desk7"),
        ({"subject": ((("commonName", "desk7"),),), "subjectAltName": DNS}, "desk7"),
        ({"subjectAltName": DNS}, "a.example"),
        ({"subjectAltName": (*DNS, ("email", "me@example"))}, "me@example"),
        ({"subjectAltName": (*DNS, ("URI", "spiffe://x/desk7"))}, "spiffe://x/desk7"),
        ({"subjectAltName": (("IP Address", "10.0.0.7"),)}, ""),
    ],
)
def test_names(certificate: dict[str, Any], name: str) -> None:
    assert name_in(certificate) == name
    assert credentials_by(certificate, b"DER") == Credentials(
        "TLS", name.encode(), certificate=b"DER"
    )


def test_no_name_is_cut_so_that_it_may_be_another() -> None:
    def named(name: str) -> dict[str, Any]:
        return {"subject": ((("commonName", name),),)}

    assert credentials_by(named("é" * 127), b"").username == b"\xc3\xa9" * 127
    with pytest.raises(RemoteProtocolError, match="a name of more than 255 bytes"):
        credentials_by(named("x" * (NAME_BYTES_MAX + 1)), b"")
    with pytest.raises(RemoteProtocolError, match="a certificate of more than"):
        credentials_by(named("x"), bytes(CERTIFICATE_BYTES_MAX + 1))


def test_the_certificate_is_not_shown() -> None:
    assert repr(credentials_by({}, b"DER")) == repr(Credentials("TLS", b""))
    assert credentials_by({}, b"DER").fields == [b"", b"DER"]
