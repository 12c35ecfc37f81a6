"""Twenty processes publish into one feed, and one subscriber reads what all of them say.

    python examples/twenty_producers.py

The first process has the publisher; the others have a `fanout.Producer` each, made after the fork.
A PUSH socket of any language would do as well.
"""

from __future__ import annotations

import os
from collections import Counter

from fanout import Producer, Publisher, Subscriber

PRODUCERS = 20
EACH = 100  # messages


def produce(endpoint: str, number: int) -> None:
    """What each of the twenty does."""
    with Producer(endpoint) as producer:
        for reading in range(EACH):
            producer.publish(f"sensor.{number}", b"%d" % reading)


def main() -> None:
    """Start all of them, and count what comes."""
    with (
        Publisher("tcp://127.0.0.1:*", workers=1) as publisher,
        Subscriber(publisher.endpoints[0], "sensor.") as subscriber,
    ):
        publisher.wait_for_subscribers(1, timeout=60)
        intake = publisher.ingest("ipc://*", allowed_topics="sensor.")
        children = []
        for number in range(PRODUCERS):
            child = os.fork()
            if not child:
                produce(intake, number)
                os._exit(0)
            children.append(child)
        counts: Counter[bytes] = Counter()
        for _ in range(PRODUCERS * EACH):
            message = subscriber.recv(timeout=60)
            assert message.payload == b"%d" % counts[message.topic], "each keeps its order"
            counts[message.topic] += 1
        for child in children:
            os.waitpid(child, 0)
        print(f"{len(counts)} producers, {min(counts.values())} messages of each, in order")


if __name__ == "__main__":
    main()
