"""A subscriber that is a SUB socket of libzmq."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import zmq

from soaking.chaos.messages import payload_of, topic_of
from soaking.chaos.oracles import Fault, Wrong
from soaking.chaos.peers import READ_BYTES, RETRY_S, Pace, common
from soaking.chaos.silence import Silence

if TYPE_CHECKING:
    from soaking.chaos.people import Person

TURN_MESSAGES = 300
QUEUE_MESSAGES = 100  # in a SUB socket that is slow
HEARTBEAT_MS = 1_000
PATIENCE_MS = 600_000  # of libzmq, for an answer: workers that hang are others' business


class Stock:
    """A SUB socket of libzmq, which comes again by itself."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        person: Person,
        port: int,
        first: int,
        folder: str = "",
    ) -> None:
        self.person = person
        self.silence = Silence()
        self.ended = self.half_open = 0
        self.wrong: Wrong | None = None
        self.oracle = person.oracle(first)
        self._pace = Pace(person.pace, time.monotonic())
        self._is_up = False
        self._jumps = 0  # gaps that connections which were lost have left
        self._received = 0
        self.socket = context.socket(zmq.SUB)
        self.socket.set(zmq.LINGER, 0)
        self.socket.set(zmq.RECONNECT_IVL, int(RETRY_S * 1_000))
        if person.receive_buffer:
            self.socket.set(zmq.RCVHWM, QUEUE_MESSAGES)
            self.socket.set(zmq.RCVBUF, person.receive_buffer)
        if person.heartbeat:
            self.socket.set(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
            self.socket.set(zmq.HEARTBEAT_TIMEOUT, PATIENCE_MS)
        events = zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED
        self._monitor: Any = self.socket.get_monitor_socket(events)
        for prefix in person.subscriptions:
            self.socket.subscribe(prefix)
        by_tcp = f"tcp://{person.source}:0;127.0.0.1:{port}"
        self.socket.connect(f"ipc://{folder}/{person.policy}" if person.ipc else by_tcp)

    def turn(self, now: float, *, all_of_it: bool) -> int:
        """Read what it may now."""
        allowed = READ_BYTES if all_of_it else self._pace.allowed(now)
        done = 0
        receive, oracle = self.socket.recv, self.oracle
        try:
            for _ in range(TURN_MESSAGES):
                if done >= allowed:
                    break
                topic = receive(zmq.NOBLOCK)
                payload = receive(zmq.NOBLOCK)  # of the two frames of a message, which come whole
                done += len(topic) + len(payload)
                if self.wrong is None:
                    self._check(topic, payload, oracle.expected)
        except zmq.Again:
            pass
        except Wrong as wrong:
            self.wrong = wrong
        if done:
            self._pace.read(done)
        return done

    @property
    def received(self) -> int:
        """Messages since it was closed the last time."""
        return self.oracle.received

    def _check(self, topic: bytes, payload: bytes, expected: int) -> None:
        number = int.from_bytes(payload[:8], "big")
        if payload != payload_of(number) or topic != topic_of(number):
            raise Wrong(Fault.TORN, f"{topic!r} {payload[:24]!r}, where {expected} may come")
        if number != expected >= 0 and self._look() > self._jumps and number > expected:
            self._jumps = self.ended
            self._received += self.oracle.received
            self.oracle = self.person.oracle(-1)
        self.oracle.take(number)

    def _look(self) -> int:
        """How many connections were lost so far."""
        while self._monitor.poll(0):
            event = int.from_bytes(self._monitor.recv_multipart()[0][:2], "little")
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._is_up = True
            elif self._is_up:
                self._is_up = False
                self.ended += 1
            else:
                self.half_open += 1
        return self.ended

    def has_all(self, published: int) -> bool:
        """Whether nothing more has to come."""
        lost = self._look() > self._jumps
        return self.wrong is not None or lost or self.oracle.has_all(published)

    def figures(self, published: int) -> dict[str, Any]:
        """For the process that judges."""
        if self.wrong is None and self._look() == self._jumps:
            try:
                self.oracle.finish(published)
            except Wrong as wrong:
                self.wrong = wrong
        return {
            "received": self.oracle.received,
            "missing": self.oracle.missing_of(published),
            "before": self._received,
            **common(self),
        }

    def close(self) -> None:
        """Leave."""
        self.socket.disable_monitor()
        self.socket.close(linger=0)
