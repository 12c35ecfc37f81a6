"""Leftovers: a worker removes the files that are there, and none that were taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

from fanout.control.leftovers import LeftFile
from fanout.workers.connections import leftovers

if TYPE_CHECKING:
    import pytest


def test_the_last_that_was_said_of_a_file_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    remove = mock.Mock()
    monkeypatch.setattr(leftovers, "remove_left", remove)
    left = leftovers.Leftovers()
    old, new, gone = [b"again", b"1", b""], [b"again", b"2", b"in"], [b"gone", b"3", b""]
    for file, is_there in ((old, True), (gone, True), (gone, False), (gone, False), (new, True)):
        left.note(LeftFile(file, is_there))
    left.remove()
    left.remove()

    assert remove.mock_calls == [mock.call(*new)]
