"""Thousands of light subscribers in one process: raw sockets that compare each byte they get.

    python -m tests.helpers.audience HOST PORT COUNT MESSAGES

All that a subscriber must get is known beforehand, so it keeps no message: its stream is compared,
as it comes, with the stream that it must be. Prints one line of JSON (`Report`) at the end.
"""

from __future__ import annotations

import json
import resource
import select
import socket
import sys
import time
from dataclasses import asdict, dataclass, field

from tests.helpers.raw import READY_SUB, command, frame, greeting_3
from tests.helpers.waiting import DEADLINE_S as ONE_THING_S

TOPICS = 10
DEADLINE_S = 2 * ONE_THING_S  # for all of it; whoever starts it waits as long
_GREETING = greeting_3(1)
_BODY_AT = len(_GREETING) + 2  # of READY, a short frame
_RECEIVE_BYTES = 262_144


@dataclass
class Report:
    """What an audience got."""

    complete: int = 0  # subscribers that got exactly what they should
    wrong: list[str] = field(default_factory=list)  # others: who, where, and what; the first ones


def topic_of(number: int) -> bytes:
    """The topic of a message."""
    return b"t%d" % (number % TOPICS)


def payload_of(number: int) -> bytes:
    """Its sequence number, and some filling."""
    return number.to_bytes(8, "big") + bytes(number % 401)


def prefix_of(subscriber: int) -> bytes:
    """Every second subscriber takes everything, the others one topic each."""
    return b"" if subscriber % 2 == 0 else b"t%d" % (subscriber // 2 % TOPICS)


def stream_of(prefix: bytes, messages: int) -> bytes:
    """All that a subscriber gets after the handshake."""
    return b"".join(
        frame(topic_of(number), 1) + frame(payload_of(number))
        for number in range(messages)
        if topic_of(number).startswith(prefix)
    )


def raise_descriptor_limit() -> int:
    """Make the soft limit of open files the hard one; returns it."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def _without_ready(stream: bytes) -> bytes:
    """What a subscriber got, without the READY, which differs; nothing until that is whole."""
    end = _BODY_AT + stream[_BODY_AT - 1] if len(stream) >= _BODY_AT else len(stream) + 1
    return stream[: _BODY_AT - 2] + stream[end:] if len(stream) >= end else b""


def run(host: str, port: int, count: int, messages: int) -> Report:
    """Connect all, subscribe, compare until all have everything, or the deadline."""
    streams = {p: _GREETING + stream_of(p, messages) for p in map(prefix_of, range(2 * TOPICS))}
    sockets = [socket.create_connection((host, port), DEADLINE_S) for _ in range(count)]
    numbers = {connection.fileno(): number for number, connection in enumerate(sockets)}
    poller = select.epoll()
    for number, connection in enumerate(sockets):
        connection.sendall(greeting_3(1) + READY_SUB + command(b"SUBSCRIBE", prefix_of(number)))
        connection.setblocking(False)
        poller.register(connection, select.EPOLLIN)
    offsets = [0] * count
    arriving = dict.fromkeys(range(count), b"")  # what came, until its READY is whole
    report = Report()
    deadline = time.monotonic() + DEADLINE_S
    while report.complete + len(report.wrong) < count and time.monotonic() < deadline:
        for descriptor, _events in poller.poll(1.0):
            number = numbers[descriptor]
            data = sockets[number].recv(_RECEIVE_BYTES)
            if data and number in arriving:
                arriving[number] += data
                if not (data := _without_ready(arriving[number])):
                    continue
                del arriving[number]
            start, stream = offsets[number], streams[prefix_of(number)]
            offsets[number] += len(data)
            if not data or stream[start : offsets[number]] != data:
                report.wrong.append(f"subscriber {number} at byte {start}: {data[:100].hex()}")
                poller.unregister(descriptor)
            elif offsets[number] == len(stream):
                report.complete += 1  # and stays: more than that would be wrong
    for connection in sockets:
        connection.close()
    poller.close()
    return report


if __name__ == "__main__":
    raise_descriptor_limit()
    result = run(sys.argv[1], *map(int, sys.argv[2:]))
    result.wrong = result.wrong[:5]
    print(json.dumps(asdict(result)))
