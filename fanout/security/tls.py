"""What encrypts a `tls://` endpoint: certificate and key, and who may connect by a certificate.

The encryption is done by workers, which are processes of their own, and an `ssl.SSLContext` cannot
leave the process that it was made in. So an endpoint is given what one is made from: that is handed
to the workers over their control channels, as secret keys of CURVE are, and each makes its own.
"""

from __future__ import annotations

import os
import ssl
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from fanout.basics.descriptors import standard_taken
from fanout.basics.system_calls import needed
from fanout.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.security.certified import Certified
    from fanout.security.endpoints import Check

PARTS_BYTES_MAX = 64 * 1024  # of all of it: it goes to a worker in one message
PASSWORD_BYTES_MAX = 1024  # OpenSSL has no room for more
_OTHERS = 0o007  # of the mode of a file: groups such as `ssl-cert` are meant to read keys
_KEY = b"PRIVATE KEY-----"  # in all forms of PEM that there are, encrypted or not
_DESCRIPTORS = "/proc/self/fd"
# By what keys are agreed on: by this alone, which who speaks TLS 1.3 has to know (RFC 8446, 9.1).
# Before OpenSSL 3.5 a client may choose any group, and one of 8,192 bits takes 120 ms of a worker,
# in which nobody else is served; this takes 0.3 ms.
GROUP = "prime256v1"
_SLOW_BEFORE = (3, 5)
_VERSIONS = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
_USUAL = b"", b"%d" % ssl.TLSVersion.TLSv1_2
STRENGTH_BITS_MIN = 112  # of a cipher, as OpenSSL counts them: those without encryption have 0


class Tls:
    """What a publisher needs for a `tls://` endpoint. Immutable, usable from any thread.

    TLS 1.2 and 1.3, as the OpenSSL of this Python has them, without renegotiation, tickets and
    early data. It is read once, when this is made: for a new certificate bind anew with another.

    Args:
        certificate: a file in PEM, or what is in one as bytes: that of the publisher, and those
            that it is signed by after it.
        private_key: the same with its key; None = it is beside the certificate.
        client_ca: the same with the certificates by which those of subscribers must be signed: who
            shows none is refused; its common name is its user. None = subscribers are asked for
            none.
        check: with `client_ca`, says of each who may subscribe, and what, as that of `Plain` does;
            its request has `username` and `certificate`. None = all may. With a mechanism inside
            that asks, as `Plain`, that one says it, and there is none here.
        password: of the private key, if that is encrypted.
        ciphers: for TLS 1.2, in the words of OpenSSL; None = those of this Python.
        minimum_version: that a subscriber must speak, `TLSVersion.TLSv1_2` or `TLSv1_3`.

    Raises:
        ConfigError: one cannot be read, or is of no use; the text has nothing of what is in it.
        TypeError: an argument is of a wrong type. OSError: the system refuses what that needs.
    """

    __slots__ = ("_check", "_parts")

    def __init__(
        self,
        certificate: str | os.PathLike[str] | bytes,
        private_key: str | os.PathLike[str] | bytes | None = None,
        *,
        client_ca: str | os.PathLike[str] | bytes | None = None,
        check: Check | None = None,
        password: str | bytes | None = None,
        ciphers: str | None = None,
        minimum_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    ) -> None:
        if check is not None and client_ca is None:
            raise ConfigError("check judges by certificates: it goes with client_ca")
        self._check = check
        if check is not None:
            from fanout.security.endpoints import checked  # workers load this, and judge nobody

            checked(check, "auth.Tls")
        chain = content_of("certificate", certificate)
        key = b"" if private_key is None else content_of("private_key", private_key, is_secret=True)
        authority = b"" if client_ca is None else content_of("client_ca", client_ca)
        if client_ca is not None and not authority.strip():
            raise ConfigError("client_ca has no certificate: with it, nobody could connect")
        terms = _ciphers_of(ciphers), _version_of(minimum_version)
        self._parts = [chain, key, authority, password_of(password), *terms]
        if sum(map(len, self._parts)) > PARTS_BYTES_MAX:
            raise ConfigError(
                f"certificates and key have up to {PARTS_BYTES_MAX:,} bytes together: give the "
                "authorities that are needed, and no bundle of all"
            )
        context_of(self._parts)
        warn_of_time(chain, "subscribers that check it refuse this publisher")

    def __repr__(self) -> str:
        return f"Tls(<certificate>, <secret>{', client_ca=…' if self.asks else ''})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("auth.Tls has a private key: it is not pickled")

    @property
    def asks(self) -> bool:
        """Whether subscribers have to show a certificate."""
        return bool(self._parts[2])

    @property
    def judge(self) -> Certified | None:
        """Who says of each that shows a certificate whether it may subscribe; None = none is shown.

        For what has no other mechanism inside.
        """
        from fanout.security.certified import Certified  # as above

        return Certified(self._check) if self.asks else None

    @property
    def has_check(self) -> bool:
        """Whether its program says who may subscribe."""
        return self._check is not None

    def secrets(self) -> list[bytes]:
        """What workers need for it; see `context_of()`."""
        return list(self._parts)


