"""PLAIN and CURVE against libzmq: the codec, libsodium, and a blocking socket; nothing else.

What a stock subscriber does on each answer is what the answers are chosen by: its own monitor says
what it has seen, and how often it comes is counted.
"""

from __future__ import annotations

import secrets
import select
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import zmq
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from fanout.security.sodium import Sodium
from fanout.workers.connections.sealed import SealedSend
from fanout.zmtp import (
    LONG,
    FrameReader,
    PingReceived,
    Session,
    SessionEvent,
    SessionState,
    VerdictWanted,
    encode_message,
)
from fanout.zmtp.boxes import KeyPair
from fanout.zmtp.curve import CurveServer
from fanout.zmtp.mechanisms import Credentials, Mechanism
from fanout.zmtp.plain import PlainServer
from tests.helpers.limits import LIMITS
from tests.helpers.reference_nacl import ReferenceNacl
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fanout.zmtp.sealer import Sealer

Subscribe: TypeAlias = "Callable[[Door, dict[int, Any]], tuple[Any, Any]]"
# After how long without another connection a peer is taken for one that has stopped: libzmq comes
# back after 0.1 s, then after up to twice as much, as it is set here.
STOPPED_S = 1.0
RECONNECT_MS = 50
ANSWERED_MS = 1_000  # within which its PINGs are answered, on a busy machine too

PUBLIC, SECRET = zmq.curve_keypair()
PEER_PUBLIC, PEER_SECRET = zmq.curve_keypair()


def raw(key: bytes) -> bytes:
    """A key as it goes over the wire."""
    return bytes(z85.decode(key))


KEYS = KeyPair(raw(PUBLIC), raw(SECRET))


def plain() -> Mechanism:
    """Our side of PLAIN."""
    return PlainServer()


def curve() -> Mechanism:
    """Our side of CURVE, with libsodium."""
    return CurveServer([KEYS], Sodium(), secrets.token_bytes)


def in_boxes(sealer: Sealer, plain: bytes) -> bytes:
    """The same frames, sealed."""
    reader = FrameReader(1 << 20)
    reader.feed(plain)
    return b"".join([sealer.seal(flags & ~LONG, body) for flags, body in reader.frames()])


