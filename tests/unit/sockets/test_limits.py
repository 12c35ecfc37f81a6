"""Limits that cannot work are refused by name."""

from __future__ import annotations

from dataclasses import fields

import pytest

from fanout.errors import ConfigError
from fanout.sockets.limits import Limits


@pytest.mark.parametrize("name", [one.name for one in fields(Limits)])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "x", "", "0", 1 << 41])
def test_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name):
        Limits(**{name: value})  # type: ignore[arg-type]  # that is the point


def test_sizes_may_be_text() -> None:
    limits = Limits(outbox_bytes="1K", inbox_bytes="64M", max_message_bytes="2 MiB")
    assert (limits.outbox_bytes, limits.inbox_bytes) == (1024, 64 << 20)
    assert limits.max_message_bytes == 2 << 20
    with pytest.raises(ConfigError, match=r"or a size such as '64M', not '64X'"):
        Limits(inbox_bytes="64X")
    with pytest.raises(ConfigError, match="max_peers must be 1 to 1,099,511,627,776, not '64M'"):
        Limits(max_peers="64M")  # type: ignore[arg-type]  # it is no size


def test_defaults_are_within() -> None:
    assert Limits() == Limits()
