"""A place for socket files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short, empty directory that is the temporary and the current one; empty at the end too."""
    with tempfile.TemporaryDirectory(prefix="f-") as name:
        monkeypatch.setattr(tempfile, "tempdir", name)
        monkeypatch.chdir(name)
        yield Path(name)
        monkeypatch.undo()
