"""Fails a test in whose output, or that of what it has started, a secret is found.

A secret is what `fanout.auth` was given as one in this process since it began: keys, passwords, and
what is private of certificates. It is looked for in all that a test and its children have written
to standard output and error, and in what was logged, in the forms in which a mistake would show it.
What a test has read back itself (`capsys.readouterr()`) is not looked at: it judges that by itself.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import pytest

from fanout.security.clients import CurveClient, PlainClient
from fanout.security.curve import Curve
from fanout.security.tls import Tls
from fanout.security.z85 import z85_encode
from fanout.zmtp.boxes import KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from typing import TypeAlias

    SecretOf: TypeAlias = Callable[[Any], Iterable[bytes]]

SHORTEST = 8  # what is shorter is found by chance: the passwords of some tests are one letter


class Secrets:
    """What must not be seen, as texts; mutable state: those that are known."""

    def __init__(self) -> None:
        self.known: set[str] = set()

    def know(self, secret: bytes) -> None:
        """In all its forms."""
        if len(secret) < SHORTEST:
            return
        shown = repr(secret)[2:-1]
        self.known.update((shown, secret.hex(), secret.decode("latin-1")))
        if len(secret) == KEY_BYTES:
            self.known.add(z85_encode(secret))

    def found_in(self, texts: Iterable[tuple[str, str]]) -> list[str]:
        """The names of those texts that have a secret in them."""
        return [name for name, text in texts if any(secret in text for secret in self.known)]


def _heard(secrets: Secrets, method: Callable[..., Any], secret_of: SecretOf) -> Any:
    """In place of a method: what is secret is known after its call."""

    @wraps(method)
    def does(self: object, *arguments: Any, **keywords: Any) -> Any:
        returned = method(self, *arguments, **keywords)
        for secret in secret_of(self if returned is None else returned):
            secrets.know(secret)
        return returned

    return does


def _lines(parts: list[bytes]) -> list[bytes]:
    """Those of a private key in PEM that are the key."""
    return [line for line in parts[1].splitlines() if not line.startswith(b"-----")]


SECRETS = pytest.StashKey[Secrets]()
# Where each has its secrets. Those of TLS are asked for when somebody is to have them: a warning of
# its constructor names the line that has called it, so nothing may be put between the two.
KEEPERS: tuple[tuple[type, str, SecretOf], ...] = (
    (Curve, "__init__", lambda curve: curve.secrets()),
    (CurveClient, "__init__", lambda client: [client._secret]),
    (PlainClient, "__init__", lambda client: [client._password]),
    (Tls, "secrets", _lines),
)


def pytest_configure(config: pytest.Config) -> None:
    """Hear of each secret from now on."""
    secrets = config.stash[SECRETS] = Secrets()
    for keeper, name, secret_of in KEEPERS:
        setattr(keeper, name, _heard(secrets, getattr(keeper, name), secret_of))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look through the output of each part of a test that has passed."""
    report = yield
    # A report has what the parts before it wrote as well, which was looked through already.
    new = [(name, text) for name, text in report.sections if name.endswith(f" {report.when}")]
    if report.passed and (names := item.config.stash[SECRETS].found_in(new)):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: something secret is in its {', '.join(names)}"
    return report
