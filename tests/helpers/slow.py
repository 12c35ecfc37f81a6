"""Subscribers that are too slow, keep all that they got, and compare it in the end."""

from __future__ import annotations

import threading
from typing import NamedTuple

import msgpack

from fanout.terms.reserved import GAP_TOPIC
from fanout.transport.socket_queues import unread_in_kernel
from tests.helpers.checked import message
from tests.helpers.raw import SIGNATURE, RawPeer
from tests.helpers.reading import ReadsBeside
from tests.helpers.taking_over import messages_in

PAUSE_S = 0.004  # between two reads
READ_BYTES = 8_192
RECEIVE_BUFFER = 8_192
CONFLATED = "conflated"


class Got(NamedTuple):
    """What somebody has got."""

    numbers: list[int]
    lost: int  # as it was told
    conflated: int


class Slow:
    """One of them: it takes a little now and then.

    Args:
        topics: its subscriptions, reserved ones too.
    """

    def __init__(self, endpoint: str, *topics: bytes) -> None:
        self.peer = RawPeer.version_3(endpoint, *topics, receive_buffer=RECEIVE_BUFFER)
        self.peer.socket.setblocking(False)
        self.name = "{}:{}".format(*self.peer.socket.getsockname())
        self.is_closed = False
        self._received = bytearray()
        self._lock = threading.Lock()

    def read(self, size: int) -> None:
        """Take up to so many bytes."""
        with self._lock:
            try:
                data = self.peer.socket.recv(size)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            self.is_closed = not data
            self._received += data

    def has_unread(self) -> bool:
        """Whether something has come that was not taken; what the publisher has sent has come."""
        with self._lock:
            return unread_in_kernel(self.peer.socket) > 0

    def got(self) -> Got:
        """All that it has got: each message whole, at most once and in order."""
        numbers: list[int] = []
        told = {True: 0, False: 0}
        handshake = SIGNATURE + bytes((3, 1)) + b"NULL".ljust(20, b"\0") + bytes(32)
        handshake += b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB"
        for topic, payload in messages_in(handshake + bytes(self._received)):
            if topic == GAP_TOPIC:
                gap = msgpack.unpackb(payload)
                told[gap["reason"] == CONFLATED] += gap["count"]
                continue
            number = int.from_bytes(payload[:8], "big")
            assert message(number) == (topic, payload)
            numbers.append(number)
        assert numbers == sorted(set(numbers))
        return Got(numbers, told[False], told[True])


class SlowAudience(ReadsBeside):
    """Reads for all of them, in a thread: a little now and then, until it is to hurry."""

    def __init__(self, subscribers: list[Slow]) -> None:
        super().__init__()
        self.subscribers = subscribers
        self._hurries = threading.Event()

    def hurry(self) -> None:
        """Take all there is from now on."""
        self._hurries.set()

    def stop(self) -> None:
        self.hurry()

    def close(self) -> None:
        for one in self.subscribers:
            one.peer.socket.close()

    def read(self) -> None:
        slept = threading.Event()
        while not self.is_over:
            for one in self.subscribers:
                if not one.is_closed:
                    one.read(1 << 20 if self._hurries.is_set() else READ_BYTES)
            slept.wait(PAUSE_S)
