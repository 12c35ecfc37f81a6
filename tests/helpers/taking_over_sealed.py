"""Several workers over one log in one process, whose subscribers come with CURVE.

All boxes are libsodium's. Of all workers together no nonce may ever be used twice with one key,
whether its box goes out or is thrown away: that is looked at where boxes are made.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fanout.control.judging import AuthRequest, Judged, Judgement, Secure
from fanout.security.sodium import Sodium
from fanout.subscriber.boxing import Boxing
from fanout.zmtp import SubscriberSession, commands
from fanout.zmtp.boxes import KeyPair
from fanout.zmtp.curve_client import CurveClient
from fanout.zmtp.events import MessageReceived, PongReceived, Violation
from fanout.zmtp.frames import encode_message
from fanout.zmtp.layout import OneByOne
from tests.helpers.boxes import InStretches
from tests.helpers.raw import READY_HEAD, command, greeting_3
from tests.helpers.taking_over import Subscriber, TakingOver

if TYPE_CHECKING:
    import socket

    from fanout.workers.worker import Worker
    from fanout.zmtp.batches import LaidOut

SODIUM = Sodium()
SERVER_SECRET = b"s" * 32
HANDSHAKE = greeting_3(1) + command(b"READY", READY_HEAD[6:])  # as that of others, for who reads
TRIED_KEY = bytes(range(32))  # with which it is found out what this system can do


class Nonces(Sodium):
    """The primitives of all workers; to be put in the place of `Sodium`.

    Attributes:
        used: key and nonce of each box.
    """

    used: set[tuple[bytes, bytes]]

    def __init__(self) -> None:
        super().__init__()
        self.stretches = InStretches(self.seal)  # as the compiled part does it, where that is

    @classmethod
    def begin(cls) -> None:
        """Nothing was sealed yet."""
        cls.used = set()

    def seal(self, data: bytes, nonce: bytes, key: bytes) -> bytes:
        if key != TRIED_KEY:
            assert (key, nonce) not in self.used, "a nonce for two texts"
            self.used.add((key, nonce))
        return super().seal(data, nonce, key)

    def batch(self, layout: LaidOut) -> OneByOne:
        return OneByOne(layout, self.seal)


class SealedSubscriber(Subscriber):
    """One with CURVE; what it has received is what it has opened."""

    def __init__(
        self, number: int, topics: list[bytes], listening: socket.socket, size: int
    ) -> None:
        super().__init__(number, topics, listening, size)
        secret = os.urandom(32)
        keys = KeyPair(SODIUM.public_of(secret), secret)
        server = SODIUM.public_of(SERVER_SECRET)
        client = CurveClient(server, keys, SODIUM, os.urandom)
        self.session = SubscriberSession(topics, mechanism=client)
        self.received += HANDSHAKE
        self.plain = bytearray()  # to be said, once there are boxes
        self.boxing: Boxing | None = None

    def boxed(self, data: bytes) -> bytes:
        """What is sent in place of these frames: the boxes are made, and have to go out."""
        assert self.boxing is not None
        self.plain += data
        boxes = []
        while self.plain:
            boxes.append(self.boxing.take(self.plain))
        return b"".join(boxes)

    def say(self, data: bytes = b"") -> None:
        said = self.session.data_to_send() + data
        if self.boxing is not None and said:
            said = self.boxed(said)
        super().say(said)

    def read(self, size: int = 1 << 20) -> int:
        try:
            data = self.socket.recv(size)
        except BlockingIOError:
            return 0
        assert data, "its connection has ended"
        for event in self.session.receive_data(data):
            assert not isinstance(event, Violation), event
            if isinstance(event, MessageReceived):
                self.received += encode_message(event.frames)
            elif isinstance(event, PongReceived):
                self.received += commands.pong(event.context)
        if self.boxing is None and self.session.sealer is not None:
            self.boxing = Boxing(self.session.sealer)
        self.say()
        return len(data)


class SealedTakingOver(TakingOver):
    """With one listener, which has keys; everybody may come."""

    protocol = "zmtp+curve#1"

    def subscriber(self, number: int, topics: list[bytes], receive: int) -> Subscriber:
        return SealedSubscriber(number, topics, self.listening, receive)

    def connect(self, topics: list[bytes], worker: Worker, receive: int = 4096) -> Subscriber:
        worker.desk.sessions.secure(Secure(self.protocol, [SERVER_SECRET]))
        return super().connect(topics, worker, receive)

    def take_reports(self, worker: Worker) -> None:
        for message in list(self.around(worker).channel.sent):
            if isinstance(message, AuthRequest):
                worker.desk.judged(Judged(message.subscriber, Judgement.ALLOW, ""))
        super().take_reports(worker)
