"""The process of the publisher under test: an adapter, driven by the harness."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from benchmarks.children import run_child
from benchmarks.peers.base import create_peer
from benchmarks.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.channel import Channel


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Starts the peer, serves the harness until it closes the channel, and closes the peer."""
    location, options, traffic = arguments
    peer = create_peer(location, Traffic(**json.loads(traffic)), json.loads(options))
    try:
        channel.send(endpoints=peer.start())
        while True:
            request = channel.receive()
            match request["do"]:
                case "probe":
                    peer.probe()
                    channel.send(probed=True)
                case "publish":
                    start = time.monotonic_ns()
                    peer.publish(request["count"])
                    channel.send(start_ns=start, end_ns=time.monotonic_ns())
    finally:
        peer.close()


if __name__ == "__main__":
    run_child(main)
