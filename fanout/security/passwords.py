"""Passwords, kept as what scrypt makes of them (RFC 7914): they cannot be read back."""

from __future__ import annotations

from collections.abc import Mapping

from fanout.errors import ConfigError
from fanout.security.verdicts import Allow, Deny, Request, Verdict

# A guess costs 16 MiB and some 50 ms of a core: what RFC 7914 and OWASP give for logins.
COST, BLOCK_BYTES, PARALLEL = 2**14, 8, 1
SALT_BYTES, HASH_BYTES = 16, 32
_SCHEME = "scrypt"
_MEMORY_MAX = 64 * 1024 * 1024  # of one check; a file that asks for more is a mistake


def hash_password(password: str) -> str:
    """What may be stored of a password: "scrypt$16384$8$1$salt$hash", the last two in hex.

    Args:
        password: up to 255 bytes as UTF-8, which is what PLAIN can carry.

    Raises:
        ConfigError: it is longer, or empty.
        TypeError: it is no text.
    """
    import secrets

    if not isinstance(password, str):
        raise TypeError(f"password must be a str, not {type(password).__name__}")
    if not password:
        raise ConfigError("an empty password would let in whoever knows the name of the user")
    secret = password.encode("utf-8", "surrogateescape")
    if len(secret) > 255:
        raise ConfigError("a password of PLAIN has up to 255 bytes")
    salt = secrets.token_bytes(SALT_BYTES)
    made = _derive(secret, salt, COST, BLOCK_BYTES, PARALLEL)
    return "$".join((_SCHEME, str(COST), str(BLOCK_BYTES), str(PARALLEL), salt.hex(), made.hex()))


class Passwords:
    """Lets in who has the right password; for `Plain`. Immutable, usable from any thread.

    Who is not known takes as long to refuse as who is wrong.

    Args:
        stored: user -> what `hash_password` has made of the password.

    Raises:
        ConfigError: something that is stored was made by nothing of the kind. The text names the
            user, and has nothing of what is stored. TypeError: it is no mapping.
    """

    __slots__ = ("_nobody", "_stored")

    def __init__(self, stored: Mapping[str, str]) -> None:
        if not isinstance(stored, Mapping):
            raise TypeError(
                "auth.Passwords takes a dict, user -> what hash_password() has made of the "
                f"password, not {type(stored).__name__}; auth.load_passwords(path) reads a file"
            )
        self._stored = {user: _parsed(user, text) for user, text in stored.items()}
        # Compared with for who is not known: as costly as the others.
        costs = [(cost, block, parallel) for cost, block, parallel, _, _ in self._stored.values()]
        dearest = max(costs, default=(COST, BLOCK_BYTES, PARALLEL))
        self._nobody = (*dearest, bytes(SALT_BYTES), bytes(HASH_BYTES))

    def __repr__(self) -> str:
        return f"<Passwords of {len(self._stored)} users>"

    def __call__(self, request: Request) -> Verdict:
        """Judge a request."""
        import hmac

        known = self._stored.get(request.username)
        cost, block, parallel, salt, expected = known or self._nobody
        secret = request.password.encode("utf-8", "surrogateescape")
        made = _derive(secret, salt, cost, block, parallel)
        is_right = hmac.compare_digest(made, expected)
        if known is not None and is_right:
            return Allow(request.username)
        return Deny("wrong user or password")


def _derive(secret: bytes, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    import hashlib

    return hashlib.scrypt(
        secret, salt=salt, n=cost, r=block, p=parallel, maxmem=2 * _MEMORY_MAX, dklen=HASH_BYTES
    )


def _parsed(user: str, text: str) -> tuple[int, int, int, bytes, bytes]:
    try:
        scheme, *numbers, salt, made = text.split("$")
        cost, block, parallel = map(int, numbers)
        parts = cost, block, parallel, bytes.fromhex(salt), bytes.fromhex(made)
        is_right = (
            scheme == _SCHEME
            and cost > 1
            and cost & (cost - 1) == 0
            and min(block, parallel) > 0
            and 128 * cost * block * parallel <= _MEMORY_MAX
            and len(parts[4]) == HASH_BYTES
        )
    except (ValueError, AttributeError):
        is_right = False
    if not is_right:
        raise ConfigError(f"the password of {user!r} was not made by auth.hash_password()")
    return parts
