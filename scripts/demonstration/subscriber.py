"""A healthy subscriber in a process of its own: stock pyzmq, nothing of fanout on the wire.

    python -m demonstration.subscriber ENDPOINT PREFIX...

Reports what it got as lines of JSON, a few times a second, and for the last time with the counts of
all topics when the end of the feed arrives. Ends at once when its standard input does, so that it
does not outlive the demonstration.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import msgpack
import zmq

from demonstration.tally import END_TOPIC, Tally

REPORT_MS = 250


def main(endpoint: str, prefixes: list[str]) -> int:
    """Subscribes, counts until the end of the feed, and returns an exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the demonstration to handle
    context = zmq.Context()
    socket = context.socket(zmq.SUB)
    for prefix in prefixes:
        socket.subscribe(os.fsencode(prefix))
    socket.subscribe(END_TOPIC)
    socket.connect(endpoint)
    tally = Tally()
    finished = receive(socket, tally)
    report(tally, finished=finished)
    context.destroy(linger=0)
    return 0 if finished else 1


def receive(socket: zmq.Socket[bytes], tally: Tally) -> bool:
    """Counts messages; returns True at the end of the feed, False if the demonstration is gone."""
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    poller.register(sys.stdin.fileno(), zmq.POLLIN)
    due = time.monotonic()
    while True:
        if time.monotonic() >= due:
            due = time.monotonic() + REPORT_MS / 1000
            report(tally, finished=False)
        ready = dict(poller.poll(REPORT_MS))
        if sys.stdin.fileno() in ready:
            return False
        if socket not in ready:
            continue
        topic, payload = socket.recv_multipart()
        if topic == END_TOPIC:
            return True
        tally.add(topic.decode(), msgpack.unpackb(payload))


def report(tally: Tally, *, finished: bool) -> None:
    """Prints how things stand as one line of JSON."""
    shown = {
        "messages": tally.messages,
        "missing": tally.missing,
        "disordered": tally.disordered,
        "topics": len(tally.by_topic),
        "last_topic": tally.last_topic,
        "last_values": tally.last_values,
        "by_topic": tally.by_topic if finished else None,
    }
    print(json.dumps(shown), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
