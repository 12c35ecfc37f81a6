"""`fanout sub`: what it can connect to."""

from __future__ import annotations

import pytest

from fanout.cli.sub.command import parse_target
from fanout.errors import ConfigError


@pytest.mark.parametrize("endpoint", ["tcp://*:1", "tcp://127.0.0.1:*", "tcp://h:0", "ipc://*"])
def test_a_subscriber_cannot_connect_to_everywhere(endpoint: str) -> None:
    with pytest.raises(ConfigError):
        parse_target(endpoint)
