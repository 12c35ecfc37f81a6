"""A host name that can be none is refused by whatever takes an endpoint, and nothing is begun."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import fanout.asyncio
from fanout import ConfigError, Producer, Publisher, Subscriber
from fanout.sockets import Push
from tests.helpers.command import Command

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ("a..b", f"{'x' * 64}.example")
TEXT = "the host name|a part of the host name"


@pytest.mark.parametrize("name", NAMES)
def test_it_is_refused(name: str) -> None:
    endpoint = f"tcp://{name}:5556"
    takers: list[Callable[[str], object]]
    with Publisher(workers=1, log_bytes=1 << 20) as publisher, Push() as push:
        takers = [publisher.bind, publisher.ingest, publisher.answer, push.bind, push.connect]
        takers += [Subscriber, Producer, fanout.asyncio.Subscriber, fanout.asyncio.Producer]
        for taker in takers:
            with pytest.raises(ConfigError, match=TEXT):
                taker(endpoint)
        assert publisher.endpoints == ()


@pytest.mark.parametrize("name", NAMES)
def test_the_command_says_so(name: str) -> None:
    with Command("sub", f"tcp://{name}:5556") as command:
        assert command.wait() == 2
        assert "the host name" in "\n".join(command.error_lines)
