"""An endpoint that asks nobody, beside one that asks: told once, if others may reach it."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from fanout.coordinator.exposure import exposed_by
from fanout.events import EventKind


class One(NamedTuple):
    endpoint: str
    asks: bool = False
    is_local: bool = False


ASKS = One("tcp://0.0.0.0:1", asks=True)
ASKS_HERE = One("tcp://127.0.0.1:2", asks=True, is_local=True)
OPEN = One("tcp://0.0.0.0:3")
OPEN_TOO = One("tcp://0.0.0.0:4")
HERE = One("ipc:///run/feed", is_local=True)


@pytest.mark.parametrize("asking", [ASKS, ASKS_HERE])
def test_it_is_told_when_the_second_of_both_is_bound(asking: One) -> None:
    for new, before in ((OPEN, [HERE, asking]), (asking, [HERE, OPEN])):
        [event] = exposed_by(new, before)
        assert event.kind is EventKind.ENDPOINT_OPEN
        assert event.reason.startswith(f"{OPEN.endpoint} asks nobody")
        assert asking.endpoint in event.reason


def test_each_open_one_is_told_of() -> None:
    [event] = exposed_by(OPEN_TOO, [ASKS, OPEN])
    assert OPEN_TOO.endpoint in event.reason
    first, second = exposed_by(ASKS, [OPEN, HERE, OPEN_TOO])
    assert OPEN.endpoint in first.reason
    assert OPEN_TOO.endpoint in second.reason


@pytest.mark.parametrize(
    ("new", "before"),
    [
        (OPEN, []),
        (ASKS, []),
        (OPEN, [OPEN_TOO, HERE]),
        (HERE, [ASKS]),
        (ASKS, [HERE, ASKS_HERE]),
        (ASKS_HERE, [OPEN, ASKS]),  # it was told when that one was bound
    ],
)
def test_nothing_else_is(new: One, before: list[One]) -> None:
    assert exposed_by(new, before) == []
