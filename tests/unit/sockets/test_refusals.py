"""What a socket is not, and says so."""

from __future__ import annotations

import asyncio
import copy
import pickle
from typing import Any

import pytest
import zmq

import fanout.sockets
import fanout.sockets.asyncio
from fanout import Subscriber
from fanout.sockets.refusals import PYZMQ_ATTRIBUTES

NAMES = ("Push", "Pull", "Req", "Rep", "Dealer", "Router", "Sub")
KINDS = [
    getattr(module, name) for module in (fanout.sockets, fanout.sockets.asyncio) for name in NAMES
]
NOBODY = "ipc://@fanout-test-nobody-is-here"


def test_nothing_is_refused_that_is_there() -> None:
    for kind in KINDS:
        there = {
            name
            for each in kind.__mro__
            for name in vars(each)
            if "refusals" not in each.__module__
        }
        assert not there & PYZMQ_ATTRIBUTES.keys(), kind


@pytest.mark.parametrize("name", NAMES)
def test_what_a_socket_of_pyzmq_has(name: str) -> None:
    socket: Any
    with getattr(fanout.sockets, name)() as socket:
        for attribute in ("setsockopt", "LINGER"):
            with pytest.raises(AttributeError, match="which is of pyzmq: "):
                getattr(socket, attribute)
        with pytest.raises(AttributeError, match="outbox_messages"):
            socket.sndhwm = 7
        assert not {*dir(socket)} & PYZMQ_ATTRIBUTES.keys()
        with pytest.raises(TypeError, match=f"a {name} cannot be pickled or copied"):
            pickle.dumps(socket)
        with pytest.raises(TypeError, match="make another one"):
            copy.copy(socket)


@pytest.mark.parametrize("argument", ["flags", "copy", "track"])
def test_arguments_of_pyzmq(argument: str) -> None:
    given: Any = {argument: 1}
    with fanout.sockets.Dealer() as socket:
        with pytest.raises(TypeError, match=rf"send\(\) has no {argument}: "):
            socket.send(b"hello", **given)
        with pytest.raises(TypeError, match=rf"recv\(\) has no {argument}: "):
            socket.recv(**given)

    async def main() -> None:
        async with fanout.sockets.asyncio.Dealer() as awaited:
            with pytest.raises(TypeError, match=rf"send\(\) has no {argument}: "):
                await awaited.send(b"hello", **given)
            with pytest.raises(TypeError, match=rf"recv\(\) has no {argument}: "):
                await awaited.recv(**given)

    asyncio.run(main())


def test_flags_are_no_times() -> None:
    """In pyzmq they come where the timeout is here."""
    with fanout.sockets.Dealer() as socket, Subscriber(NOBODY) as subscriber:
        for call in (
            lambda: socket.send(b"hello", zmq.NOBLOCK),
            lambda: socket.recv(zmq.NOBLOCK),
            lambda: subscriber.recv(zmq.NOBLOCK),
        ):
            with pytest.raises(TypeError, match="NOBLOCK of pyzmq is timeout=0"):
                call()
