"""stunnel with the recipe of the documentation, for stock sockets that have no TLS."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Self

import pytest

from tests.helpers.certificates import AUTHORITY
from tests.helpers.lines import Lines
from tests.helpers.pages import ROOT, blocks, section
from tests.helpers.tls import NAME
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

NAMES = ("stunnel4", "stunnel")
HOWTO = ROOT / "docs" / "howto" / "security.md"
# What the recipe leaves to who starts it: here it stays with the test, and says all it does.
AROUND = "foreground = yes\npid =\nsyslog = no\ndebug = info\n"
_BOUND = re.compile(r"bound to (127\.0\.0\.1:\d+)")


def recipe() -> str:
    """The configuration that the documentation gives to who has a stock SUB."""
    page = section(HOWTO.read_text("utf-8"), "TLS")
    [block] = [one.text for one in blocks(page) if one.language == "ini"]
    return block


def filled_in(endpoint: str, authority: Path, host: str) -> str:
    """The recipe for this publisher.

    Raises:
        AssertionError: it has no such line any more.
    """
    text = recipe()
    for key, value in {
        "accept": "127.0.0.1:0",
        "connect": endpoint.removeprefix("tls://"),
        "CAfile": str(authority),
        "checkHost": host,
    }.items():
        text, count = re.subn(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
        assert count == 1, f"the recipe has {count} lines with {key}"
    return text


class Stunnel:
    """A running one; without a stunnel on this machine the test is skipped.

    Args:
        endpoint: of a publisher, `tls://` with an address.
        folder: for its files.
        host: that the certificate of the publisher must have.

    Attributes:
        endpoint: where stock sockets connect to.
    """

    endpoint: str

    def __init__(self, endpoint: str, folder: Path, host: str = NAME) -> None:
        found = next(filter(None, map(shutil.which, NAMES)), None)
        if found is None:
            pytest.skip("there is no stunnel")
        authority = folder / "ca.pem"
        authority.write_bytes(AUTHORITY)
        self._file = folder / "stunnel.conf"
        self._file.write_text(AROUND + filled_in(endpoint, authority, host))
        self._command = [found, str(self._file)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._process.stdout is not None
        self._lines = Lines(self._process.stdout)
        try:
            self.endpoint = f"tcp://{self.wait_for(_BOUND)[1]}"
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._lines.join(DEADLINE_S)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def wait_for(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Wait until it says this."""
        return self._lines.first(pattern.search)
