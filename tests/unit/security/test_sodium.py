"""Which versions of PyNaCl will do; what it computes is tested by vectors."""

from __future__ import annotations

import pytest

from fanout.security.sodium import PYNACL_MIN, Sodium, is_recent


def test_the_one_here_is() -> None:
    assert is_recent(Sodium().version)


@pytest.mark.parametrize(
    ("version", "recent"),
    [(PYNACL_MIN, True), ("1.6.1", False), ("1.7.0", True), ("1.7.dev1", True), ("1.5.0", False),
     ("2.0", True), ("1.10.0", True)],
)  # fmt: skip
def test_by_numbers(version: str, recent: bool) -> None:
    assert is_recent(version) is recent