def as_tls(value: object) -> Tls | None:
    """What encrypts an endpoint; None = nothing.

    Raises:
        TypeError: it is none.
    """
    if value is None or isinstance(value, Tls):
        return value
    if isinstance(value, ssl.SSLContext):
        raise TypeError(
            "tls cannot be an ssl.SSLContext: that stays in this process, and workers encrypt; "
            "give what it was made from, fanout.auth.Tls(certificate, private_key, client_ca=…, "
            "ciphers=…, minimum_version=…)"
        )
    raise TypeError(f"tls must be fanout.auth.Tls(…), not {type(value).__name__}")


def context_of(parts: list[bytes]) -> ssl.SSLContext:
    """A server's context: what a process needs for its connections.

    Args:
        parts: chain, private key, authorities of clients and password, each empty if there is
            none; and ciphers, empty = the usual ones, and the lowest version, unless these two are
            left out.

    Raises:
        ConfigError: they are of no use; the text has nothing of them. OSError: the system has no
            memory, or no descriptor.
    """
    chain, key, authority, password, *terms = parts
    ciphers, version = terms or _USUAL
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    restrict(context)
    context.minimum_version = ssl.TLSVersion(int(version))
    context.num_tickets = 0
    if ciphers:
        _choose(context, ciphers.decode())
    if ssl.OPENSSL_VERSION_INFO < _SLOW_BEFORE:
        context.set_ecdh_curve(GROUP)
    load_own(context, chain, key, password, whose="publisher")
    if authority:
        trust(context, "client_ca", authority)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _choose(context: ssl.SSLContext, ciphers: str) -> None:
    try:
        context.set_ciphers(ciphers)
    except ssl.SSLError:
        raise ConfigError(f"ciphers: OpenSSL has none that are {ciphers!r}") from None
    for each in context.get_ciphers():
        if each["strength_bits"] < STRENGTH_BITS_MIN or "Au=None" in each["description"]:
            raise ConfigError(f"ciphers: with {each['name']} anybody could read or change it")


