"""The process of a part of the subscribers: stock SUB sockets and raw connections."""

from __future__ import annotations

import json
import select
import socket
import time
from typing import TYPE_CHECKING, Protocol

import zmq

from benchmarks.children import run_child
from soaking.crowds.wire import GREETING, READY, subscribe
from soaking.slow.heard import Heard
from soaking.slow.people import CRAWL_BYTES, CRAWLS, MESSAGE_BYTES, READ_ALL, STALLS, STOPS, Person

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.channel import Channel

RECEIVE_BUFFER = 4_096  # of who is slow; the system makes more of it
QUEUE_MESSAGES = 1_000  # in a SUB socket of who is not: it is the publisher that shall see a lag
READ_BYTES = 1 << 16
TURN_MESSAGES = 200
TURN_S = 0.02
STOP_S = 0.5  # so long it reads, and so long it does not
QUIET_S = 1.0  # without anything to read: all is read that was sent
MORE, LONG, COMMAND = 1, 2, 4


class Reader(Protocol):
    """A subscriber of either kind."""

    heard: Heard

    def read(self, size: int) -> int:
        """Read about so many bytes of what is there; returns how many there were."""
        ...

    def close(self) -> None:
        """Leave."""
        ...


class Stock:
    """A SUB socket of libzmq."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], host: str, port: int, person: Person
    ) -> None:
        self.heard = Heard(person)
        self._socket = context.socket(zmq.SUB)
        self._socket.set(zmq.RCVHWM, QUEUE_MESSAGES if person.pace in READ_ALL else 10)
        if person.pace not in READ_ALL:
            self._socket.set(zmq.RCVBUF, RECEIVE_BUFFER)
        for topic in [*person.choices, *person.topics]:
            self._socket.subscribe(topic.encode())
        self._socket.connect(f"tcp://{host}:{port}")

    def read(self, size: int) -> int:
        """Whole messages, as many as there is room for."""
        done = 0
        receive, add = self._socket.recv, self.heard.add
        for _ in range(min(TURN_MESSAGES, size // MESSAGE_BYTES)):
            try:
                topic = receive(zmq.NOBLOCK)
            except zmq.Again:
                break
            add((topic, receive(zmq.NOBLOCK)))  # all have two frames, and come whole
            done += MESSAGE_BYTES
        return done

    def close(self) -> None:
        """Leave."""
        self._socket.close(linger=0)


class Raw:
    """A connection that speaks ZMTP 3.1 itself."""

    def __init__(self, host: str, port: int, person: Person) -> None:
        self.heard = Heard(person)
        self._socket = socket.socket()
        if person.pace not in READ_ALL:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._socket.connect((host, port))
        wants = [one.encode() for one in (*person.choices, *person.topics)]
        self._socket.sendall(GREETING + READY + subscribe(wants))
        self._socket.setblocking(False)
        self._bytes = bytearray()
        self._greeted = False
        self._frames: list[bytes] = []

    def read(self, size: int) -> int:
        """Bytes, and the messages that they complete."""
        if self.heard.closed:
            return 0
        try:
            data = self._socket.recv(min(size, READ_BYTES))
        except BlockingIOError:
            return 0
        except OSError:
            data = b""
        self.heard.closed = not data
        self._bytes += data
        self._take()
        return len(data)

    def _take(self) -> None:
        taken = self._bytes
        place = 0
        if not self._greeted:
            if len(taken) < len(GREETING):
                return
            self._greeted, place = True, len(GREETING)
        while len(taken) - place >= 2:
            if not self._frames:
                with memoryview(taken) as view, view[place:] as rest:
                    place += self.heard.add_wire(rest)
                if len(taken) - place < 2:
                    break
            flags = taken[place]
            head = 9 if flags & LONG else 2
            if len(taken) - place < head:
                break
            end = place + head + int.from_bytes(taken[place + 1 : place + head], "big")
            if len(taken) < end:
                break
            if not flags & COMMAND:
                self._frames.append(bytes(taken[place + head : end]))
                if not flags & MORE:
                    self.heard.add(self._frames)
                    self._frames = []
            place = end
        del taken[:place]

    def close(self) -> None:
        """Leave."""
        self._socket.close()


class Audience:
    """Some subscribers, each read at its pace."""

    def __init__(self, host: str, port: int, people: Sequence[Person]) -> None:
        self._context = zmq.Context()
        self._readers: list[Reader] = [
            Stock(self._context, host, port, one) if one.stock else Raw(host, port, one)
            for one in people
        ]
        self._began = time.monotonic()
        self._crawled: dict[int, int] = {}

    def turn(self) -> int:
        """Each reads what it may now; returns how much those have read who read all."""
        done = 0
        passed = time.monotonic() - self._began
        for place, reader in enumerate(self._readers):
            pace = reader.heard.person.pace
            if pace in READ_ALL:
                done += reader.read(READ_BYTES)
            elif pace == STOPS and int(passed / STOP_S) % 2 == 0:
                reader.read(READ_BYTES)
            elif pace == CRAWLS:
                left = int(passed * CRAWL_BYTES) - self._crawled.get(place, 0)
                if left >= MESSAGE_BYTES:
                    crawled = reader.read(left)
                    self._crawled[place] = self._crawled.get(place, 0) + crawled
            else:
                assert pace in (STALLS, STOPS)
        return done

    def read_all(self) -> None:
        """All read what is there, until for a while there is nothing."""
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < QUIET_S:
            if sum([reader.read(READ_BYTES) for reader in self._readers]):
                quiet_since = time.monotonic()
            else:
                select.select([], [], [], TURN_S)

    def figures(self) -> dict[str, object]:
        """What each has heard, by name."""
        return {one.heard.person.name: one.heard.figures() for one in self._readers}

    def close(self) -> None:
        """All leave."""
        for reader in self._readers:
            reader.close()
        self._context.destroy(linger=0)


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Reads until the harness closes the channel."""
    settings = json.loads(arguments[0])
    people = [Person(**one) for one in settings["people"]]
    audience = Audience(settings["host"], settings["port"], people)
    try:
        channel.send(ready=True)
        while True:
            pause = 0 if audience.turn() else TURN_S
            if select.select([channel], [], [], pause)[0]:
                request = channel.receive()
                assert request["do"] == "read_all", request
                audience.read_all()
                channel.send(**audience.figures() if request["tell"] else {})
    finally:
        audience.close()


if __name__ == "__main__":
    run_child(main)
