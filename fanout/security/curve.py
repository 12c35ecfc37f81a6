"""What an endpoint with CURVE asks of who connects, and what its own keys are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from fanout.errors import ConfigError
from fanout.security.endpoints import Checking, checked
from fanout.security.sodium import PYNACL_MIN, Sodium, is_recent
from fanout.security.z85 import z85_decode, z85_encode
from fanout.zmtp.boxes import KEY_BYTES

if TYPE_CHECKING:
    from fanout.security.endpoints import Check

Z85_CHARACTERS = 40  # of a key


class Curve(Checking):
    """Keys on both sides, and everything encrypted (RFC 26). Immutable; threads call the check.

    Subscribers know the public key of the publisher, and get nothing from anybody else. Each has a
    key pair of its own. See `docs/explain/security.md` for what this protects, and what not.

    Args:
        secret_key: of the publisher: 40 characters of Z85, as pyzmq has them, or 32 bytes.
        check: as that of `Plain`, with `Request.public_key`; None = whoever connects may
            subscribe, with any key.
        previous: the secret key before that one; it is served as well, until all subscribers know
            the new public key. None = there is none.

    Raises:
        ConfigError: a key is none; the text says which one, and has nothing of it. TypeError:
            `check` cannot be called.
    """

    __slots__ = ("_secrets",)
    mechanism = "CURVE"
    protocol = "zmtp+curve"

    def __init__(
        self,
        secret_key: str | bytes,
        check: Check | None = None,
        *,
        previous: str | bytes | None = None,
    ) -> None:
        self._secrets = [raw_key(secret_key, "secret_key")]
        if previous is not None:
            self._secrets.append(raw_key(previous, "previous"))
        self._check = None if check is None else checked(check, "auth.Curve")

    def __repr__(self) -> str:
        return f"Curve(<secret>, {self._check!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("auth.Curve has a secret key: it is not pickled")

    @property
    def public_key(self) -> str:
        """What subscribers have to know, as Z85.

        Raises:
            ConfigError: PyNaCl is not installed, or too old.
        """
        return z85_encode(sodium().public_of(self._secrets[0]))

    def secrets(self) -> list[bytes]:
        return list(self._secrets)

    def check_place(self, endpoint: str, *, is_local: bool) -> None:
        del endpoint, is_local
        sodium()


def sodium() -> Sodium:
    """The primitives.

    Raises:
        ConfigError: PyNaCl is not installed, or too old.
    """
    install = f"pip install 'fanout-zmq[curve]' (PyNaCl {PYNACL_MIN} or later)"
    try:
        made = Sodium()
    except ImportError as error:
        raise ConfigError(f"CURVE needs PyNaCl, which cannot be imported: {install}") from error
    if not is_recent(made.version):
        raise ConfigError(f"CURVE needs a later PyNaCl than {made.version}: {install}")
    return made


def raw_key(key: object, name: str) -> bytes:
    """A key as 32 bytes.

    Args:
        name: of the argument, for people.

    Raises:
        ConfigError: it is none; the text has nothing of it.
    """
    try:
        if isinstance(key, bytes) and len(key) == KEY_BYTES:
            return key
        if isinstance(key, str | bytes):
            text = key.decode("ascii") if isinstance(key, bytes) else key
            if len(text) == Z85_CHARACTERS:
                return z85_decode(text)
    except ValueError:
        pass
    size = f", of {len(key)}" if isinstance(key, str | bytes) else ""
    raise ConfigError(
        f"{name} is no key: 40 characters of Z85, or {KEY_BYTES} bytes; "
        f"this is of type {type(key).__name__}{size}"
    ) from None
