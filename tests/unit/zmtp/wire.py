"""Bytes that real peers send, and ways to bring them to a session."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fanout.zmtp import Session, SessionEvent, SubscriberSession, Violation
from tests.helpers.limits import LIMITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fanout.zmtp.errors import Refusal

EitherHalf = Session | SubscriberSession

SIGNATURE = bytes.fromhex("ff00000000000000017f")
NULL = b"NULL" + bytes(16)
REST = b"\x01" + NULL + bytes(32)  # what follows the major version
GREETING = SIGNATURE + b"\x03" + REST
GREETING_3_0 = SIGNATURE + b"\x03\x00" + NULL + bytes(32)

READY_SUB = bytes.fromhex("04190552454144590b536f636b65742d5479706500000003535542")
READY_PUB = bytes.fromhex("04190552454144590b536f636b65742d5479706500000003505542")
OUR_HANDSHAKE = GREETING + READY_PUB

SUBSCRIBE_A = bytes.fromhex("040b09535542534352494245") + b"A"
CANCEL_A = bytes.fromhex("04080643414e43454c") + b"A"


def long_frame(body: bytes, flags: int = 0) -> bytes:
    """A frame in long form, however short its body is."""
    return bytes((flags | 2,)) + len(body).to_bytes(8, "big") + body


def short_frame(body: bytes, flags: int = 0) -> bytes:
    """A frame in short form."""
    return bytes((flags, len(body))) + body


def lost_long_bit(body: bytes, flags: int) -> bytes:
    """A long frame as libzmq 4.3.3 and 4.3.4 send it: without the LONG bit."""
    return bytes((flags,)) + len(body).to_bytes(8, "big") + body


def ready(*properties: tuple[bytes, bytes]) -> bytes:
    """A READY frame with these properties."""
    body = b"\x05READY"
    for name, value in properties:
        body += bytes((len(name),)) + name + len(value).to_bytes(4, "big") + value
    return short_frame(body, 4) if len(body) < 256 else long_frame(body, 4)


def each_byte(data: bytes) -> Iterator[bytes]:
    """The bytes of `data`, one by one."""
    return (data[index : index + 1] for index in range(len(data)))


@dataclass
class Outcome:
    """What a session made of a stream."""

    events: list[SessionEvent] = field(default_factory=list)
    output: bytes = b""

    @property
    def violation(self) -> str | None:
        """Why the session closed, `None` if it did not."""
        last = self.events[-1] if self.events else None
        return last.reason if isinstance(last, Violation) else None

    @property
    def refusal(self) -> Refusal | None:
        """Why no handshake can succeed, `None` if that is not so."""
        last = self.events[-1] if self.events else None
        return last.refusal if isinstance(last, Violation) else None


def drive(half: EitherHalf, chunks: Iterable[bytes]) -> Outcome:
    """Bring the chunks to a session as a shell does: receive, then take the output."""
    outcome = Outcome(output=half.data_to_send())
    for chunk in chunks:
        outcome.events += half.receive_data(chunk)
        outcome.output += half.data_to_send()
    return outcome


def connected(peer: bytes = GREETING + READY_SUB, session: Session | None = None) -> Session:
    """A publisher's session after the handshake, with nothing left to send."""
    session = session or Session(LIMITS)
    assert drive(session, [peer]).violation is None
    return session


class SessionPair:
    """A publisher and a subscriber with a wire between them that never loses anything."""

    def __init__(self, publisher: Session, subscriber: SubscriberSession) -> None:
        self.publisher = publisher
        self.subscriber = subscriber
        self.published: list[SessionEvent] = []  # events of the publisher's half
        self.received: list[SessionEvent] = []  # events of the subscriber's half

    def settle(self) -> None:
        """Carry bytes to and fro until both are silent."""
        while True:
            to_subscriber = self.publisher.data_to_send()
            to_publisher = self.subscriber.data_to_send()
            if not to_subscriber and not to_publisher:
                return
            self.received += self.subscriber.receive_data(to_subscriber)
            self.published += self.publisher.receive_data(to_publisher)

    def send(self, wire: bytes) -> None:
        """Bring the bytes of messages to the subscriber."""
        self.received += self.subscriber.receive_data(wire)
