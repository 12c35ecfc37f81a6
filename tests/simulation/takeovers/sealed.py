"""Subscribers with CURVE: boxes that are none, and in which each nonce has one text.

Who has a connection is the only one who can go on with its boxes, unless it says how. So whoever
has lost its worker is closed; and who is given up goes on with another one, to the byte.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from fanout.subscriber.boxing import Boxing
from fanout.zmtp import SubscriberSession
from fanout.zmtp.boxes import MAC_BYTES, ForgedError, KeyPair
from fanout.zmtp.curve import CurveServer
from fanout.zmtp.curve_client import CurveClient
from fanout.zmtp.errors import RemoteProtocolError
from fanout.zmtp.layout import OneByOne
from fanout.zmtp.session import Session
from tests.helpers.boxes import InStretches
from tests.simulation.takeovers.speaking import GREETING_BYTES
from tests.simulation.takeovers.subscriber import Subscriber
from tests.simulation.violated import Violated, require

if TYPE_CHECKING:
    from random import Random

    from fanout.zmtp.batches import LaidOut, StretchSealing
    from fanout.zmtp.session import SessionLimits

PROTOCOL = "zmtp+curve#1"
SERVER = KeyPair(b"S" * 32, b"S" * 32)


class Boxes:
    """See `fanout.zmtp.boxes.Primitives`: of one world, in which no nonce has two texts."""

    def __init__(self) -> None:
        self._sealed: dict[tuple[bytes, bytes], bytes] = {}  # by key and nonce
        self._in_stretches = InStretches(self.seal)

    @property
    def stretches(self) -> StretchSealing | None:
        """One way and the other, in one connection: what is sealed is the same."""
        return self._in_stretches if len(self._sealed) % 2 else None

    def public_of(self, secret: bytes) -> bytes:
        return secret

    def shared(self, public: bytes, secret: bytes) -> bytes:
        return sha256(b"".join(sorted((public, secret)))).digest()

    def seal(self, data: bytes, nonce: bytes, key: bytes) -> bytes:
        require((key, nonce) not in self._sealed, "a nonce has two texts")
        self._sealed[key, nonce] = data
        return bytes(MAC_BYTES) + data

    def batch(self, layout: LaidOut) -> OneByOne:
        return OneByOne(layout, self.seal)

    def open(self, box: bytes, nonce: bytes, key: bytes) -> bytes:
        data = box[MAC_BYTES:]
        if self._sealed.get((key, nonce)) != data:
            raise ForgedError
        return data

    def session(self, limits: SessionLimits, rng: Random) -> Session:
        """The side of the publisher."""
        return Session(limits, mechanism=CurveServer([SERVER], self, rng.randbytes))


class SealedSubscriber(Subscriber):
    """One whose wire has boxes; all else is about what it opens."""

    def __init__(self, *who: Any, boxes: Boxes, rng: Random) -> None:
        super().__init__(*who, legacy=False, chatty=0.0)
        keys = KeyPair(*[rng.randbytes(32)] * 2)
        client = CurveClient(SERVER.public, keys, boxes, rng.randbytes)
        self._client = SubscriberSession(mechanism=client)
        self._wire = bytearray(self._client.data_to_send())
        self.unsaid.clear()
        self._opened = 0  # bytes of the handshake, and plain ones of what was in boxes

    def send(self, most: int) -> None:
        sealer = self._client.sealer
        if sealer is not None and not self.is_leaving:
            self._wire += Boxing(sealer).take(self.unsaid)
        count = self.connection.say(bytes(self._wire[:most]))
        self.said += self._wire[:count]
        del self._wire[:count]

    @property
    def frames_from(self) -> int:
        return GREETING_BYTES

    def end_its_side(self) -> None:
        self.send(len(self._wire) + len(self.unsaid) * 2 + 100)  # in boxes it is more
        if not self._wire:
            super().end_its_side()

    def leave(self) -> None:
        self._wire.clear()
        super().leave()

    def lacks(self, head: int) -> str:
        return super().lacks(head) if self._greeted == 2 else "the end of its handshake"

    @property
    def stream_bytes(self) -> int:
        return self._opened

    def read(self, most: int) -> int:
        data = self.connection.read(most)
        self.read_bytes += len(data)
        client, at = self._client, 0
        while client.opener is None and at < len(data):  # what follows is in boxes
            client.receive_data(data[at : at + 1])
            at += 1
        self._wire += client.data_to_send()
        self._opened += at
        if client.opener is None:
            return len(data)
        self._greeted = 2
        try:
            plain = client.opener.open(data[at:])
        except RemoteProtocolError as error:
            text = f"{self.number} cannot open what it is sent: {error}"
            raise Violated(text) from error
        self._opened += len(plain)
        self._stream += plain
        while self._take_item():
            pass
        return len(data)
