"""The first message of a blocking socket: a call that is awaited is refused, and does nothing."""

from __future__ import annotations

import asyncio
import weakref
from contextlib import closing
from typing import Any

import pytest

from fanout.sockets import Pull, Push
from fanout.sockets.first import FirstRole


class Role:
    """What of one is asked for here."""

    has_room_again = True

    def prepare(self, frames: list[bytes]) -> list[bytes]:
        return frames


class Socket:
    """Has a role."""

    def __init__(self, role: Any) -> None:
        self._role: Any = FirstRole(weakref.ref(self), role)


def test_it_is_as_the_role_and_makes_place_for_it_at_the_first_message() -> None:
    role = Role()
    socket = Socket(role)
    assert socket._role.has_room_again
    with pytest.raises(AttributeError, match="xyzzy"):
        _ = socket._role.xyzzy
    assert socket._role is not role
    assert socket._role.prepare([b"x"]) == [b"x"]
    assert socket._role is role


def test_what_is_awaited_is_neither_sent_nor_taken() -> None:
    async def main(push: Any, pull: Any) -> None:
        for _ in range(3):
            with pytest.raises(TypeError, match=r"blocks, and send\(\) is not awaited: leave out"):
                await push.send(b"x")
            with pytest.raises(TypeError, match=r"recv\(\) is not awaited.* fanout\.sockets\.asyn"):
                await pull.recv()
            with pytest.raises(TypeError, match=r"drain\(\) is not awaited"):
                await push.drain()
            with pytest.raises(TypeError, match=r"bind\(\) is not awaited"):
                await push.bind("tcp://127.0.0.1:*")
            with pytest.raises(TypeError, match=r"wait_for_peers\(\) is not awaited"):
                await pull.wait_for_peers()
            with pytest.raises(TypeError, match=r"stop\(\) is not awaited"):
                await pull.stop()
        push.connect("tcp://127.0.0.1:1")
        push.send(b"first")
        assert push.statistics().outbox == 1
        assert not push.closed
        assert not pull.closed

    with closing(Pull()) as pull, closing(Push()) as push:
        asyncio.run(main(push, pull))
        push.stop()
