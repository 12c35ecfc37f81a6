"""What a subscriber can connect to."""

from __future__ import annotations

import pytest

from fanout.errors import ConfigError
from fanout.subscriber.settings import endpoint_of


@pytest.mark.parametrize("endpoint", ["tcp://*:1", "tcp://127.0.0.1:*", "tcp://h:0", "ipc://*"])
def test_a_subscriber_cannot_connect_to_everywhere(endpoint: str) -> None:
    with pytest.raises(ConfigError):
        endpoint_of(endpoint)


def test_the_examples_are_such_as_one_can_connect_to() -> None:
    with pytest.raises(ConfigError, match=r"tcp://127\.0\.0\.1:5556") as refusal:
        endpoint_of("tcp://127.0.0.1")
    assert "*" not in str(refusal.value)
