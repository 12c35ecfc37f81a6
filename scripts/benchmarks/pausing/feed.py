"""The process that publishes a feed by a peer, and does something to its workers when asked."""

from __future__ import annotations

import json
import signal
import struct
import threading
import time
from typing import TYPE_CHECKING

from benchmarks.children import run_child
from benchmarks.peers.base import create_peer
from benchmarks.traffic import PROBE_TOPIC, Traffic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.channel import Channel, Message
    from benchmarks.peers import Peer

FEW = b"few~~~~~"  # the topic of those who are moved; as long as every other
NO_NUMBER = 1 << 62
BESIDE_S = 0.001  # between two messages for them: how exact their pauses are
STAMP = struct.Struct(">QQ")  # number, and monotonic ns when it was published


class Feed:
    """Publishes one message after the other at a fixed rate; none is left out.

    Args:
        number: of the first.
    """

    def __init__(self, peer: Peer, payload_bytes: int, per_second: float, number: int) -> None:
        self._peer = peer
        self._filling = bytes(payload_bytes - STAMP.size)
        self._interval = 1 / per_second
        self._due = time.monotonic()
        self.number = number

    def turn(self) -> float:
        """Publish what is due; returns seconds until the next one is due."""
        while (left := self._due - time.monotonic()) <= 0:
            self._due += self._interval
            self.publish()
        return left

    def publish(self) -> None:
        """Publish the next one."""
        self._send(PROBE_TOPIC, self.number)
        self.number += 1

    def publish_beside(self) -> None:
        """Publish one of those that have no number, for a few."""
        self._send(FEW, NO_NUMBER)

    def _send(self, topic: bytes, number: int) -> None:
        self._peer.send(topic, STAMP.pack(number, time.monotonic_ns()) + self._filling)


def move(peer: Peer, feed: Feed) -> Message:
    """Move those who want both, one after the other, and publish for them all the time."""
    began_ns = time.monotonic_ns()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            peer.move_few()
        except BaseException as error:
            failed.append(error)

    moving = threading.Thread(target=run)
    moving.start()
    while moving.is_alive():
        feed.turn()
        feed.publish_beside()
        moving.join(BESIDE_S)
    if failed:
        raise failed[0]
    ended_ns = time.monotonic_ns()
    feed.publish_beside()
    return {"lost_ns": began_ns, "ended_ns": ended_ns}


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Publishes until the harness closes the channel."""
    location, options, described, rate, first = arguments
    traffic = Traffic(**json.loads(described))
    peer = create_peer(location, traffic, json.loads(options))
    try:
        channel.send(endpoints=peer.start())
        feed = Feed(peer, traffic.payload_bytes, float(rate), int(first))
        while True:
            try:
                request = channel.receive(feed.turn())
            except TimeoutError:
                continue
            channel.send(**_serve(peer, feed, request))
    finally:
        peer.close()


def _serve(peer: Peer, feed: Feed, request: Message) -> Message:
    match request["do"]:
        case "lose-worker":
            whom = peer.lose_worker()
        case "hang-worker":
            whom = peer.lose_worker(signal.SIGSTOP)
        case "move":
            return move(peer, feed)
        case "ready":
            return {"ready": peer.is_ready()}
        case "spread":
            peer.spread()
            return {}
        case "state":
            feed.turn()
            return {"number": feed.number, "at_s": time.monotonic()}
        case other:
            raise ValueError(f"no request {other!r}")
    lost_ns = time.monotonic_ns()
    feed.publish()  # who gets this one has been served since
    return {"lost_ns": lost_ns, "whom": whom}


if __name__ == "__main__":
    run_child(main)