@dataclass
class Door:
    """A publisher of one connection at a time, in a thread of nobody: it is driven step by step.

    Attributes:
        accepted: how often somebody has connected.
        asked: whose credentials were to be judged.
    """

    listener: socket.socket
    mechanism: Callable[[], Mechanism]
    verdict: str = "allow"
    accepted: int = 0
    asked: list[Credentials] = field(default_factory=list)
    session: Session | None = None
    connection: socket.socket | None = None
    events: list[SessionEvent] = field(default_factory=list)

    def step(self, timeout: float) -> None:
        """Accept, or read and answer, once."""
        waiting = [self.listener, *([self.connection] if self.connection else [])]
        for sock in select.select(waiting, [], [], timeout)[0]:
            if sock is self.listener:
                self._accept()
            else:
                self._read(sock)

    def _accept(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection, _ = self.listener.accept()
        self.accepted += 1
        self.session = Session(LIMITS, mechanism=self.mechanism())
        self.connection.sendall(self.session.data_to_send())

    def _read(self, sock: socket.socket) -> None:
        assert self.session is not None
        try:
            data = sock.recv(65536)
        except ConnectionResetError:
            data = b""
        was_ready = self.session.state is SessionState.TRAFFIC
        events = self.session.receive_data(data) if data else []
        self.events += events
        for event in events:
            if isinstance(event, VerdictWanted):
                self.asked.append(event.credentials)
                self._decide()
        if self.connection is None:
            return
        self.say(self.session.data_to_send(), sealed=was_ready)
        if not data or self.session.state is SessionState.CLOSED:
            self._hang_up()

    def say(self, plain: bytes, *, sealed: bool) -> None:
        """Send what the session says; after READY in boxes, where there are any."""
        assert self.session is not None
        assert self.connection is not None
        if self.session.sealer is not None and sealed:
            plain = in_boxes(self.session.sealer, plain)
        self.connection.sendall(plain)

    def _decide(self) -> None:
        assert self.session is not None
        if self.verdict == "allow":
            self.events += self.session.allow()
        elif self.verdict == "deny":
            self.session.deny()
        else:
            self._hang_up()

    def _hang_up(self) -> None:
        assert self.connection is not None
        self.connection.close()
        self.connection = None

    def until(self, condition: Callable[[], bool]) -> None:
        """Step until it holds; fails at the deadline."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, f"too late; so far: {self.events}, {self.asked}"
            self.step(0.05)

    def until_stopped(self) -> None:
        """Step until nobody has connected for a while."""
        last = self.accepted, time.monotonic()
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() - last[1] < STOPPED_S:
            assert time.monotonic() < deadline, f"it has come {self.accepted} times"
            self.step(0.05)
            if self.accepted != last[0]:
                last = self.accepted, time.monotonic()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def open_door(listener: socket.socket) -> Iterator[Callable[..., Door]]:
    doors: list[Door] = []

    def open_one(mechanism: Callable[[], Mechanism], verdict: str = "allow") -> Door:
        doors.append(Door(listener, mechanism, verdict))
        return doors[-1]

    yield open_one
    for door in doors:
        if door.connection is not None:
            door.connection.close()


@pytest.fixture
def subscribe() -> Iterator[Subscribe]:
    context = zmq.Context()
    sockets: list[Any] = []

    def subscribe(door: Door, options: dict[int, Any]) -> tuple[Any, Any]:
        """A stock SUB that connects to a door, and its monitor."""
        peer = context.socket(zmq.SUB)
        peer.setsockopt(zmq.LINGER, 0)
        peer.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        peer.setsockopt(zmq.RCVTIMEO, int(DEADLINE_S * 1000))
        for option, value in options.items():
            peer.setsockopt(option, value)
        monitor = peer.get_monitor_socket(zmq.EVENT_ALL)
        sockets.extend((peer, monitor))
        peer.subscribe(b"A")
        peer.connect(f"tcp://127.0.0.1:{door.listener.getsockname()[1]}")
        return peer, monitor

    yield subscribe
    for sock in sockets:
        sock.close(linger=0)
    context.term()


def seen(monitor: Any) -> list[zmq.Event]:
    """What a peer's monitor has said up to now."""
    events = []
    while monitor.poll(0):
        events.append(recv_monitor_message(monitor)["event"])
    return events


AS_PLAIN: dict[int, Any] = {zmq.PLAIN_USERNAME: b"admin", zmq.PLAIN_PASSWORD: b"secret"}
AS_CURVE: dict[int, Any] = {
    zmq.CURVE_SERVERKEY: PUBLIC,
    zmq.CURVE_PUBLICKEY: PEER_PUBLIC,
    zmq.CURVE_SECRETKEY: PEER_SECRET,
}
BOTH = pytest.mark.parametrize(
    ("mechanism", "options", "credentials"),
    [
        (plain, AS_PLAIN, Credentials("PLAIN", b"admin", b"secret")),
        (curve, AS_CURVE, Credentials("CURVE", public_key=raw(PEER_PUBLIC))),
    ],
    ids=["PLAIN", "CURVE"],
)


@BOTH
def test_who_is_allowed_is_served(
    subscribe: Subscribe,
    open_door: Callable[..., Door],
    mechanism: Callable[[], Mechanism],
    options: dict[int, Any],
    credentials: Credentials,
) -> None:
    door = open_door(mechanism)
    beating: dict[int, Any] = {zmq.HEARTBEAT_IVL: 50, zmq.HEARTBEAT_TIMEOUT: ANSWERED_MS}
    peer, monitor = subscribe(door, {**options, **beating})
    door.until(lambda: door.session is not None and door.session.subscriptions == {b"A"})
    assert door.asked == [credentials]
    assert door.connection is not None
    assert door.session is not None
    messages = [[b"A", b"", b"x" * size] for size in (0, 221, 222, 223, 255, 256, 65_536)]
    messages += [[b"A" * size] for size in (245, 246, 254, 255, 256)]
    # It would hang up so long after its first PING that has no answer.
    over = time.monotonic() + 1.5 * ANSWERED_MS / 1000
    door.until(lambda: time.monotonic() > over)
    assert sum(isinstance(event, PingReceived) for event in door.events) >= 5
    for message in messages:
        door.say(encode_message(message), sealed=True)
    assert [peer.recv_multipart() for _ in messages] == messages
    assert zmq.Event.HANDSHAKE_SUCCEEDED in seen(monitor)
    assert door.accepted == 1


def test_a_stream_in_boxes_through_a_full_socket(
    subscribe: Subscribe, open_door: Callable[..., Door]
) -> None:
    """What workers are to send by: each message arrives, though the socket takes parts of boxes."""
    door = open_door(curve)
    peer, _ = subscribe(door, {**AS_CURVE, zmq.RCVHWM: 100})  # it reads as it is read from
    door.until(lambda: door.session is not None and door.session.subscriptions == {b"A"})
    assert door.connection is not None
    assert door.session is not None
    assert door.session.sealer is not None
    door.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    door.connection.setblocking(False)
    send = SealedSend(door.connection.send, door.session.sealer)
    messages = [[b"A%d" % number, b"x" * (number * 37 % 5000)] for number in range(2_000)]
    wire = b"".join(map(encode_message, messages))
    received: list[list[bytes]] = []
    done = short = 0
    deadline = time.monotonic() + DEADLINE_S
    while done < len(wire):
        assert time.monotonic() < deadline
        span = wire[done : done + 30_000]
        send.let()
        try:
            taken = send(span)
        except BlockingIOError:
            select.select([], [door.connection], [], 0.01)
            while peer.poll(0):
                received.append(peer.recv_multipart())
            continue
        short += taken < len(span) and not send.more
        done += taken
    assert short, "it was full now and then"
    received += [peer.recv_multipart() for _ in messages[len(received) :]]
    assert received == messages


@BOTH
def test_who_is_denied_stops_for_good(
    subscribe: Subscribe,
    open_door: Callable[..., Door],
    mechanism: Callable[[], Mechanism],
    options: dict[int, Any],
    credentials: Credentials,
) -> None:
    door = open_door(mechanism, "deny")
    _, monitor = subscribe(door, options)
    door.until(lambda: bool(door.asked))
    door.until_stopped()
    assert door.accepted == 1
    assert door.asked == [credentials]
    events = seen(monitor)
    failed = zmq.Event.HANDSHAKE_FAILED_AUTH, zmq.Event.HANDSHAKE_FAILED_PROTOCOL
    assert set(failed) & set(events)
    assert zmq.Event.HANDSHAKE_SUCCEEDED not in events


@BOTH
def test_who_is_put_off_comes_back(
    subscribe: Subscribe,
    open_door: Callable[..., Door],
    mechanism: Callable[[], Mechanism],
    options: dict[int, Any],
    credentials: Credentials,
) -> None:
    del credentials
    door = open_door(mechanism, "later")
    peer, _ = subscribe(door, options)
    door.until(lambda: door.accepted >= 3)
    door.verdict = "allow"

    def has_subscribed() -> bool:
        peer.poll(0)  # libzmq says its subscriptions again when its program asks it for something
        return door.session is not None and door.session.subscriptions == {b"A"}

    door.until(has_subscribed)


@pytest.mark.parametrize("mechanism", [plain, curve])
def test_a_null_subscriber_stops_for_good(
    subscribe: Subscribe, open_door: Callable[..., Door], mechanism: Callable[[], Mechanism]
) -> None:
    door = open_door(mechanism)
    _, monitor = subscribe(door, {})
    door.until(lambda: door.accepted > 0)
    door.until_stopped()
    assert door.accepted == 1
    assert zmq.Event.HANDSHAKE_FAILED_PROTOCOL in seen(monitor)


def test_a_wrong_server_key_shows_the_subscriber_nothing(
    subscribe: Subscribe, open_door: Callable[..., Door]
) -> None:
    door = open_door(curve)
    other, _ = zmq.curve_keypair()
    _, monitor = subscribe(door, {**AS_CURVE, zmq.CURVE_SERVERKEY: other})
    door.until(lambda: door.accepted >= 2)
    assert door.asked == []
    assert zmq.Event.HANDSHAKE_SUCCEEDED not in seen(monitor)


def test_libsodium_does_what_the_papers_say() -> None:
    """What the unit tests compare with is the same as what is used."""
    sodium, reference = Sodium(), ReferenceNacl()
    for size in (0, 1, 31, 32, 33, 64, 300):
        mine, theirs = secrets.token_bytes(32), secrets.token_bytes(32)
        assert sodium.public_of(mine) == reference.public_of(mine)
        key = sodium.shared(sodium.public_of(theirs), mine)
        assert key == reference.shared(reference.public_of(theirs), mine)
        nonce, data = secrets.token_bytes(24), secrets.token_bytes(size)
        box = sodium.seal(data, nonce, key)
        assert box == reference.seal(data, nonce, key)
        assert sodium.open(box, nonce, key) == data
