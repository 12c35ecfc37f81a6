"""For the tests of the command line."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from fanout.cli.stopping import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """Who was asked to end keeps its handlers: its process is to end."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
