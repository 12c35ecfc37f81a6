"""What a producer has given up is logged at once, and told once."""

from __future__ import annotations

import pytest

from fanout.errors import MessageTooLarge
from fanout.faces.given_up import GivenUp


def test_it_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    given_up = GivenUp("tcp://10.0.0.7:5557")
    given_up.check()
    given_up.add(101, 100)
    given_up.add(300, 100)
    with pytest.raises(MessageTooLarge) as told:
        given_up.check()
    assert (told.value.size, told.value.limit) == (300, 100)
    given_up.check()
    assert given_up.take() == 0
    assert "a message of 101 bytes is given up: tcp://10.0.0.7:5557 takes 100" in caplog.text


def test_or_counted_once() -> None:
    given_up = GivenUp("ipc:///run/intake")
    given_up.add(101, 100)
    assert given_up.take() == 1
    assert given_up.take() == 0
    given_up.check()
