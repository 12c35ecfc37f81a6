"""The process of the publisher under test: an adapter, driven by the harness."""

from __future__ import annotations

import json
import random
import time
from itertools import islice
from typing import TYPE_CHECKING

from benchmarks.children import run_child
from benchmarks.peers.base import create_peer
from benchmarks.traffic import LAST_MARK, PROBE_MARK, PROBE_TOPIC, Traffic, topic_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.channel import Channel, Message
    from benchmarks.peers import Peer

SPREAD_TICK_S = 0.001  # between two portions of messages that are spread over the topics
PROBE_EVERY = 5  # of the paced messages one goes to those, too, who only await a probe


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Starts the peer, serves the harness until it closes the channel, and closes the peer."""
    location, options, described = arguments
    traffic = Traffic(**json.loads(described))
    peer = create_peer(location, traffic, json.loads(options))
    try:
        channel.send(endpoints=peer.start(), pid=peer.pid)
        while True:
            channel.send(**_serve(peer, traffic, channel.receive()))
    finally:
        peer.close()


def _serve(peer: Peer, traffic: Traffic, request: Message) -> Message:
    match request["do"]:
        case "probe":
            # As short as can be: of 256 KiB, some for each poll would be gigabytes to 5,000.
            peer.send(PROBE_TOPIC, LAST_MARK if request["last"] else PROBE_MARK)
            return {}
        case "publish":
            return _publish(peer, request["count"], request["stretches"])
        case "pace":
            return {"sent_ns": _pace(peer, traffic, request["count"], request["per_second"])}
        case "spread":
            return {"seconds": _spread(peer, traffic, request["count"], request["per_second"])}
        case "lose-worker":
            peer.lose_worker()
            return {"lost_ns": time.monotonic_ns()}
        case other:
            raise ValueError(f"no request {other!r}")


def _publish(peer: Peer, count: int, stretches: int) -> Message:
    """Publishes in so many stretches of equal length."""
    cpu, marks_ns = time.thread_time(), [time.monotonic_ns()]
    for _ in range(stretches):
        peer.publish(count // stretches)
        marks_ns.append(time.monotonic_ns())
    return {"marks_ns": marks_ns, "thread_cpu_seconds": time.thread_time() - cpu}


def _pace(peer: Peer, traffic: Traffic, count: int, per_second: float) -> list[int]:
    sent_ns = []
    start = time.monotonic()
    for number in range(count):
        wait = start + number / per_second - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        message = (topic_name(0), traffic.payload)
        if number % PROBE_EVERY == 0:
            message = (PROBE_TOPIC, traffic.probe_payload)
        sent_ns.append(time.monotonic_ns())
        peer.send(*message)
    return sent_ns


def _spread(peer: Peer, traffic: Traffic, count: int, per_second: float) -> float:
    """Publishes on topics drawn by chance, at a fixed rate; how long it took."""
    topics = iter(random.Random(traffic.seed).choices(traffic.schedule, k=count))
    payload, send = traffic.payload, peer.send
    sent, start = 0, time.monotonic()
    while sent < count:
        due = min(count, int((time.monotonic() - start) * per_second))
        for topic in islice(topics, due - sent):
            send(topic, payload)
        sent = due
        time.sleep(SPREAD_TICK_S)
    return time.monotonic() - start


if __name__ == "__main__":
    run_child(main)
