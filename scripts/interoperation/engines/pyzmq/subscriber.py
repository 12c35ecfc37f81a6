"""A subscriber with pyzmq, for Python 3.6 and newer; see the README beside this folder."""

import os
import sys
import zlib

import zmq


def describe(frame: bytes) -> str:
    """Length, checksum and beginning of a frame."""
    return f"{len(frame)}:{zlib.adler32(frame):x}:{frame[:16].hex()}"


def main() -> None:
    """Connect, and do as told."""
    context = zmq.Context()
    subscriber = context.socket(zmq.SUB)
    subscriber.connect(sys.argv[1])
    print("ready", flush=True)
    poller = zmq.Poller()
    poller.register(0, zmq.POLLIN)
    poller.register(subscriber, zmq.POLLIN)
    typed = b""
    ended = False
    while not ended:
        ready = dict(poller.poll())
        if subscriber in ready:
            print("message", *map(describe, subscriber.recv_multipart()), flush=True)
        if 0 in ready:
            read = os.read(0, 4096)
            *lines, typed = (typed + (read or b"end\n")).split(b"\n")
            for line in lines:
                verb, _, text = line.partition(b" ")
                if verb == b"subscribe":
                    subscriber.setsockopt(zmq.SUBSCRIBE, text)
                elif verb == b"cancel":
                    subscriber.setsockopt(zmq.UNSUBSCRIBE, text)
                elif verb == b"stop":
                    poller.unregister(subscriber)
                elif verb == b"go":
                    poller.register(subscriber, zmq.POLLIN)
                else:
                    ended = True
    subscriber.close()
    context.term()


main()
