"""Limits that cannot work are refused by name."""

from __future__ import annotations

from dataclasses import fields

import pytest

from fanout.errors import ConfigError
from fanout.sockets.limits import Limits

NAMES = [one.name for one in fields(Limits) if one.name != "max_connects_per_address"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "x", "", "0", 1 << 41])
def test_refused(name: str, value: object) -> None:
    if value == 0 and name.endswith("_per_address") and value is not False:
        return  # that is half of the others
    with pytest.raises(ConfigError, match=name):
        Limits(**{name: value})  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize(
    ("value", "error"),
    [(0.0, ConfigError), (2e6, ConfigError), (True, TypeError), ("1", TypeError)],
)
def test_a_rate_that_cannot_be(value: float, error: type[Exception]) -> None:
    with pytest.raises(error, match="max_connects_per_address"):
        Limits(max_connects_per_address=value)


def test_one_address_has_half_of_all_and_half_of_that_in_handshakes() -> None:
    assert Limits().places == (1024, (512, 256, 500.0, "max_connections_per_address"))
    limits = Limits(
        max_peers=9,
        max_connections_per_address=8,
        max_half_open_per_address=7,
        max_connects_per_address=6,
    )
    assert limits.places == (9, (8, 7, 6, "max_connections_per_address"))


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
