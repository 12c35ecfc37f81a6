"""An order book by keyframes and deltas: who comes late has it right, at once, and so it stays.

    python examples/order_book.py

The publisher sends the whole book now and then, as a keyframe, and what has changed in between.
A stock SUB socket that comes late gets the last keyframe, all changes since then, and what comes.
Who has lost something subscribes again, and gets the same.
"""

from __future__ import annotations

import json
import random
import threading
from typing import Any

import zmq

from fanout import Event, EventKind, LastValues, Publisher

TOPIC = b"book.EURUSD"
CHANGES = 1_000
KEYFRAME_EACH = 100  # changes
PATIENCE_S = 60

Book = dict[str, int]  # how much is offered, by price


class Market:
    """Keeps the book, and publishes it; the topic names the book, the payload says what it is."""

    def __init__(self) -> None:
        self.book: Book = {}
        self._lock = threading.Lock()  # events come on a thread of their own
        self.publisher = Publisher(
            "tcp://127.0.0.1:*", workers=1, last_values=LastValues("book."), on_event=self.on_event
        )
        self.publish_all()

    def publish_all(self) -> None:
        """The whole book: from here on the changes are of use."""
        with self._lock:
            self.publisher.send_json({"all": self.book}, topic=TOPIC, keyframe=True)

    def change(self, price: str, amount: int) -> None:
        """So much is offered at a price from now on."""
        with self._lock:
            self.book[price] = amount
            self.publisher.send_json({price: amount}, topic=TOPIC)

    def on_event(self, event: Event) -> None:
        """Somebody came, and the log had no keyframe any more."""
        if event.kind is EventKind.KEYFRAME_WANTED:
            self.publish_all()


class Viewer:
    """Has the book as the market has it; no library but pyzmq."""

    def __init__(self, endpoint: str) -> None:
        self.book: Book | None = None
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.set(zmq.RCVTIMEO, PATIENCE_S * 1000)
        self._socket.subscribe(TOPIC)
        self._socket.connect(endpoint)

    def take(self) -> None:
        """Receive one message, and do as it says."""
        _topic, payload = self._socket.recv_multipart()
        said: dict[str, Any] = json.loads(payload)
        if "all" in said:
            self.book = said["all"]
        elif self.book is not None:  # else it is a change of what is not known
            self.book.update(said)

    def close(self) -> None:
        """Leave."""
        self._socket.close(linger=0)
        self._context.term()


def main() -> None:
    """Trade, let somebody come late, go on, and compare."""
    market, numbers = Market(), random.Random(1)
    with market.publisher:

        def trade(count: int) -> None:
            for number in range(1, count + 1):
                market.change(f"1.08{numbers.randrange(100):02}", numbers.randrange(1_000))
                if not number % KEYFRAME_EACH:
                    market.publish_all()

        trade(CHANGES + KEYFRAME_EACH // 2)
        viewer = Viewer(market.publisher.endpoints[0])
        for _ in range(1 + KEYFRAME_EACH // 2):
            viewer.take()
        print("late, and right:", viewer.book == market.book)
        trade(CHANGES)
        for _ in range(CHANGES + CHANGES // KEYFRAME_EACH):
            viewer.take()
        print("and still:", viewer.book == market.book)
        viewer.close()


if __name__ == "__main__":
    main()
