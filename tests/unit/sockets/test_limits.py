"""Limits that cannot work are refused by name."""

from __future__ import annotations

from dataclasses import fields

import pytest

from fanout.errors import ConfigError
from fanout.sockets.limits import Limits


@pytest.mark.parametrize("name", [one.name for one in fields(Limits)])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "1", 1 << 41])
def test_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name):
        Limits(**{name: value})  # type: ignore[arg-type]  # that is the point


def test_defaults_are_within() -> None:
    assert Limits() == Limits()
