"""A subscriber with pyzmq, for Python 3.6 and newer; see the README beside this folder."""

import os
import sys
import zlib

import zmq
from zmq.utils.monitor import recv_monitor_message

EVENTS = {
    1: "connected",
    512: "disconnected",
    0x800: "handshake_failed_no_detail",
    0x1000: "handshake_succeeded",
    0x2000: "handshake_failed_protocol",
    0x4000: "handshake_failed_auth",
}
OPTIONS = {
    "plain_user": zmq.PLAIN_USERNAME,
    "plain_password": zmq.PLAIN_PASSWORD,
    "curve_server": zmq.CURVE_SERVERKEY,
    "curve_public": zmq.CURVE_PUBLICKEY,
    "curve_secret": zmq.CURVE_SECRETKEY,
}


def describe(frame: bytes) -> str:
    """Length, checksum and beginning of a frame."""
    return f"{len(frame)}:{zlib.adler32(frame):x}:{frame[:16].hex()}"


def main() -> None:
    """Connect, and do as told."""
    context = zmq.Context()
    subscriber = context.socket(zmq.SUB)
    for word in sys.argv[2:]:
        name, _, value = word.partition("=")
        if name != "heartbeats":
            subscriber.setsockopt(OPTIONS[name], value.encode())
        elif hasattr(zmq, "HEARTBEAT_IVL"):  # since libzmq 4.2
            subscriber.setsockopt(zmq.HEARTBEAT_IVL, int(value))
    monitor = subscriber.get_monitor_socket()
    subscriber.connect(sys.argv[1])
    print("ready", flush=True)
    poller = zmq.Poller()
    for waited in (0, subscriber, monitor):
        poller.register(waited, zmq.POLLIN)
    typed = b""
    ended = False
    while not ended:
        ready = dict(poller.poll())
        if subscriber in ready:
            print("message", *map(describe, subscriber.recv_multipart()), flush=True)
        if monitor in ready:
            kind = int(recv_monitor_message(monitor)["event"])
            if kind in EVENTS:
                print("event", EVENTS[kind], flush=True)
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
    subscriber.disable_monitor()
    monitor.close()
    subscriber.close()
    context.term()


main()
