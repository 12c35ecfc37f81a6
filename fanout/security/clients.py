"""What a subscriber says of itself to a publisher that asks: the other side of `endpoints.py`."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NoReturn

from fanout.errors import ConfigError
from fanout.security.curve import raw_key, sodium
from fanout.security.z85 import z85_encode
from fanout.zmtp.boxes import KEY_BYTES, KeyPair
from fanout.zmtp.curve_client import CurveClient as CurveHandshake
from fanout.zmtp.errors import LocalProtocolError
from fanout.zmtp.plain import FIELD_BYTES_MAX
from fanout.zmtp.plain import PlainClient as PlainHandshake

if TYPE_CHECKING:
    from fanout.zmtp.mechanisms import Mechanism


class ClientSecurity:
    """What these have in common; see `PlainClient`, `CurveClient`. Immutable, for any thread."""

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"auth.{type(self).__name__} has something secret: it is not pickled")

    def begin(self) -> Mechanism:
        """Our side of the handshake of one connection."""
        raise NotImplementedError

    def check_place(self, endpoint: str, *, is_local: bool, by_tls: bool = False) -> None:
        """Refuse to be used there.

        Args:
            is_local: only this machine can be reached by it.
            by_tls: all of it is encrypted, and said to the right one alone.

        Raises:
            ConfigError: it is not safe, or cannot work; the text says what to do.
        """
        raise NotImplementedError


class PlainClient(ClientSecurity):
    """User and password, in clear text (RFC 24), for a publisher that has `auth.Plain`. Immutable.

    They are said to whoever answers at the endpoint, and can be read on the way: it is for loopback
    and `ipc://`, or for `tls://`.

    Args:
        user, password: 0 to 255 bytes each; `str` as UTF-8.
        on_network: connect to other machines, all the same.

    Raises:
        ConfigError: one of both is longer, or no text; what was given is not in the message.
    """

    __slots__ = ("_on_network", "_password", "_user")

    def __init__(
        self, user: str | bytes, password: str | bytes, *, on_network: bool = False
    ) -> None:
        self._user = _field("user", user)
        self._password = _field("password", password)
        self._on_network = on_network

    def __repr__(self) -> str:
        return f"PlainClient({self._user!r}, <secret>, on_network={self._on_network})"

    def begin(self) -> Mechanism:
        return PlainHandshake(self._user, self._password)

    def check_place(self, endpoint: str, *, is_local: bool, by_tls: bool = False) -> None:
        if is_local or by_tls or self._on_network:
            return
        raise ConfigError(
            f"PLAIN sends the password in clear text to whoever answers at {endpoint}: connect to "
            "loopback or ipc://, or to tls://, or say auth.PlainClient(…, on_network=True) if the "
            "network is yours"
        )


class CurveClient(ClientSecurity):
    """Keys on both sides, and everything encrypted (RFC 26), with `auth.Curve`. Immutable.

    Nobody is listened to who has not the secret key that belongs to `server_key`.

    Args:
        server_key: the public key of the publisher, as 40 characters of Z85 or 32 bytes.
        secret_key: of the subscriber, in the same forms; its public key is what the publisher knows
            it by. None = a new one for each `CurveClient`, for publishers that let in any key.

    Raises:
        ConfigError: a key is none; the text says which one, and has nothing of it.
    """

    __slots__ = ("_secret", "_server")

    def __init__(self, server_key: str | bytes, secret_key: str | bytes | None = None) -> None:
        self._server = raw_key(server_key, "server_key")
        if secret_key is None:
            secret_key = secrets.token_bytes(KEY_BYTES)
        self._secret = raw_key(secret_key, "secret_key")

    def __repr__(self) -> str:
        return f"CurveClient({z85_encode(self._server)!r}, <secret>)"

    @property
    def public_key(self) -> str:
        """What the publisher knows the subscriber by, as Z85.

        Raises:
            ConfigError: PyNaCl is not installed, or too old.
        """
        return z85_encode(sodium().public_of(self._secret))

    def begin(self) -> Mechanism:
        primitives = sodium()
        keys = KeyPair(primitives.public_of(self._secret), self._secret)
        return CurveHandshake(self._server, keys, primitives, secrets.token_bytes)

    def check_place(self, endpoint: str, *, is_local: bool, by_tls: bool = False) -> None:
        del is_local
        if by_tls:
            raise ConfigError(
                f"{endpoint} is encrypted by TLS: CURVE inside would encrypt all of it twice, and "
                "no publisher of fanout's has both; give PlainClient(…), or tls=TlsClient(…) with "
                "a certificate"
            )
        try:
            self.begin()
        except LocalProtocolError:
            raise ConfigError(f"server_key, for {endpoint}, is the public key of nobody") from None


def _field(name: str, value: object) -> bytes:
    """A user, or a password, as bytes."""
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    if not isinstance(data, bytes) or len(data) > FIELD_BYTES_MAX:
        raise ConfigError(f"{name} is no text of 0 to {FIELD_BYTES_MAX} bytes")
    return data


def as_client(value: object) -> ClientSecurity | None:
    """What a subscriber says of itself; None = nothing.

    Raises:
        TypeError: it is nothing that a subscriber has.
    """
    if value is None or isinstance(value, ClientSecurity):
        return value
    kinds = "PlainClient(…), CurveClient(…) or None"
    raise TypeError(
        f"security of a subscriber must be fanout.auth.{kinds}, not {type(value).__name__}"
    )
