"""What an endpoint asks of who connects, and by what it is encrypted: whether these go together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fanout.control.judging import with_tls
from fanout.errors import ConfigError
from fanout.security.endpoints import as_security

if TYPE_CHECKING:
    from fanout.security.endpoints import Security
    from fanout.security.tls import Tls

SCHEME = "tls://"


class EndpointTerms(NamedTuple):
    """Both of them; see `of()`."""

    security: Security
    tls: Tls | None

    @classmethod
    def of(cls, endpoint: object, security: object, tls: object) -> EndpointTerms:
        """What users pass, for this endpoint.

        Raises:
            TypeError, ConfigError: it is no such thing, or they do not go together.
        """
        found = as_security(security)
        if tls is None:
            if isinstance(endpoint, str) and endpoint.startswith(SCHEME):
                raise ConfigError(
                    f"{endpoint!r} needs a certificate: give tls=fanout.auth.Tls(certificate, "
                    "private_key), of Publisher() or bind(); ingest() and answer() take tcp:// and "
                    "ipc:// alone"
                )
            return cls(found, None)
        from fanout.security.tls import as_tls  # some ms: where nobody has it, it is not loaded

        given = as_tls(tls)
        if not (isinstance(endpoint, str) and endpoint.startswith(SCHEME)):
            raise ConfigError(f"tls is for {SCHEME} endpoints, as 'tls://*:5556', not {endpoint!r}")
        if found.secrets():
            raise ConfigError(
                f"{endpoint!r} is encrypted by TLS: CURVE inside would encrypt all of it twice; "
                "give Plain(…), or client_ca to auth.Tls(…)"
            )
        if found.asks and given is not None and given.has_check:
            raise ConfigError(
                f"{endpoint!r} has two checks: auth.Tls(check=…) is for endpoints whose security "
                "asks nobody, and Plain(…) has its own"
            )
        return cls(found, given)

    @property
    def asks(self) -> bool:
        """Whether nobody is served of whom nothing is known."""
        return self.security.asks or (self.tls is not None and self.tls.asks)

    @property
    def judge(self) -> Security | None:
        """Who says of each that comes whether it may subscribe; None = all may."""
        if self.security.asks:
            return self.security
        return None if self.tls is None else self.tls.judge

    @property
    def protocol(self) -> str:
        """What is spoken on its connections."""
        inside = self.security.protocol
        return inside if self.tls is None else with_tls(inside)

    @property
    def secrets(self) -> list[bytes]:
        """What workers need for it."""
        return self.security.secrets() if self.tls is None else self.tls.secrets()

    def check_place(self, endpoint: str, *, is_local: bool) -> None:
        """As `Security.check_place()`; what is encrypted nobody else can read, wherever it is.

        Raises:
            ConfigError: it is not safe there.
        """
        self.security.check_place(endpoint, is_local=is_local or self.tls is not None)
