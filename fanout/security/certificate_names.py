"""Who a subscriber is by the certificate that it has shown. Pure, and loads no `ssl`.

Its authority has signed the name, and OpenSSL has found that the subscriber has the private key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.zmtp.errors import RemoteProtocolError
from fanout.zmtp.mechanisms import TLS, Credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME_BYTES_MAX = 255  # as of a user who says his name
CERTIFICATE_BYTES_MAX = 32 * 1024  # of what a check is shown: it goes in one message
_KINDS = ("email", "URI", "DNS")  # of alternative names, those that tell of one somebody first


def name_in(certificate: Mapping[str, Any]) -> str:
    """The name of who has this certificate: its common name, or else an alternative one; or "".

    Args:
        certificate: as `ssl.SSLObject.getpeercert()` has it.
    """
    for part in certificate.get("subject", ()):
        for key, value in part:
            if key == "commonName":
                return str(value)
    names: dict[str, str] = {}
    for kind, value in certificate.get("subjectAltName", ()):
        names.setdefault(kind, value)
    return next((names[kind] for kind in _KINDS if kind in names), "")


def credentials_by(certificate: Mapping[str, Any], der: bytes) -> Credentials:
    """What is to be judged of who has shown this certificate.

    Raises:
        RemoteProtocolError: its name is too long to be told, so that it might be taken for another;
            or the certificate is.
    """
    name = name_in(certificate).encode("utf-8", "surrogateescape")
    if len(name) > NAME_BYTES_MAX:
        raise RemoteProtocolError(
            f"TLS: a certificate with a name of more than {NAME_BYTES_MAX} bytes"
        )
    if len(der) > CERTIFICATE_BYTES_MAX:
        raise RemoteProtocolError(
            f"TLS: a certificate of more than {CERTIFICATE_BYTES_MAX:,} bytes"
        )
    return Credentials(TLS, name, certificate=der)
