"""How a subscriber connects to a `tls://` endpoint: whom it trusts, and what it shows.

Who answers there has to have a certificate that is signed by somebody who is trusted, and that has
the name which was connected to. Nothing turns that off: who has a publisher with a certificate that
is signed by nobody else trusts just that one.
"""

from __future__ import annotations

import ssl
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from fanout.errors import ConfigError
from fanout.security.records import TlsRecords
from fanout.security.tls import (
    PARTS_BYTES_MAX,
    content_of,
    load_own,
    password_of,
    restrict,
    trust,
    warn_of_time,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

AUTHORITIES_BYTES_MAX = 4 * 1024 * 1024  # bundles of all that there are have some 300 KiB


class TlsClient:
    """What a subscriber has for `tls://` endpoints. Immutable, usable from any thread.

    TLS 1.2 and 1.3, as the OpenSSL of this Python has them. It is read once, when this is made.

    Args:
        ca: a file in PEM, or what is in one as bytes: the authorities of which one has to have
            signed the publisher's certificate, or that certificate itself; up to 4 MiB. None =
            those that this machine trusts.
        certificate: the same with the subscriber's own certificate, and those that it is signed by
            after it, for publishers with `client_ca`; None = it shows none.
        private_key: the same with its key; None = it is beside the certificate.
        password: of the private key, if that is encrypted.
        server_name: that the publisher's certificate has to have, a host name or an address; None =
            what the endpoint has.

    Raises:
        ConfigError: one cannot be read, or is of no use; the text has nothing of what is in it.
        TypeError: an argument is of a wrong type.
    """

    __slots__ = ("_context", "_name", "_shows")

    def __init__(
        self,
        *,
        ca: str | os.PathLike[str] | bytes | None = None,
        certificate: str | os.PathLike[str] | bytes | None = None,
        private_key: str | os.PathLike[str] | bytes | None = None,
        password: str | bytes | None = None,
        server_name: str | None = None,
    ) -> None:
        if server_name is not None and not isinstance(server_name, str):
            raise TypeError(f"server_name must be a str, not {type(server_name).__name__}")
        if certificate is None and (private_key is not None or password is not None):
            raise ConfigError("private_key and password go with certificate")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks name and authority
        restrict(context)
        if ca is None:
            context.load_default_certs()
        else:
            authorities = content_of("ca", ca, AUTHORITIES_BYTES_MAX)
            if len(authorities) > AUTHORITIES_BYTES_MAX:
                raise ConfigError(f"ca has more than {AUTHORITIES_BYTES_MAX:,} bytes")
            trust(context, "ca", authorities)
        if certificate is not None:
            chain, key = content_of("certificate", certificate), b""
            if private_key is not None:
                key = content_of("private_key", private_key, is_secret=True)
            if len(chain) + len(key) > PARTS_BYTES_MAX:
                raise ConfigError(
                    f"certificate and private_key have up to {PARTS_BYTES_MAX:,} bytes together"
                )
            load_own(context, chain, key, password_of(password), whose="subscriber")
            warn_of_time(chain, "publishers with client_ca refuse this subscriber")
        self._context = context
        self._name = server_name
        self._shows = certificate is not None
        if server_name is not None:
            self.wrapping(server_name)

    def __repr__(self) -> str:
        shows = "<certificate>, <secret>, " if self._shows else ""
        return f"TlsClient({shows}server_name={self._name!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("auth.TlsClient may have a private key: it is not pickled")

    def wrapping(self, host: str) -> Callable[[], TlsRecords]:
        """What makes TLS for one connection after another to this host.

        Args:
            host: a name or an address, as it is in an endpoint.

        Raises:
            ConfigError: no certificate can have that name.
        """
        name = host if self._name is None else self._name
        name = name.partition("%")[0].removesuffix(".")  # a zone of IPv6 is of this machine alone
        made = partial(TlsRecords, self._context, name)
        try:
            made()
        except (ValueError, TypeError, ssl.SSLError):  # UnicodeError is of the first kind
            raise ConfigError(
                f"no certificate can be for {name!r}: server_name of auth.TlsClient(…) is a name "
                "that the publisher's certificate has"
            ) from None
        return made


def as_tls_client(value: object) -> TlsClient:
    """How a subscriber connects by TLS; None = with what this machine trusts.

    Raises:
        TypeError: it is nothing that says so.
    """
    if value is None:
        return TlsClient()
    if isinstance(value, TlsClient):
        return value
    more = "; give what it was made from" if isinstance(value, ssl.SSLContext) else ""
    raise TypeError(
        "tls of a subscriber must be fanout.auth.TlsClient(ca=…, certificate=…, server_name=…), "
        f"not {type(value).__name__}{more}"
    )
