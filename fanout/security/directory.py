"""Allowed public keys in a directory of certificates, which may change at any time."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fanout.security.certificates import read_directory
from fanout.security.verdicts import Allow, Deny, as_prefixes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fanout.security.verdicts import Request, Verdict

_logger = logging.getLogger("fanout")

LOOK_EACH = 1.0  # seconds; it is not looked at more often, however many ask


class Directory:
    """Lets in who has a key of which there is a certificate; for `Curve`. Usable from any thread.

    The directory is looked at again when somebody asks, once a second at most; certificates that
    have come are known then, and those that are gone are not. If it cannot be read, the check
    fails, and who asks is put off.

    Args:
        path: of certificates, *.key; see `create_certificates`.
        rules: user -> prefixes of the topics that he may have; who is not among them has all.

    Raises:
        ConfigError: it cannot be read, or a file is no certificate.
        TypeError, ValueError: rules are no mapping, or one of them is no rule.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        rules: Mapping[str, Iterable[str | bytes]] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        if rules is not None and not isinstance(rules, Mapping):
            raise TypeError(
                f"rules of auth.Directory are a dict, user -> prefixes, not {type(rules).__name__}"
            )
        self._rules = {user: as_prefixes(rule) for user, rule in (rules or {}).items()}
        self._clock = clock
        self._lock = threading.Lock()
        self._users: dict[str, str] = {}  # by key
        self._looked_at = 0.0
        self._seen: tuple[object, ...] | None = None
        self._look()

    def __repr__(self) -> str:
        return f"<Directory {self._path} of {len(self._users)} keys>"

    def __call__(self, request: Request) -> Verdict:
        """Judge a request.

        Raises:
            ConfigError: the directory cannot be read any more, or has what is no certificate.
        """
        with self._lock:
            if self._clock() - self._looked_at >= LOOK_EACH:
                self._look()
            user = self._users.get(request.public_key)
        if user is None:
            return Deny("unknown key")
        return Allow(user, subscribe=self._rules.get(user))

    def _look(self) -> None:
        """Read it again if anything in it has changed."""
        found = self._state()
        if found != self._seen:
            certificates = read_directory(self._path)
            self._users = {one.public: one.metadata.get("name", one.public) for one in certificates}
            self._seen = found
            if not certificates:
                _logger.warning("%s has no certificate: nobody is let in before it has", self._path)
        self._looked_at = self._clock()

    def _state(self) -> tuple[object, ...]:
        """What changes when a file comes, goes, or is written to."""
        try:
            with os.scandir(self._path) as entries:
                files = _keys_among(entries)
        except OSError:
            return (object(),)  # like nothing before: reading it says what is wrong
        return (*sorted((name, at.st_mtime_ns, at.st_size, at.st_ino) for name, at in files),)


def _keys_among(entries: Iterable[os.DirEntry[str]]) -> list[tuple[str, os.stat_result]]:
    return [(one.name, one.stat()) for one in entries if one.name.endswith(".key")]
