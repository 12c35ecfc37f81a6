"""A dashboard that is opened late shows the last price of each instrument at once.

    python examples/dashboard.py

The publisher keeps the last values, and a stock SUB socket gets them, without saying anything. The
dashboard is a process of its own, and may be one in another language, whose command is given; it
gets the endpoint and how many prices there are, and ends when it shows all:

    python examples/dashboard.py node examples/dashboard.mjs
"""

from __future__ import annotations

import subprocess
import sys

import zmq

from fanout import LastValues, Publisher

INSTRUMENTS = ("EUR", "GBP", "USD")
UPDATES = 100  # of each, before anybody looks
PATIENCE_S = 60


def dashboard(endpoint: str, count: int) -> None:
    """Show the price of so many instruments, as soon as each is known."""
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.set(zmq.RCVTIMEO, PATIENCE_S * 1000)
        socket.subscribe(b"price.")
        socket.connect(endpoint)
        prices: dict[bytes, bytes] = {}
        while len(prices) < count:
            topic, price = socket.recv_multipart()
            prices[topic] = price
        for topic in sorted(prices):
            print(topic.decode(), prices[topic].decode())


def main(command: list[str]) -> None:
    """Publish, and only then open the dashboard."""
    with Publisher("tcp://127.0.0.1:*", workers=1, last_values=LastValues("price.")) as publisher:
        for update in range(UPDATES):
            for instrument in INSTRUMENTS:
                publisher.publish(f"price.{instrument}", b"%d" % update)
        arguments = [publisher.endpoints[0], str(len(INSTRUMENTS))]
        subprocess.run([*command, *arguments], check=True, timeout=PATIENCE_S)


if __name__ == "__main__":
    if sys.argv[1:2] == ["show"]:
        dashboard(sys.argv[2], int(sys.argv[3]))
    else:
        main(sys.argv[1:] or [sys.executable, __file__, "show"])