def restrict(context: ssl.SSLContext) -> None:
    """Leave out of TLS what nobody here has use for, on either side."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION


def load_own(
    context: ssl.SSLContext, chain: bytes, key: bytes, password: bytes, *, whose: str
) -> None:
    """Have a side show this certificate.

    Args:
        chain, key, password: as they are in `context_of()`.
        whose: which side it is, for a refusal.

    Raises:
        ConfigError: they are of no use; the text has nothing of them. OSError: as `context_of()`.
    """
    try:
        with _file_of(chain + b"\n" + key) as path:
            # Without a password to give OpenSSL would ask for one at the terminal.
            context.load_cert_chain(path, password=lambda: password)
    except ssl.SSLError as error:
        raise ConfigError(
            _refusal(error.reason or "", whose, chain + key, has_word=bool(password))
        ) from None
    except FileNotFoundError:
        raise ConfigError("OpenSSL reads certificates from files alone: mount /proc") from None


def trust(context: ssl.SSLContext, name: str, authorities: bytes) -> None:
    """Have a side take certificates that are signed by one of these.

    Args:
        name: of the argument, for a refusal.

    Raises:
        ConfigError: there is none in it.
    """
    try:
        # Between the certificates may be names of any language.
        context.load_verify_locations(cadata=authorities.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError):
        raise ConfigError(f"{name} has no certificates in PEM") from None
    # Who is signed by one of these is trusted, though somebody else has signed that one.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN


def warn_of_time(chain: bytes, consequence: str) -> None:
    """Warn that one of these certificates is not valid now; for the constructor of a user's object.

    Args:
        chain: in PEM.
        consequence: of that.
    """
    # Workers load this module, and warn nobody.
    from datetime import UTC, datetime

    from fanout.security.validity import objection

    text = objection(chain, datetime.now(UTC))
    if text:
        warnings.warn(f"{text}: {consequence}", stacklevel=3)


def _ciphers_of(value: object) -> bytes:
    if value is None:
        return b""
    if not isinstance(value, str):
        raise TypeError(f"ciphers must be a str, not {type(value).__name__}")
    if not (value and value.isascii() and value.isprintable()):
        raise ConfigError(f"ciphers must be as 'ECDHE+AESGCM', not {value[:100]!r}")
    return value.encode()


def _version_of(value: object) -> bytes:
    if not isinstance(value, ssl.TLSVersion):
        raise TypeError(f"minimum_version must be an ssl.TLSVersion, not {type(value).__name__}")
    if value not in _VERSIONS:
        raise ConfigError("minimum_version is TLSVersion.TLSv1_2 or TLSv1_3: others are not spoken")
    return b"%d" % value


def password_of(value: object) -> bytes:
    """The password of a private key, as bytes; empty = it has none.

    Raises:
        TypeError, ConfigError: it is none.
    """
    word = value.encode() if isinstance(value, str) else value or b""
    if not isinstance(word, bytes):
        raise TypeError(f"password must be str or bytes, not {type(word).__name__}")
    if len(word) > PASSWORD_BYTES_MAX:
        raise ConfigError(f"password has up to {PASSWORD_BYTES_MAX:,} bytes")
    return word


def content_of(
    name: str, value: object, bytes_max: int = PARTS_BYTES_MAX, *, is_secret: bool = False
) -> bytes:
    """What is in a file, or is given as it is.

    Args:
        name: of the argument, for a refusal.
        bytes_max: more of a file is not read; it is one byte more then.
        is_secret: a warning tells if others can read the file.

    Raises:
        ConfigError: the file cannot be read. TypeError: it is no path, and no bytes.
    """
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str | os.PathLike):
        raise TypeError(
            f"{name} must be the path of a file in PEM, or bytes, not {type(value).__name__}"
        )
    try:
        with Path(value).open("rb") as file:
            data = file.read(bytes_max + 1)
            mode = os.fstat(file.fileno()).st_mode
    except (OSError, ValueError) as error:
        text = error.strerror if isinstance(error, OSError) else "no path"
        raise ConfigError(f"{name}: {os.fspath(value)!r}: {text}") from None
    if (is_secret or _KEY in data) and mode & _OTHERS:
        warnings.warn(f"{value}: anybody can read this private key: chmod 600", stacklevel=3)
    return data


@contextmanager
def _file_of(data: bytes) -> Iterator[str]:
    """The path of a file with this, which is on no disk; OpenSSL reads certificates from files."""
    with (
        standard_taken(),
        needed("memfd_create", "has a private key for OpenSSL, which is on no disk"),
    ):
        descriptor = os.memfd_create("fanout", os.MFD_CLOEXEC)
    with open(descriptor, "wb", buffering=0) as file:
        file.write(data)
        yield f"{_DESCRIPTORS}/{descriptor}"


def _refusal(reason: str, whose: str, pem: bytes, *, has_word: bool) -> str:
    if b"CERTIFICATE-----" not in pem:
        return "certificate has none in PEM: it is the path of such a file, or its content as bytes"
    if _KEY not in pem:
        return "there is no private key: give private_key, or a certificate file that has both"
    if reason == "KEY_VALUES_MISMATCH":
        return "the private key does not belong to the certificate"
    if b"ENCRYPTED" in pem:  # in both forms that there are, in clear text
        wanted = "another password" if has_word else "password=…"
        return f"the private key is encrypted, and cannot be read: it needs {wanted}"
    words = reason.lower().replace("_", " ")
    return (
        f"certificate and private key cannot be used: they must be in PEM, the {whose}'s own "
        f"certificate first{f' (OpenSSL: {words})' if words else ''}"
    )
