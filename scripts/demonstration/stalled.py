"""A subscriber that never reads: stock pyzmq, subscribed to everything, stuck on purpose.

    python -m demonstration.stalled ENDPOINT

With a high-water mark of one message and a small receive buffer, libzmq soon stops reading from the
connection, as it does for any application that hangs. Ends when its standard input does.
"""

from __future__ import annotations

import signal
import sys

import zmq

RECEIVE_BUFFER_BYTES = 4096  # the kernel doubles it


def main(endpoint: str) -> int:
    """Subscribes to everything and reads nothing; returns an exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    context = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.set(zmq.RCVHWM, 1)
    socket.set(zmq.RCVBUF, RECEIVE_BUFFER_BYTES)
    socket.subscribe(b"")
    socket.connect(endpoint)
    sys.stdin.buffer.read()
    context.destroy(linger=0)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
